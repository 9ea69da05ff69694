"""The inbox in PostgreSQL: what providers told us, each once."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.kernel.errors import NotFound
from madang.core.kernel.inbox import InboxEntry

INBOX_COLUMNS: Final = ("id", "provider", "event_id", "kind", "notice", "received_at", "handled_at", "outcome")
_ADD: Final = insert("inbox", INBOX_COLUMNS, on_conflict="ON CONFLICT (provider, event_id) DO NOTHING")
_GET: Final = select("inbox", INBOX_COLUMNS, "id = $1")
_OF_EVENTS: Final = select("inbox", INBOX_COLUMNS, "provider = $1 AND event_id = ANY ($2::text[])")
_LOCK: Final = select("inbox", INBOX_COLUMNS, "id = $1", lock=True)
_UPDATE: Final = update("inbox", INBOX_COLUMNS)


class PostgresInbox:
    """Fulfils `InboxRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, entry: InboxEntry) -> bool:
        return affected(await self._connection.execute(_ADD, *_values(entry))) == 1

    async def of_events(self, provider: str, event_ids: Sequence[str]) -> Sequence[InboxEntry]:
        return [inbox_entry(row) for row in await self._connection.fetch(_OF_EVENTS, provider, list(event_ids))]

    async def get(self, entry_id: UUID, *, lock: bool = False) -> InboxEntry | None:
        row = await self._connection.fetchrow(_LOCK if lock else _GET, entry_id)
        return None if row is None else inbox_entry(row)

    async def update(self, entry: InboxEntry) -> None:
        """Raises `NotFound` when there is no such entry."""
        if not affected(await self._connection.execute(_UPDATE, *_values(entry))):
            raise NotFound("no such inbox entry")


def inbox_entry(row: asyncpg.Record) -> InboxEntry:
    return InboxEntry(
        id=row["id"],
        provider=row["provider"],
        event_id=row["event_id"],
        kind=row["kind"],
        notice=row["notice"],
        received_at=row["received_at"],
        handled_at=row["handled_at"],
        outcome=row["outcome"],
    )


def _values(entry: InboxEntry) -> tuple[Any, ...]:
    return (
        entry.id,
        entry.provider,
        entry.event_id,
        entry.kind,
        entry.notice,
        entry.received_at,
        entry.handled_at,
        entry.outcome,
    )
