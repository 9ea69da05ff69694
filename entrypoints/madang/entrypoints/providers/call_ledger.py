"""What this process's calls of providers used and cost, kept in memory for a moment and written down in bundles.

A call never waits for it and never fails by it. What is not written yet when a process is killed is lost: a second's calls; and
when the database is away for long, what no longer fits. Both are costs that were told nobody, and no effects.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog

from madang.core.kernel.cancellation import end_tasks
from madang.core.kernel.clock import Clock
from madang.core.kernel.ids import new_id
from madang.core.kernel.request_context import work_subject
from madang.core.operations.alert_rules import DONE
from madang.core.operations.measurements import CallName
from madang.core.operations.metering import Charge, MeteredCall, Settlement
from madang.core.operations.prices import PriceTable, Usage, cost_of
from madang.core.operations.provider_standing import BreakerChange, ProviderStanding, RecordedChange
from madang.entrypoints.providers.call_usage import COSTING, is_kept, own_cost, prediction_ended, reference_of, usage_of
from madang.ports.errors import Misconfigured, PortError, RateLimited, Rejected, Unavailable, Unsupported
from madang.ports.money import Cost
from madang.ports.provider import ProviderKind

log = structlog.stdlib.get_logger("madang.providers")

PRODUCT_OF: Final = {"portrait": "portraits"}
"""By what a subject begins with. The subject of a call is kept for a product's own things only: never `user:<id>`."""
_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_PATIENCE: Final = 10.0
_ROOM: Final = 10_000
_AT_ONCE: Final = 1000
_SURELY_NOT: Final = (Unavailable, RateLimited, Rejected, Misconfigured, Unsupported)


class MeteringStore(Protocol):
    async def record(self, calls: Sequence[MeteredCall], settlements: Sequence[Settlement] = ()) -> None: ...


class StandingStore(Protocol):
    async def tell(self, process_id: str, process_kind: str, standings: Sequence[ProviderStanding]) -> None: ...

    async def changed(self, process_id: str, changes: Sequence[RecordedChange]) -> None: ...

    async def goodbye(self, process_id: str) -> None: ...


class CallLedger:
    """One for each process. `process_kind` is what the process calls itself once it measures."""

    def __init__(
        self, metering: MeteringStore, standings: StandingStore, prices: PriceTable, clock: Clock, process_id: str
    ) -> None:
        self._metering = metering
        self._standings = standings
        self._prices = prices
        self._clock = clock
        self._process_id = process_id
        self.process_kind = ""
        self._calls: list[MeteredCall] = []
        self._settlements: list[Settlement] = []
        self._changes: list[RecordedChange] = []
        self._lost = 0
        self._told = False
        self._writing: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()

    def called(self, name: CallName, provider: Any, operation: str, seconds: float, *, request: Any, result: Any) -> None:
        """A call ended: `result` is its answer or its error."""
        kind = ProviderKind(name.kind)
        if operation in COSTING.get(kind, ()):
            self._keep(self._call(name, kind, provider, operation, seconds, request, result))
        elif kind is ProviderKind.IMAGE_MODEL and not isinstance(result, BaseException):
            self._settle(name, kind, provider, result)

    def changed(self, change: BreakerChange) -> None:
        """A circuit breaker opened or closed."""
        at = self._clock.now()
        self._changes.append(RecordedChange(at, change.kind, change.provider, change.state, change.why))
        self._write_soon()

    async def report(self, standings: Sequence[ProviderStanding]) -> None:
        """How the process stands with its providers now. Raises what the database raises."""
        if standings:
            self._told = True
            await self._standings.tell(self._process_id, self.process_kind, standings)

    async def flush(self) -> None:
        """Write down what there is. Raises what the database raises; nothing is lost by that."""
        async with self._flushing:
            while self._calls or self._settlements or self._changes:
                calls, settlements, changes = self._calls[:_AT_ONCE], self._settlements[:_AT_ONCE], self._changes[:_AT_ONCE]
                async with asyncio.timeout(_PATIENCE):
                    await self._metering.record(calls, settlements)
                    if changes:
                        await self._standings.changed(self._process_id, changes)
                del self._calls[: len(calls)], self._settlements[: len(settlements)], self._changes[: len(changes)]
            if self._lost:
                log.error("calls of providers are missing in the accounts", count=self._lost)
                self._lost = 0

    async def close(self) -> None:
        """Write the rest down, and say goodbye. Never raises: the process ends anyway."""
        if self._writing is not None:
            await end_tasks(self._writing)
        try:
            await self.flush()
            if self._told:
                async with asyncio.timeout(_PATIENCE):
                    await self._standings.goodbye(self._process_id)
        except Exception as error:  # noqa: BLE001 - what ends must not hang on its last words
            log.warning("the last calls were not written down", count=len(self._calls), error=type(error).__name__)

    def _call(
        self, name: CallName, kind: ProviderKind, provider: Any, operation: str, seconds: float, request: Any, result: Any
    ) -> MeteredCall:
        answer = None if isinstance(result, BaseException) else result
        usage = Usage() if answer is None else usage_of(kind, request, answer)
        charge, cost = self._charge(name, kind, provider, usage, result)
        subject = work_subject.get()
        product = PRODUCT_OF.get(subject.partition(":")[0])
        return MeteredCall(
            id=new_id(),
            at=self._clock.now(),
            kind=name.kind,
            provider=name.provider,
            operation=operation,
            outcome=name.outcome,
            seconds=seconds,
            usage=usage,
            charge=charge,
            cost=cost,
            reference=reference_of(kind, answer) if charge is Charge.PENDING else None,
            product=product,
            subject=subject if product else None,
        )

    def _charge(
        self, name: CallName, kind: ProviderKind, provider: Any, usage: Usage, result: Any
    ) -> tuple[Charge, Cost | None]:
        if isinstance(result, PortError) and isinstance(result, _SURELY_NOT):
            return Charge.NONE, None
        if isinstance(result, BaseException) or result is None:
            return Charge.UNKNOWN, None
        if kind is ProviderKind.IMAGE_MODEL and not prediction_ended(result):
            return Charge.PENDING, None
        if name.outcome != DONE:
            return Charge.UNKNOWN, None
        return self._priced(name, provider, usage, result)

    def _settle(self, name: CallName, kind: ProviderKind, provider: Any, prediction: Any) -> None:
        """Looking at a prediction that has ended tells what it cost."""
        reference = reference_of(kind, prediction)
        if reference is not None and prediction_ended(prediction):
            usage = usage_of(kind, None, prediction)
            charge, cost = self._priced(name, provider, usage, prediction)
            self._settlements.append(Settlement(name.kind, name.provider, reference, usage, charge, cost))
            self._make_room(self._settlements)
            self._write_soon()

    def _priced(self, name: CallName, provider: Any, usage: Usage, answer: Any) -> tuple[Charge, Cost | None]:
        cost = own_cost(provider, answer) or cost_of(usage, self._prices, name.provider, self._clock.now().date())
        return (Charge.UNKNOWN, None) if cost is None or not is_kept(cost) else (Charge.KNOWN, cost)

    def _keep(self, call: MeteredCall) -> None:
        self._calls.append(call)
        self._make_room(self._calls)
        self._write_soon()

    def _make_room(self, kept: list[Any]) -> None:
        if len(kept) > _ROOM:
            kept.pop()
            self._lost += 1

    def _write_soon(self) -> None:
        """On nobody's behalf: the bundle is of many requests."""
        if self._writing is None or self._writing.done():
            loop = asyncio.get_running_loop()
            self._writing = loop.create_task(self._write(), name="ledger of calls", context=Context())

    async def _write(self) -> None:
        pause = _PAUSE
        while self._calls or self._settlements or self._changes:
            await asyncio.sleep(pause)
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - whatever it is, the calls wait for the next try
                pause = min(2 * pause, _LONGEST_PAUSE)
                log.warning("calls of providers are not written down yet", count=len(self._calls), error=type(error).__name__)


HEARD_WITHIN: Final = timedelta(seconds=90)
"""A process that has not told how it stands for so long is gone; it tells every half minute."""
