"""The messages in this worker's hands, and the heartbeat that keeps their leases alive."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from madang.core.kernel.messages import Lane
from madang.core.kernel.outbox import Leased, Outbox

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Held:
    """A leased message. `safe_until` is by our own monotonic clock, counted from before the lease was asked for."""

    leased: Leased
    lane: Lane
    safe_until: float
    began: bool = False
    lost: bool = False
    given_back: bool = False
    finishing: bool = False
    task: asyncio.Task[Any] | None = None

    @property
    def id(self) -> UUID:
        return self.leased.message.id

    def begin(self) -> bool:
        """False for one that was lost or given back before its turn came: it is not ours to begin."""
        if self.lost or self.given_back:
            return False
        self.began = True
        return True

    def lose(self, why: str) -> None:
        """Another worker may have it now: stop the handler. One that is already committing is stopped by the fence."""
        if self.lost or self.finishing:
            return
        self.lost = True
        log.warning("lease lost", message_id=str(self.id), topic=self.leased.message.topic, why=why)
        if self.task is not None:
            self.task.cancel()


@dataclass(slots=True, eq=False)
class Leases:
    """Prolongs every lease at a third of its time; a message whose lease cannot be prolonged in time is let go of."""

    outbox: Outbox[Any]
    seconds: float
    _held: dict[UUID, Held] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(tuple(self._held.values()))

    def hold(self, leased: Leased, lane: Lane, asked_at: float) -> Held:
        """A message that comes back to us while an earlier try of it still runs has ended that try."""
        earlier = self._held.get(leased.message.id)
        if earlier is not None:
            earlier.lose("claimed again")
        held = Held(leased, lane, asked_at + self.seconds)
        self._held[held.id] = held
        return held

    def release(self, held: Held) -> None:
        if self._held.get(held.id) is held:
            del self._held[held.id]

    async def keep(self) -> None:
        """Runs until it is cancelled. What is overdue is let go of on time also while the database does not answer a beat."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._prolong())
            both.create_task(self._watch())

    async def _prolong(self) -> None:
        while True:
            await asyncio.sleep(self.seconds / 3)
            await self.beat()

    async def _watch(self) -> None:
        look_every = self.seconds / 30
        while True:
            await asyncio.sleep(look_every)
            self._let_go_before(time.monotonic() + look_every)

    async def beat(self) -> None:
        held = tuple(self)
        if not held:
            return
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(self.seconds / 3):
                lost = await self.outbox.extend([one.leased for one in held], lease=self.seconds)
        except Exception as error:  # noqa: BLE001 - the heartbeat must outlive everything
            log.warning("leases could not be prolonged", count=len(held), error=type(error).__name__)
            return
        self._take_note(held, lost, asked_at)

    def _take_note(self, held: Iterable[Held], lost: frozenset[UUID], asked_at: float) -> None:
        for one in held:
            if one.id in lost:
                if self._held.get(one.id) is one:
                    one.lose("taken over")
            else:
                one.safe_until = asked_at + self.seconds

    def _let_go_before(self, next_look: float) -> None:
        for one in self:
            if next_look >= one.safe_until:
                one.lose("not prolonged in time")
