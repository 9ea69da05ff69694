"""What a context announces, and which topics want to hear it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


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


class Subscriptions:
    """Which topics receive a message for which event; filled once, when the process is composed."""

    def __init__(self) -> None:
        self._topics: dict[str, list[str]] = defaultdict(list)

    def subscribe(self, event_name: str, topic: str) -> None:
        if topic not in self._topics[event_name]:
            self._topics[event_name].append(topic)

    def topics(self, event_name: str) -> Sequence[str]:
        return tuple(self._topics.get(event_name, ()))
