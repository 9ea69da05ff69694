"""Notifications in PostgreSQL."""

from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select
from madang.core.kernel.errors import NotFound
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
)
_ADD: Final = insert("notifications", _COLUMNS, on_conflict="ON CONFLICT (key) DO NOTHING")
_GET: Final = {lock: select("notifications", _COLUMNS, "id = $1", lock=lock) for lock in (False, True)}
_UPDATE: Final = """
UPDATE notifications SET
    key = $2, channel = $3, template = $4, subject = $5, status = $6, created_at = $7, updated_at = $8,
    recipient = CASE WHEN recipient IS NULL THEN NULL ELSE $9::bytea END,
    text = CASE WHEN text IS NULL THEN NULL ELSE $10::bytea END,
    provider = $11, receipt_id = $12, failure = $13
WHERE id = $1
"""
"""Recipient and text can be emptied and never filled again: a late worker writes nothing personal back after the purge."""
_PURGE: Final = """
UPDATE notifications SET recipient = NULL, text = NULL
WHERE subject = $1 AND num_nonnulls(recipient, text) > 0
"""


class PostgresNotifications:
    """Fulfils `NotificationRepository`; `update` raises `NotFound` when there is no such row and keeps emptied fields empty."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, notification: Notification) -> bool:
        return affected(await self._connection.execute(_ADD, *_values(notification))) == 1

    async def get(self, notification_id: UUID, *, lock: bool = False) -> Notification | None:
        row = await self._connection.fetchrow(_GET[lock], notification_id)
        return None if row is None else _notification(row)

    async def update(self, notification: Notification) -> None:
        if not affected(await self._connection.execute(_UPDATE, *_values(notification))):
            raise NotFound("no such notification")

    async def purge(self, subject: str) -> int:
        return affected(await self._connection.execute(_PURGE, subject))


def _notification(row: asyncpg.Record) -> Notification:
    return Notification(
        id=row["id"],
        key=row["key"],
        channel=Channel(row["channel"]),
        template=row["template"],
        subject=row["subject"],
        status=NotificationStatus(row["status"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        recipient=row["recipient"],
        text=row["text"],
        provider=row["provider"],
        receipt_id=row["receipt_id"],
        failure=row["failure"],
    )


def _values(notification: Notification) -> tuple[Any, ...]:
    return (
        notification.id,
        notification.key,
        notification.channel.value,
        notification.template,
        notification.subject,
        notification.status.value,
        notification.created_at,
        notification.updated_at,
        notification.recipient,
        notification.text,
        notification.provider,
        notification.receipt_id,
        notification.failure,
    )
