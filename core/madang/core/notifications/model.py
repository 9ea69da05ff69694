"""A notification: one message to one person by one channel, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Channel(StrEnum):
    SMS = "sms"


class NotificationStatus(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Notification:
    """`key` is unique: one reason to write, one message. Recipient and text are encrypted, and emptied when the
    subject is purged. `provider` is who has been asked to send it."""

    id: UUID
    key: str
    channel: Channel
    template: str
    subject: str
    status: NotificationStatus
    created_at: datetime
    updated_at: datetime
    recipient: bytes | None = field(default=None, repr=False)
    text: bytes | None = field(default=None, repr=False)
    provider: str | None = None
    receipt_id: str | None = None
    failure: str | None = None
