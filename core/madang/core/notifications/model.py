"""A notification: one message to one reader by one channel, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

RECIPIENT: Final = "notifications.recipient"
TEXT: Final = "notifications.text"
CONTENT: Final = "notifications.content"
SUPPRESSED_ADDRESS: Final = "notifications.suppressed_address"
SUPPRESSED_HASH: Final = "notifications.suppressed_hash"
"""What the encrypted columns and the keyed hash are bound to."""


class Channel(StrEnum):
    SMS = "sms"
    EMAIL = "email"
    CHAT = "chat"


class Category(StrEnum):
    """Why somebody is written to. `SECURITY` and `TRANSACTIONAL` cannot be switched off; `OPERATIONS` goes to who runs the
    deployment, and to no user."""

    SECURITY = "security"
    TRANSACTIONAL = "transactional"
    PRODUCT = "product"
    MARKETING = "marketing"
    OPERATIONS = "operations"


class NotificationStatus(StrEnum):
    """`SENT`: a provider has it; `DELIVERED`: the reader's server or phone has it; `WITHHELD`: not sent on purpose, and
    `failure` says why."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    WITHHELD = "withheld"


OVER: Final = frozenset({NotificationStatus.SENT, NotificationStatus.DELIVERED, NotificationStatus.WITHHELD})
"""Where sending has nothing left to do; a `FAILED` or `UNKNOWN` one may be asked for again by an operator."""


@dataclass(frozen=True, slots=True)
class Notification:
    """`key` is unique: one reason to write, one message. `template` is the kind's name.

    `content` is what fills the kind's templates, as JSON. Channel, recipient and text are decided from it when the message is
    about to be sent, and stay as they are from the moment that a provider may have it. All three are encrypted, and emptied
    when the subject is purged. `provider` is who has been asked to send it. With `keeps_nothing` recipient and text are emptied
    as soon as nothing is to be sent any more.
    """

    id: UUID
    key: str
    channel: Channel | None
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
    user_id: UUID | None = None
    content: bytes | None = field(default=None, repr=False)
    keeps_nothing: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in the reader's words. SMS and chat have a `text`, chat also a `subject` as its title; e-mail has all."""

    text: str = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Preferences:
    """By which channels a user wants each category, the best first; an empty list switches a category off. What is not in
    `chosen` is as the category's defaults say. `version` grows with every change and is the ETag: 0 before the first."""

    user_id: UUID
    chosen: Mapping[Category, Sequence[Channel]] = field(default_factory=dict)
    version: int = 0
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that refused a letter for good, or whose reader called one unwanted: only what concerns the account's
    security still goes there. `address` (in lower case) is encrypted, `address_hash` finds it."""

    address_hash: bytes = field(repr=False)
    address: bytes = field(repr=False)
    user_id: UUID
    reason: str
    created_at: datetime
