"""What may go wrong between us and PostgreSQL, in the words of the error taxonomy."""

from typing import Final

import asyncpg

from madang.core.kernel.errors import Problem, ValidationFailed
from madang.ports.errors import Misconfigured, OutcomeUnknown, Unavailable

_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
)
_ROLLED_BACK: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)
_UNSTORABLE: Final = (
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.NumericValueOutOfRangeError,
    asyncpg.ProgramLimitExceededError,
)
_WRONG_ADDRESS: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


class CommitOutcomeUnknown(OutcomeUnknown):
    """The connection was lost while PostgreSQL was committing: the unit of work is either wholly there or wholly absent.

    Safe to retry for whoever reads first: handlers are claimed again and find their rows, creating calls find what they
    created by its id. Never to be read as "not done".
    """

    kind = "commit_outcome_unknown"


def is_connection_failure(error: BaseException) -> bool:
    """The connection is gone or could not be made; whether a statement was run is another question."""
    return is_already_gone(error) or isinstance(error, _AWAY)


def is_already_gone(error: BaseException) -> bool:
    """The connection was gone before the statement was sent: surely nothing was done by it.

    asyncpg tells it by its words alone: "connection is closed", or "connection has been released back to the pool", which is
    what a pool does with one that the server closed; or "another operation is in progress", when the server died so lately that
    the end of the operation before has not been noticed.
    """
    words = str(error)
    if isinstance(error, asyncpg.InternalClientError):
        return "cannot switch to state" in words
    if not isinstance(error, asyncpg.InterfaceError):
        return False
    return "connection is closed" in words or "connection has been released" in words


def could_not_connect(error: BaseException) -> bool:
    """Like `is_connection_failure`, while connecting: a socket file that is not there yet and a time-out count too."""
    return is_connection_failure(error) or isinstance(error, OSError)


def unavailable(error: BaseException, operation: str) -> Unavailable:
    code = error.sqlstate if isinstance(error, asyncpg.PostgresError) else None
    return Unavailable("the database is not reachable", provider="postgresql", operation=operation, code=code)


def wrong_address(error: BaseException) -> Misconfigured | None:
    """The error as `Misconfigured` when the address, the user or the password is wrong."""
    if not isinstance(error, _WRONG_ADDRESS):
        return None
    return Misconfigured(
        f"the database refuses us: {type(error).__name__}; check the database address, its user and password",
        provider="postgresql",
        operation="connect",
    )


def unstorable(error: BaseException) -> ValidationFailed | None:
    """The error as `ValidationFailed` when a value is one that no row can hold: a NUL character, a number or a key too large.

    A safety net behind the checks of the edges, which say better where it is.
    """
    out_of_range = isinstance(error, asyncpg.DataError) and "out of" in str(error)
    if out_of_range or isinstance(error, _UNSTORABLE):
        return ValidationFailed(Problem("", "holds a character, a number or a length that cannot be stored"))
    return None


def of_transaction(error: BaseException) -> Unavailable | None:
    """What an error inside a transaction means when the transaction is surely rolled back and may be tried again, else None."""
    if is_connection_failure(error):
        return unavailable(error, "transaction")
    if isinstance(error, _ROLLED_BACK):
        return Unavailable(
            "the transaction was rolled back by the database",
            provider="postgresql",
            operation="transaction",
            code=error.sqlstate,
        )
    return None
