"""Notifications in PostgreSQL."""

# ruff: noqa: S608 – put together from constants of this module

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.operations.audit import id_in
from madang.adapters.postgres.statements import affected, insert, select
from madang.core.kernel.errors import NotFound
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.notifications.choice import Withheld
from madang.core.notifications.model import Channel, Notification, NotificationStatus

_COLUMNS: Final = (
    "id",
    "key",
    "channel",
    "template",
    "subject",
    "status",
    "created_at",
    "updated_at",
    "recipient",
    "text",
    "provider",
    "receipt_id",
    "failure",
    "user_id",
    "content",
    "keeps_nothing",
)
_LISTED: Final = ", ".join(_COLUMNS)
_ADD: Final = insert("notifications", _COLUMNS, on_conflict="ON CONFLICT (key) DO NOTHING")
_GET: Final = {lock: select("notifications", _COLUMNS, "id = $1", lock=lock) for lock in (False, True)}
_BY_RECEIPT: Final = {
    lock: select("notifications", _COLUMNS, "provider = $1 AND receipt_id = $2", lock=lock) for lock in (False, True)
}
_SETTLE: Final = """
UPDATE notifications SET channel = $2, recipient = $3, text = $4, provider = $5, updated_at = $6
WHERE id = $1 AND content IS NOT NULL
"""
_UPDATE: Final = """
UPDATE notifications SET
    key = $2, channel = $3, template = $4, subject = $5, status = $6, created_at = $7, updated_at = $8,
    recipient = CASE WHEN recipient IS NULL THEN NULL ELSE $9::bytea END,
    text = CASE WHEN text IS NULL THEN NULL ELSE $10::bytea END,
    provider = $11, receipt_id = $12, failure = $13,
    content = CASE WHEN content IS NULL THEN NULL ELSE $14::bytea END,
    keeps_nothing = $15
WHERE id = $1
"""
"""What is personal can be emptied and never filled again: a late worker writes nothing back after the purge."""
_ANYTHING: Final = "num_nonnulls(recipient, text, content) > 0"
_EMPTY: Final = "recipient = NULL, text = NULL, content = NULL"
_PURGE: Final = f"UPDATE notifications SET {_EMPTY} WHERE subject = $1 AND {_ANYTHING}"
_WITHHOLD: Final = """
status = CASE WHEN status = 'queued' THEN 'withheld' ELSE status END,
failure = CASE WHEN status = 'queued' THEN $2 ELSE failure END,
updated_at = CASE WHEN status = 'queued' THEN $3 ELSE updated_at END
"""
_ERASE: Final = f"UPDATE notifications SET {_EMPTY}, user_id = NULL, {_WITHHOLD} WHERE user_id = $1"
_FORGET: Final = f"""
UPDATE notifications SET {_EMPTY}, {_WITHHOLD} WHERE id = ANY (ARRAY(
    SELECT id FROM notifications WHERE created_at < $1 AND {_ANYTHING} LIMIT $4 FOR UPDATE SKIP LOCKED
))
"""
_PRUNE: Final = """
DELETE FROM notifications WHERE id = ANY (ARRAY(
    SELECT id FROM notifications WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""
_PAGE: Final = f"""
SELECT {_LISTED} FROM notifications
WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""
_OF_USER: Final = f"SELECT {_LISTED} FROM notifications WHERE user_id = $1 ORDER BY id"


class PostgresNotifications:
    """Fulfils `NotificationRepository`; `update` raises `NotFound` when there is no such row and keeps emptied fields empty.
    A cursor is the id of the last one of the page before."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, notification: Notification) -> bool:
        return affected(await self._connection.execute(_ADD, *_values(notification))) == 1

    async def get(self, notification_id: UUID, *, lock: bool = False) -> Notification | None:
        row = await self._connection.fetchrow(_GET[lock], notification_id)
        return None if row is None else _notification(row)

    async def by_receipt(self, provider: str, receipt_id: str, *, lock: bool = False) -> Notification | None:
        row = await self._connection.fetchrow(_BY_RECEIPT[lock], provider, receipt_id)
        return None if row is None else _notification(row)

    async def settle(self, notification: Notification) -> bool:
        n = notification
        channel = None if n.channel is None else n.channel.value
        done = await self._connection.execute(_SETTLE, n.id, channel, n.recipient, n.text, n.provider, n.updated_at)
        return affected(done) == 1

    async def update(self, notification: Notification) -> None:
        values = [value for column, value in zip(_COLUMNS, _values(notification), strict=True) if column != "user_id"]
        if not affected(await self._connection.execute(_UPDATE, *values)):
            raise NotFound("no such notification")

    async def purge(self, subject: str) -> int:
        return affected(await self._connection.execute(_PURGE, subject))

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[Notification]:
        rows = await self._connection.fetch(_PAGE, user_id, id_in(request.cursor), request.limit + 1)
        found = [_notification(row) for row in rows[: request.limit]]
        return CursorPage(found, request.limit, found[-1].id.hex if len(rows) > request.limit else None)

    async def of_user(self, user_id: UUID) -> Sequence[Notification]:
        return [_notification(row) for row in await self._connection.fetch(_OF_USER, user_id)]

    async def erase(self, user_id: UUID, now: datetime) -> int:
        return affected(await self._connection.execute(_ERASE, user_id, Withheld.ERASED.value, now))

    async def forget_texts(self, before: datetime, now: datetime, *, limit: int) -> int:
        return affected(await self._connection.execute(_FORGET, before, Withheld.TOO_OLD.value, now, limit))

    async def prune(self, before: datetime, *, limit: int) -> int:
        return affected(await self._connection.execute(_PRUNE, before, limit))


def _notification(row: asyncpg.Record) -> Notification:
    values = {column: row[column] for column in _COLUMNS}
    channel = values["channel"]
    told = {"channel": None if channel is None else Channel(channel), "status": NotificationStatus(values["status"])}
    return Notification(**{**values, **told})


def _values(notification: Notification) -> tuple[Any, ...]:
    return tuple(
        value.value if isinstance(value := getattr(notification, column), Channel | NotificationStatus) else value
        for column in _COLUMNS
    )
