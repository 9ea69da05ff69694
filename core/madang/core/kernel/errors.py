"""What a use case refuses, by what the client can do about it.

`code` is part of the HTTP contract; `message` is English for developers, translated at the edge by code. `params` fill the
translated sentence and must be safe to show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class DomainError(Exception):
    code: ClassVar[str] = "DOMAIN_ERROR"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str | None = None, retry_after: float | None = None, **params: object) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = code or self.code
        self.retry_after = retry_after
        self.params: Mapping[str, object] = params


class NotFound(DomainError):
    """No such thing, or none that is yours: the two must look alike. HTTP 404."""

    code = "NOT_FOUND"


class Conflict(DomainError):
    """The thing is in a state that does not allow it. HTTP 409."""

    code = "CONFLICT"


class WrongState(Conflict):
    """`state` is what it is, `expected` what it must be: the translated sentence tells both."""

    code = "WRONG_STATE"

    def __init__(self, message: str, *, state: str, expected: str, code: str | None = None) -> None:
        super().__init__(message, code=code, state=state, expected=expected)


class AlreadyExists(Conflict):
    """`params` carry the first one's `id`."""

    code = "ALREADY_EXISTS"


class Gone(DomainError):
    """It was there, and its time is over. HTTP 410."""

    code = "GONE"


class Unauthenticated(DomainError):
    """No valid credentials. HTTP 401."""

    code = "UNAUTHORIZED"


class PaymentRequired(DomainError):
    """It costs more than there is to spend. HTTP 402."""

    code = "PAYMENT_REQUIRED"


class PermissionDenied(DomainError):
    """Valid credentials without the permission. HTTP 403."""

    code = "INSUFFICIENT_PERMISSIONS"


class TooManyAttempts(DomainError):
    """Blocked for `retry_after` seconds after wrong tries. HTTP 429."""

    code = "TOO_MANY_ATTEMPTS"
    retryable = True


class Unprocessable(DomainError):
    """Well-formed, and still unusable: a picture that cannot be decoded. HTTP 422."""

    code = "UNPROCESSABLE"


class PayloadTooLarge(DomainError):
    """More bytes or pixels than allowed. HTTP 413."""

    code = "PAYLOAD_TOO_LARGE"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the input: a JSON-pointer-like `path` (`crop.width`) and a sentence."""

    path: str
    message: str


class ValidationFailed(DomainError):
    """The input is wrong where `problems` say. HTTP 400."""

    code = "VALIDATION_ERROR"

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{p.path}: {p.message}" for p in problems) or "the input is not valid")
        self.problems: Sequence[Problem] = problems


class StaleVersion(DomainError):
    """Somebody else saved first. HTTP 412."""

    code = "STALE_VERSION"


class LeaseLost(Exception):
    """This worker's lease on a message has passed to another: nothing of this unit of work may be committed."""
