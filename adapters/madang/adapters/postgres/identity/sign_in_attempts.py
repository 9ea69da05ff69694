"""Wrong tries at signing in, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, update
from madang.core.identity.model import SignInAttempts

_ATTEMPTS: Final = ("key", "failures", "first_at", "blocked_until")
_LOCK: Final = """
INSERT INTO sign_in_attempts AS kept (key, first_at) SELECT key, $2 FROM unnest($1::bytea[]) AS wanted (key) ORDER BY key
ON CONFLICT (key) DO UPDATE SET failures = kept.failures
RETURNING key, failures, first_at, blocked_until
"""
"""In the order of the keys: two who count for the same account and address take turns. A row that was there is locked by being
written as it is."""
_SAVE: Final = update("sign_in_attempts", _ATTEMPTS, key="key")
_PRUNE: Final = """
DELETE FROM sign_in_attempts WHERE key = ANY (ARRAY(
    SELECT key FROM sign_in_attempts
    WHERE first_at < $1 AND (blocked_until IS NULL OR blocked_until < now()) LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""


class PostgresSignInAttempts:
    """Fulfils `SignInAttemptsRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, keys: Sequence[bytes], now: datetime) -> Sequence[SignInAttempts]:
        rows = await self._connection.fetch(_LOCK, list(keys), now)
        return [SignInAttempts(**{column: row[column] for column in _ATTEMPTS}) for row in rows]

    async def save(self, attempts: SignInAttempts) -> None:
        await self._connection.execute(_SAVE, *(getattr(attempts, column) for column in _ATTEMPTS))

    async def clear(self, keys: Sequence[bytes]) -> int:
        return affected(await self._connection.execute("DELETE FROM sign_in_attempts WHERE key = ANY ($1)", list(keys)))

    async def prune(self, before: datetime, *, limit: int) -> int:
        return affected(await self._connection.execute(_PRUNE, before, limit))
