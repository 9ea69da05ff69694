"""One-time tokens in PostgreSQL."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.identity.model import OneTimeToken, TokenPurpose

_TOKEN: Final = ("digest", "user_id", "purpose", "created_at", "expires_at", "used_at", "failures")
_ADD: Final = insert("one_time_tokens", _TOKEN)
_GET: Final = {lock: select("one_time_tokens", _TOKEN, "digest = $1 AND purpose = $2", lock=lock) for lock in (False, True)}
_UPDATE: Final = update("one_time_tokens", _TOKEN, key="digest")
_CANCEL: Final = "DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL"
_ISSUED: Final = "SELECT count(*) FROM one_time_tokens WHERE user_id = $1 AND purpose = $2 AND created_at > $3"
_PRUNE: Final = """
DELETE FROM one_time_tokens WHERE digest = ANY (ARRAY(
    SELECT digest FROM one_time_tokens WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""


class PostgresOneTimeTokens:
    """Fulfils `OneTimeTokenRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, token: OneTimeToken) -> None:
        await self._connection.execute(_ADD, *_values(token))

    async def get(self, digest: bytes, purpose: TokenPurpose, *, lock: bool = False) -> OneTimeToken | None:
        row = await self._connection.fetchrow(_GET[lock], digest, purpose.value)
        if row is None:
            return None
        return OneTimeToken(**{**{column: row[column] for column in _TOKEN}, "purpose": TokenPurpose(row["purpose"])})

    async def update(self, token: OneTimeToken) -> None:
        await self._connection.execute(_UPDATE, *_values(token))

    async def cancel(self, user_id: UUID, purpose: TokenPurpose) -> int:
        return affected(await self._connection.execute(_CANCEL, user_id, purpose.value))

    async def issued(self, user_id: UUID, purpose: TokenPurpose, since: datetime) -> int:
        made: int = await self._connection.fetchval(_ISSUED, user_id, purpose.value, since)
        return made

    async def prune(self, before: datetime, *, limit: int) -> int:
        return affected(await self._connection.execute(_PRUNE, before, limit))


def _values(token: OneTimeToken) -> tuple[Any, ...]:
    return tuple(token.purpose.value if column == "purpose" else getattr(token, column) for column in _TOKEN)
