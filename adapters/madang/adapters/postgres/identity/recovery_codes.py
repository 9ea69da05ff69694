"""Recovery codes in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert
from madang.core.identity.model import RecoveryCode

_ADD: Final = insert("recovery_codes", ("user_id", "digest", "used_at"))
_USE: Final = "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND digest = $2 AND used_at IS NULL"
_LEFT: Final = "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL"


class PostgresRecoveryCodes:
    """Fulfils `RecoveryCodeRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def replace(self, user_id: UUID, codes: Sequence[RecoveryCode]) -> None:
        await self._connection.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
        await self._connection.executemany(_ADD, [(code.user_id, code.digest, code.used_at) for code in codes])

    async def use(self, user_id: UUID, digest: bytes, now: datetime) -> bool:
        return affected(await self._connection.execute(_USE, user_id, digest, now)) == 1

    async def left(self, user_id: UUID) -> int:
        left: int = await self._connection.fetchval(_LEFT, user_id)
        return left
