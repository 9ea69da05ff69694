"""The payment providers' part of the inbox, as it is swept and as administrators page through it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from madang.adapters.postgres.audit import id_in
from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.inbox import INBOX_COLUMNS, inbox_entry
from madang.adapters.postgres.statements import select
from madang.core.billing.inbox_keeping import NoticeFilter
from madang.core.billing.service import HANDLE_NOTICE
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.paging import CursorPage, CursorRequest

_OURS: Final = "strpos(provider, ':') = 0"
"""The notices of other kinds of provider carry their kind in front: `email:resend`."""

_GET: Final = {lock: select("inbox", INBOX_COLUMNS, f"id = $1 AND {_OURS}", lock=lock) for lock in (False, True)}
_PAGE: Final = select(
    "inbox",
    INBOX_COLUMNS,
    f"{_OURS} AND ($1::text IS NULL OR provider = $1) AND ($2::boolean IS NULL OR (handled_at IS NOT NULL) = $2) "
    "AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4",
)
_STRANDED: Final = f"""
SELECT entry.id FROM inbox AS entry
WHERE entry.handled_at IS NULL AND {_OURS} AND entry.received_at < now() - $1::interval
  AND NOT EXISTS (
    SELECT FROM messages AS message
    WHERE message.topic = $2 AND message.subject = 'inbox:' || entry.id AND message.state IN ('waiting', 'leased'))
  AND NOT EXISTS (
    SELECT FROM messages AS message
    WHERE message.topic = $2 AND message.subject = 'inbox:' || entry.id AND message.state = 'dead'
      AND now() - message.due_at < message.due_at - entry.received_at)
ORDER BY entry.received_at LIMIT $3
"""  # noqa: S608 - put together from constants of this module


class PostgresPaymentNotices:
    """Fulfils `NoticeRepository`; a cursor is the id of the last notice of the page before, and ids sort by time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def stranded(self, after: timedelta, *, limit: int) -> Sequence[UUID]:
        return [row["id"] for row in await self._connection.fetch(_STRANDED, after, HANDLE_NOTICE, limit)]

    async def page(self, request: CursorRequest, wanted: NoticeFilter) -> CursorPage[InboxEntry]:
        values = (wanted.provider, wanted.handled, id_in(request.cursor), request.limit + 1)
        rows = await self._connection.fetch(_PAGE, *values)
        page = [inbox_entry(row) for row in rows[: request.limit]]
        return CursorPage(page, request.limit, page[-1].id.hex if len(rows) > request.limit else None)

    async def get(self, entry_id: UUID, *, lock: bool = False) -> InboxEntry | None:
        row = await self._connection.fetchrow(_GET[lock], entry_id)
        return None if row is None else inbox_entry(row)
