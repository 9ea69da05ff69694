"""What a context announces, and which topics want to hear it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from madang.core.kernel.messages import Message, NewMessage

TELL_OWNER: Final = "events.tell_owner"
"""The topic by which an event reaches its owner."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact in the past tense: `billing.payment_changed`. `subject` names what it is about: `portrait:<id>`.

    `owner` is the user whose affair it is: they hear of it live and by their webhooks, so the payload of an owned event is part
    of the HTTP contract (ids, states and amounts, camelCase, no personal data).
    """

    name: str
    subject: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    owner: UUID | None = None


@dataclass(frozen=True, slots=True)
class OwnedEvent:
    """An event on its way to its owner. `id` stays the same however often it is told: who hears it twice knows by it."""

    id: UUID
    name: str
    subject: str
    data: Mapping[str, Any]
    owner: UUID
    occurred_at: datetime

    @classmethod
    def of(cls, message: Message) -> Self:
        payload = message.payload
        return cls(
            message.id,
            payload["name"],
            payload["subject"],
            payload["data"],
            UUID(payload["owner"]),
            datetime.fromisoformat(payload["occurred_at"]),
        )


def telling_of(event: Event, owner: UUID, now: datetime) -> NewMessage:
    """What must follow the commit of an event with an owner; the message's id becomes the event's."""
    payload = {
        "name": event.name,
        "subject": event.subject,
        "data": event.payload,
        "owner": str(owner),
        "occurred_at": now.isoformat(),
    }
    return NewMessage(TELL_OWNER, payload, subject=event.subject)


class Subscriptions:
    """Which topics receive a message for which event; filled once, when the process is composed."""

    def __init__(self) -> None:
        self._topics: dict[str, list[str]] = defaultdict(list)

    def subscribe(self, event_name: str, topic: str) -> None:
        if topic not in self._topics[event_name]:
            self._topics[event_name].append(topic)

    def topics(self, event_name: str) -> Sequence[str]:
        return tuple(self._topics.get(event_name, ()))
