"""Of the outbox, what the purge and the repair of a job must know and do."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected

_LEASED: Final = """
SELECT count(*) FROM messages
WHERE subject = $1 AND id <> $2 AND state = 'leased' AND lease_until > now()
  AND topic IS DISTINCT FROM (SELECT topic FROM messages WHERE id = $2)
"""
"""Those of the asking message's own topic are left out: two purges of one job would wait for one another."""
_CANCEL: Final = """
DELETE FROM messages
WHERE id IN (SELECT id FROM messages WHERE subject = $1 AND id <> $2 AND state = 'waiting' FOR UPDATE SKIP LOCKED)
"""
_GOES_ON: Final = """
SELECT EXISTS (SELECT FROM messages WHERE subject = $1 AND topic = ANY ($2) AND state IN ('waiting', 'leased'))
"""


class PostgresWork:
    """Fulfils `WorkRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def leased(self, subject: str, *, except_for: UUID) -> int:
        held: int = await self._connection.fetchval(_LEASED, subject, except_for)
        return held

    async def cancel_waiting(self, subject: str, *, except_for: UUID) -> int:
        """A message that a worker is claiming at this moment is left to it: `leased` sees it next."""
        return affected(await self._connection.execute(_CANCEL, subject, except_for))

    async def goes_on(self, subject: str, topics: Collection[str]) -> bool:
        found: bool = await self._connection.fetchval(_GOES_ON, subject, list(topics))
        return found
