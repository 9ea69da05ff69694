"""Telling people what happens to what is theirs: at once to who listens, and in a commit to who must hear of it for sure.

At least once and in no promised order: a worker that dies after the first half tells it again. The event's id stays the same.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from madang.core.kernel.events import TELL_OWNER, OwnedEvent
from madang.core.kernel.live import LiveEvents, channel_of
from madang.core.kernel.messages import Delivery, Handler, RetryPolicy, Topic

_RETRY: Final = RetryPolicy((1, 5, 30, 120, 600, 1800, 3600, 3600, 3600, 3600))


class Hearing(Protocol):
    """A context that has something to record for every event that somebody owns."""

    async def hear(self, uow: Any, event: OwnedEvent) -> None: ...


class TellingOwners:
    def __init__(self, live: LiveEvents, *hearings: Hearing) -> None:
        self._live = live
        self._hearings = hearings

    def handlers(self) -> Sequence[Handler[Any]]:
        return (Handler(Topic(TELL_OWNER, retry=_RETRY), run=self.tell),)

    async def tell(self, delivery: Delivery[Any]) -> None:
        event = OwnedEvent.of(delivery.message)
        told = {
            "id": str(event.id),
            "type": event.name,
            "timestamp": event.occurred_at.isoformat(),
            "data": event.data,
        }
        await self._live.publish(channel_of(event.owner), event.name, told)
        async with delivery.finish() as uow:
            for hearing in self._hearings:
                await hearing.hear(uow, event)
