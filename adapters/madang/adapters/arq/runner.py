"""Claims messages, gives them to their handlers under leases, and drains in order when the worker is asked to end.

Short messages are claimed in batches: those whose handler only changes our own state are committed several at once, those that
talk to the outside get a task each. A long message comes alone. What is claimed is at most what there are free slots for.
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import structlog

from madang.adapters.arq.leases import Held, Leases
from madang.adapters.arq.together import WorkerOutbox
from madang.adapters.arq.tries import Tries
from madang.core.kernel.cancellation import end_tasks
from madang.core.kernel.messages import Handler, Lane
from madang.core.kernel.outbox import Leased

log = structlog.get_logger(__name__)

U = TypeVar("U")

_CLAIM_AT_MOST = 100
_TOGETHER_AT_MOST = 25
_GATHER_SLOTS_SECONDS = 0.05
_AFTER_AN_ERROR_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """Times in seconds. `transactions` bounds the handlers that hold a database connection for all their time: keep it below
    the pool's size, claims and heartbeats need connections too. `poll` is how often to look without having been woken."""

    lease: float = 15.0
    short_concurrency: int = 100
    long_concurrency: int = 8
    transactions: int = 5
    grace: float = 10.0
    poll: float = 5.0


class Runner(Generic[U]):
    """One per worker process: `start`, then `wake` and `deliver` as work is announced, then `stop`.

    It finds work by itself, too, every `poll_seconds`: whoever announces may be down.
    """

    def __init__(self, outbox: WorkerOutbox[U], handlers: Sequence[Handler[U]], worker: str, settings: RunnerSettings) -> None:
        self._outbox = outbox
        self._worker = worker
        self._settings = settings
        self.poll_seconds = settings.poll
        self._leases = Leases(outbox, settings.lease)
        transactions = asyncio.Semaphore(settings.transactions)
        self._tries = Tries(outbox, handlers, patience=settings.lease, transactions=transactions)
        self._free = {Lane.SHORT: settings.short_concurrency, Lane.LONG: settings.long_concurrency}
        self._freed = {lane: asyncio.Event() for lane in Lane}
        self._woken = {lane: asyncio.Event() for lane in Lane}
        self._working: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def running(self) -> int:
        """Messages in this worker's hands."""
        return len(self._leases)

    async def start(self) -> None:
        self._loops = [asyncio.create_task(self._leases.keep(), name="leases")]
        self._loops += [asyncio.create_task(self._drain_for_ever(lane), name=f"drain-{lane}") for lane in Lane]

    async def stop(self) -> None:
        """Claim nothing more, give back what was not begun, wait for the rest within the grace time, then let go of it."""
        self._stopping = True
        for lane in Lane:
            self.wake(lane)
            self._freed[lane].set()
        await self._give_back([held for held in self._leases if not held.began])
        await self._wait_for_the_rest()
        await self._interrupt()
        await end_tasks(*self._loops)

    def wake(self, lane: Lane = Lane.SHORT) -> None:
        """There is work: drain the lane. Cheap; several wake-ups make one drain."""
        self._woken[lane].set()

    async def deliver(self, message_id: UUID) -> None:
        """Work off this long message if it is due and nobody has it; answers when that is over. Nothing without a slot."""
        if self._stopping or self._free[Lane.LONG] <= 0:
            return
        claimed = await self._claim_into_slots(Lane.LONG, 1, self._claim_one(message_id))
        if claimed:
            await asyncio.wait({self._spawn_alone(claimed[0])})

    async def _claim_one(self, message_id: UUID) -> Sequence[Leased]:
        leased = await self._outbox.claim_one(message_id, self._worker, lease=self._settings.lease)
        return () if leased is None else (leased,)

    async def _drain_for_ever(self, lane: Lane) -> None:
        while not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.poll_seconds):
                    await self._woken[lane].wait()
            self._woken[lane].clear()
            try:
                await self._drain(lane)
            except Exception as error:  # noqa: BLE001 - the drain must outlive everything
                log.warning("messages could not be claimed", lane=lane, error=type(error).__name__)
                await asyncio.sleep(_AFTER_AN_ERROR_SECONDS)
                self.wake(lane)

    async def _drain(self, lane: Lane) -> None:
        """Claim and start messages until none is due."""
        while not self._stopping:
            room = await self._room(lane)
            if room == 0:
                return
            claim = self._outbox.claim(lane, self._worker, limit=room, lease=self._settings.lease)
            claimed = await self._claim_into_slots(lane, room, claim)
            if not claimed:
                return
            self._spawn(claimed)

    async def _room(self, lane: Lane) -> int:
        """How many to claim, none when stopping: waits a moment for more free slots, so that claims are few and large."""
        whole = self._settings.short_concurrency if lane is Lane.SHORT else self._settings.long_concurrency
        enough = max(1, min(whole, _CLAIM_AT_MOST) // 2)
        while self._free[lane] < enough and not self._stopping:
            self._freed[lane].clear()
            try:
                async with asyncio.timeout(_GATHER_SLOTS_SECONDS if self._free[lane] > 0 else None):
                    await self._freed[lane].wait()
            except TimeoutError:
                break
        return 0 if self._stopping else max(1, min(self._free[lane], _CLAIM_AT_MOST))

    async def _claim_into_slots(self, lane: Lane, room: int, claim: "Coroutine[Any, Any, Sequence[Leased]]") -> Sequence[Held]:
        """Slots are taken before the claim, so that two claims at once cannot take more than there are."""
        asked_at = time.monotonic()
        self._free[lane] -= room
        claimed: Sequence[Leased] = ()
        try:
            claimed = await claim
        finally:
            self._free[lane] += room - len(claimed)
        held = [self._leases.hold(leased, lane, asked_at) for leased in claimed]
        if self._stopping:
            await self._give_back(held)
            return ()
        return held

    def _spawn(self, claimed: Sequence[Held]) -> None:
        sharing = [held for held in claimed if self._tries.can_share(held.leased.message)]
        for held in claimed:
            if not self._tries.can_share(held.leased.message):
                self._spawn_alone(held)
        for start in range(0, len(sharing), _TOGETHER_AT_MOST):
            self._work(self._together(deque(sharing[start : start + _TOGETHER_AT_MOST])))

    def _spawn_alone(self, held: Held) -> "asyncio.Task[None]":
        task = self._work(self._tries.alone(held))
        task.add_done_callback(lambda _: self._let_go(held))
        held.task = task
        return task

    def _work(self, work: "Coroutine[Any, Any, None]") -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    async def _together(self, waiting: "deque[Held]") -> None:
        """A transaction at a time; whatever disturbs one makes each of its messages be tried alone."""
        taken: list[Held] = []
        try:
            while waiting:
                taken = []
                quick = await self._tries.together(waiting, taken)
                while taken:
                    self._let_go(taken.pop())
                if not quick:
                    break
        except asyncio.CancelledError:
            for held in (*taken, *waiting):
                self._let_go(held)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the one that caused it meets it again alone
            log.info("messages will be tried one by one", count=len(taken), error=type(error).__name__)
        for held in (*taken, *waiting):
            self._spawn_alone(held)

    async def _wait_for_the_rest(self) -> None:
        """Also for what a running task leaves to another."""
        deadline = time.monotonic() + self._settings.grace
        while self._working and time.monotonic() < deadline:
            await asyncio.wait(self._working, timeout=deadline - time.monotonic())

    async def _interrupt(self) -> None:
        left = [held for held in self._leases if not held.lost]
        if left:
            log.warning("handlers interrupted at the end of the grace time", count=len(left))
        await end_tasks(*self._working)
        await self._give_back(left)

    async def _give_back(self, held: Sequence[Held]) -> None:
        """Those that were already done stay done: the fence sees to it."""
        for one in held:
            one.given_back = True
            self._leases.release(one)
        if not held:
            return
        try:
            await self._outbox.give_back([one.leased for one in held])
        except Exception as error:  # noqa: BLE001 - the end of the leases does the same, later
            log.warning("messages not given back, their leases will end", count=len(held), error=type(error).__name__)

    def _let_go(self, held: Held) -> None:
        self._leases.release(held)
        self._free[held.lane] += 1
        self._freed[held.lane].set()
