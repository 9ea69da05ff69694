"""Live events: what somebody may be watching right now. Losing them loses nothing."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """`id` grows within a channel and is what `Last-Event-ID` resumes from."""

    id: str
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


class LiveEvents(Protocol):
    async def publish(self, channel: str, name: str, data: Mapping[str, Any]) -> None:
        """Tell whoever listens. Never raises for a carrier that is down: the truth is in the database."""
        ...

    def listen(self, channel: str, *, after: str | None = None) -> AsyncIterator[LiveEvent]:
        """Events of the channel as they come, after `after` those that are still kept."""
        ...


def channel_of(user_id: UUID) -> str:
    """Where the events go that somebody owns."""
    return f"user:{user_id}"
