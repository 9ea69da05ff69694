"""Foreign identities in PostgreSQL."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select
from madang.core.identity.model import ExternalIdentity

_IDENTITY: Final = ("issuer", "subject", "user_id", "provider", "created_at")
_ADD: Final = insert("external_identities", _IDENTITY, on_conflict="ON CONFLICT DO NOTHING")
_GET: Final = select("external_identities", _IDENTITY, "issuer = $1 AND subject = $2")
_OF_USER: Final = select("external_identities", _IDENTITY, "user_id = $1 ORDER BY created_at")
_REMOVE_ALL: Final = "DELETE FROM external_identities WHERE user_id = $1"


class PostgresExternalIdentities:
    """Fulfils `ExternalIdentityRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, issuer: str, subject: str) -> ExternalIdentity | None:
        row = await self._connection.fetchrow(_GET, issuer, subject)
        return None if row is None else ExternalIdentity(**row)

    async def add(self, identity: ExternalIdentity) -> bool:
        values = [getattr(identity, column) for column in _IDENTITY]
        return affected(await self._connection.execute(_ADD, *values)) == 1

    async def of_user(self, user_id: UUID) -> Sequence[ExternalIdentity]:
        return [ExternalIdentity(**row) for row in await self._connection.fetch(_OF_USER, user_id)]

    async def remove_all(self, user_id: UUID) -> int:
        return affected(await self._connection.execute(_REMOVE_ALL, user_id))
