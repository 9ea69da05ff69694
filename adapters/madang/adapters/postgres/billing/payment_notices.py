"""The payment providers' part of the inbox, as it is swept and as administrators page through it."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.messages.inbox import INBOX_COLUMNS, inbox_entry
from madang.adapters.postgres.operations.audit import id_in
from madang.adapters.postgres.statements import matching, select
from madang.core.billing.inbox_keeping import NoticeFilter
from madang.core.billing.service import HANDLE_NOTICE
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.paging import CursorPage, CursorRequest

_OURS: Final = "strpos(provider, ':') = 0"
"""The notices of other kinds of provider carry their kind in front: `email:resend`."""

_GET: Final = {lock: select("inbox", INBOX_COLUMNS, f"id = $1 AND {_OURS}", lock=lock) for lock in (False, True)}
_HANDLED: Final = {None: "true", True: "handled_at IS NOT NULL", False: "handled_at IS NULL"}
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
        where, values = matching({"provider": wanted.provider}, after=2)
        question = _page(f"{_HANDLED[wanted.handled]} AND {where}")
        rows = await self._connection.fetch(question, id_in(request.cursor), request.limit + 1, *values)
        page = [inbox_entry(row) for row in rows[: request.limit]]
        return CursorPage(page, request.limit, page[-1].id.hex if len(rows) > request.limit else None)

    async def get(self, entry_id: UUID, *, lock: bool = False) -> InboxEntry | None:
        row = await self._connection.fetchrow(_GET[lock], entry_id)
        return None if row is None else inbox_entry(row)


@cache
def _page(where: str) -> str:
    return select("inbox", INBOX_COLUMNS, f"{_OURS} AND {where} AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2")
