"""What the Notifications calls take and answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Meta

from madang.core.notifications.delivery_log import LogEntry
from madang.core.notifications.kinds import ALWAYS_ON, CHANNELS, CHOSEN_BY_USERS
from madang.core.notifications.model import Category, Preferences
from madang.core.notifications.preferences import channels_of
from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.portraits.shapes import Input

ChannelName = Literal["email", "sms", "chat"]
CategoryName = Literal["security", "transactional", "product", "marketing"]
Channels = Annotated[Sequence[ChannelName], Meta(max_length=3)]


class NotificationShape(Shape, frozen=True):
    """One message to you. `channel` and `recipient` (with its middle left out) are null until they are decided, and `recipient`
    again once it is forgotten; `reason` is why nothing was sent, or what the receiving side said."""

    id: UUID
    kind: str
    channel: Literal["email", "sms", "chat"] | None
    status: Literal["queued", "sent", "delivered", "failed", "unknown", "withheld"]
    recipient: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, entry: LogEntry, zone: ZoneInfo) -> "NotificationShape":
        channel: Any = None if entry.channel is None else entry.channel.value
        return cls(
            id=entry.id,
            kind=entry.kind,
            channel=channel,
            status=entry.status.value,
            recipient=entry.recipient,
            reason=entry.reason,
            created_at=entry.created_at.astimezone(zone),
            updated_at=entry.updated_at.astimezone(zone),
        )


class CategoryShape(Shape, frozen=True):
    """`channels` are the wanted ones, the best first, none when it is switched off; `offered` are those that there are."""

    category: CategoryName
    channels: Sequence[ChannelName]
    offered: Sequence[ChannelName]
    can_be_switched_off: bool


class PreferencesShape(Shape, frozen=True):
    categories: Sequence[CategoryShape]

    @classmethod
    def of(cls, preferences: Preferences) -> "PreferencesShape":
        return cls([_category(preferences, category) for category in (Category.SECURITY, *CHOSEN_BY_USERS)])


class PreferencesBody(Input, frozen=True):
    """Channels by category, the best first; an empty list switches a category off. `sms` needs a phone number in the profile:
    without one the next channel is used. `chat` is the team's own, for its members."""

    transactional: Annotated[Sequence[ChannelName], Meta(min_length=1, max_length=3)]
    product: Channels
    marketing: Annotated[Sequence[Literal["email"]], Meta(max_length=1)]


class NotificationsQuery(Input, frozen=True):
    cursor: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\u0000]*$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


def _category(preferences: Preferences, category: Category) -> CategoryShape:
    name: Any = category.value
    wanted: Any = [channel.value for channel in channels_of(preferences, category)]
    offered: Any = [channel.value for channel in CHANNELS[category]]
    return CategoryShape(category=name, channels=wanted, offered=offered, can_be_switched_off=category not in ALWAYS_ON)


CHOICES: Final = {"transactional": ["sms", "email"], "product": ["email"], "marketing": []}
PREFERENCES: Final = {
    "categories": [
        {"category": "security", "channels": ["email"], "offered": ["email"], "canBeSwitchedOff": False},
        {
            "category": "transactional",
            "channels": ["sms", "email"],
            "offered": ["email", "sms", "chat"],
            "canBeSwitchedOff": False,
        },
        {"category": "product", "channels": ["email"], "offered": ["email", "sms", "chat"], "canBeSwitchedOff": True},
        {"category": "marketing", "channels": [], "offered": ["email"], "canBeSwitchedOff": True},
    ]
}
NOTIFICATION: Final = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "kind": "identity.password_changed",
    "channel": "email",
    "status": "delivered",
    "recipient": "k***@example.com",
    "reason": None,
    "createdAt": "2026-01-05T12:07:30+09:00",
    "updatedAt": "2026-01-05T12:07:34+09:00",
}
