"""Rate limits of single users."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected

_OF: Final = "SELECT policy, written FROM user_limits WHERE user_id = $1 ORDER BY policy"
_SET: Final = """
INSERT INTO user_limits (user_id, policy, written, set_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, policy) DO UPDATE SET written = excluded.written, set_at = excluded.set_at
"""
_UNSET: Final = "DELETE FROM user_limits WHERE user_id = $1 AND policy = $2"
_ERASE: Final = "DELETE FROM user_limits WHERE user_id = $1"


class PostgresUserLimits:
    """Fulfils `UserLimitRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, user_id: UUID) -> Mapping[str, str]:
        return {row["policy"]: row["written"] for row in await self._connection.fetch(_OF, user_id)}

    async def change(self, user_id: UUID, changes: Mapping[str, str | None], now: datetime) -> None:
        for policy, written in sorted(changes.items()):
            if written is None:
                await self._connection.execute(_UNSET, user_id, policy)
            else:
                await self._connection.execute(_SET, user_id, policy, written, now)

    async def erase(self, user_id: UUID) -> int:
        return affected(await self._connection.execute(_ERASE, user_id))
