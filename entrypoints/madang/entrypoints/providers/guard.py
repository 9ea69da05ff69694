"""Around each provider, in each process: how many calls at once, for how long, and not at all while it is in trouble.

The core fails over by itself, and only where a call surely did nothing. So whatever is refused here is refused before the
provider was asked, as `Unavailable` or `RateLimited`; a call that was made and overstays its time is `OutcomeUnknown`.

Calls that ask for something and those that look after what was asked for have places of their own, and looks pass an open
breaker: what was bought is never out of reach because buying does not work.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from madang.core.kernel.actions import is_repeated
from madang.core.kernel.request_context import work_subject
from madang.core.operations.breaker import Breaker, BreakerState, Ticket, Verdict
from madang.core.operations.provider_standing import BreakerChange, ProviderStanding
from madang.entrypoints.providers.routing_rules import RouteRules
from madang.ports.errors import OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.provider import ProviderKind

T = TypeVar("T")

GRACE: Final = 1.0
"""Seconds beyond a request's own `timeout` for the provider to say itself that it was too slow."""
_EARLY: Final = 0.005
"""Seconds by which an event loop may wake somebody too early."""
_READS: Final = ("fetch", "find", "check", "list", "read", "get", "head", "download", "presign", "detect", "verify")
_AFTERWARDS: Final = (*_READS, "cancel")


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of a provider. `request` is its first argument, a request value or an id."""

    operation: str
    request: Any = None

    @property
    def reads(self) -> bool:
        """Changes nothing at the provider."""
        return self.operation.startswith(_READS)

    @property
    def looks_after(self) -> bool:
        """Is about what was asked for before."""
        return self.operation.startswith(_AFTERWARDS)

    @property
    def timeout(self) -> float | None:
        return getattr(self.request, "timeout", None)

    def within(self, seconds: float) -> "Asked":
        """The same, given no more time than this."""
        if self.timeout is None or self.timeout <= seconds:
            return self
        return replace(self, request=replace(self.request, timeout=seconds))

    @property
    def cause(self) -> Hashable:
        """On whose account: what the work is about, else what this call is for. None for neither."""
        return work_subject.get() or getattr(self.request, "idempotency_key", None)


class _Lane:
    """Places for calls of one sort, and the time until which the provider wants none."""

    def __init__(self, places: int) -> None:
        self.free = asyncio.Semaphore(places)
        self.busy = 0
        self.waiting = 0
        self.paused_until = 0.0

    @contextmanager
    def one_more_waits(self) -> Iterator[None]:
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


class Guard:
    """Of one provider. `stand_ins` answers the other guards of its route; `tell` hears of the breaker's changes."""

    def __init__(
        self,
        kind: ProviderKind,
        provider: str,
        rules: RouteRules,
        *,
        stand_ins: Callable[[], Sequence["Guard"]] = tuple,
        tell: Callable[[BreakerChange], None] = lambda change: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = kind
        self._provider = provider
        self._rules = rules
        self._stand_ins = stand_ins
        self._tell = tell
        self._clock = clock
        self._breaker = Breaker(rules.breaker)
        self._asking = _Lane(rules.concurrency)
        self._looking = _Lane(rules.concurrency)
        self._turned_away = 0

    @property
    def is_willing(self) -> bool:
        """Whether it would take a call now."""
        now = self._clock()
        return not self._breaker.refuses(now) and now >= self._asking.paused_until

    def standing(self) -> ProviderStanding:
        now = self._clock()
        return ProviderStanding(
            kind=self._kind.value,
            provider=self._provider,
            breaker=self._breaker.state(now),
            failures=self._breaker.failures,
            paused_seconds=max(0.0, self._asking.paused_until - now),
            busy=self._asking.busy,
            waiting=self._asking.waiting,
            places=self._rules.concurrency,
            turned_away=self._turned_away,
        )

    @asynccontextmanager
    async def passage(self, asked: Asked) -> AsyncIterator[None]:
        """The call happens inside. Raises `Unavailable` while the breaker is open or when no place came free in time,
        `RateLimited` while the provider wants to be left alone; nobody was asked then."""
        lane = self._looking if asked.looks_after else self._asking
        await self._pass_pause(lane, asked)
        if self._breaker.refuses(self._clock()) and not self._must_serve(asked):
            raise self._broken(asked)
        await self._place(lane, asked)
        try:
            ticket = self._admit(asked)
            verdict, why = Verdict.NOTHING, ""
            try:
                yield
                verdict = Verdict.WELL
            except PortError as error:
                verdict, why = _verdict_on(error), error.kind
                if isinstance(error, RateLimited):
                    self._pause(lane, error.retry_after)
                raise
            finally:
                self._give_back(ticket, verdict, why, asked)
        finally:
            lane.busy -= 1
            lane.free.release()

    @asynccontextmanager
    async def time_limit(self, asked: Asked) -> AsyncIterator[None]:
        """For a provider that overstays its own. Raises `OutcomeUnknown`, `Unavailable` for what only reads."""
        try:
            async with asyncio.timeout(self.seconds_for(asked)):
                yield
        except TimeoutError as error:
            raise self.overstayed(asked) from error

    async def piece_by_piece(self, asked: Asked, pieces: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """The same pieces, within the time limit of all the waiting for them together. A stream that breaks after its first
        piece is `OutcomeUnknown` whatever broke it: what was read cannot be taken back, so nobody begins it anew elsewhere."""
        left, begun = self.seconds_for(asked), False
        try:
            while True:
                asked_at = self._clock()
                async with asyncio.timeout(left):
                    piece = await anext(pieces)
                left -= self._clock() - asked_at
                begun = True
                yield piece
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise self.overstayed(asked) from error
        except (Unavailable, RateLimited) as error:
            raise self._broke_off(asked, error) if begun else error from error.__cause__
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    def _broke_off(self, asked: Asked, error: PortError) -> OutcomeUnknown:
        message = f"the answer broke off ({error.kind})"
        return OutcomeUnknown(message, provider=self._provider, operation=asked.operation, code=error.code)

    def granted(self, asked: Asked) -> Asked:
        """The call as the provider is to have it: its own time, but no more than the route's."""
        return asked.within(self._rules.longest)

    def seconds_for(self, asked: Asked) -> float:
        """A host's steps are many calls with a time limit each."""
        own = None if self._kind is ProviderKind.HOSTING else asked.timeout
        return self._rules.longest if own is None else min(own, self._rules.longest) + GRACE

    def overstayed(self, asked: Asked) -> PortError:
        kind = Unavailable if asked.reads else OutcomeUnknown
        return kind("no end within its time limit", provider=self._provider, operation=asked.operation)

    async def _pass_pause(self, lane: _Lane, asked: Asked) -> None:
        """A short pause is waited out where nobody stands in: sent away, the caller would lose one of its tries."""
        left = lane.paused_until - self._clock()
        if left > 0 and left <= self._patience(asked) and self._must_serve(asked):
            with lane.one_more_waits():
                await asyncio.sleep(left + _EARLY)
            left = lane.paused_until - self._clock()
        if left > 0 and not is_repeated():
            self._turned_away += 1
            raise RateLimited(
                "it asked to be left alone",
                retry_after=left,
                provider=self._provider,
                operation=asked.operation,
                code="paused",
            )

    def _patience(self, asked: Asked) -> float:
        return min(self._rules.wait, self.seconds_for(asked))

    def _must_serve(self, asked: Asked) -> bool:
        """Where nobody stands in, a refusal would only cost the caller one of its tries."""
        return asked.looks_after or is_repeated() or not any(guard.is_willing for guard in self._stand_ins())

    def _broken(self, asked: Asked) -> Unavailable:
        self._turned_away += 1
        message = f"failed {self._breaker.failures} times in a row and is left alone for a while"
        return Unavailable(message, provider=self._provider, operation=asked.operation, code="breaker_open")

    async def _place(self, lane: _Lane, asked: Asked) -> None:
        if lane.free.locked():
            try:
                with lane.one_more_waits():
                    async with asyncio.timeout(self._patience(asked)):
                        await lane.free.acquire()
            except TimeoutError as error:
                self._turned_away += 1
                message = f"{self._rules.concurrency} calls are under way, and none ended in time"
                raise Unavailable(message, provider=self._provider, operation=asked.operation, code="no_place") from error
        else:
            await lane.free.acquire()
        lane.busy += 1

    def _admit(self, asked: Asked) -> Ticket | None:
        """None for what the breaker has no part in."""
        if asked.looks_after:
            return None
        ticket = self._breaker.admit(self._clock())
        if ticket is not None:
            return ticket
        if not self._must_serve(asked):
            raise self._broken(asked)
        return self._breaker.insist()

    def _give_back(self, ticket: Ticket | None, verdict: Verdict, why: str, asked: Asked) -> None:
        if ticket is None:
            return
        changed = self._breaker.give_back(ticket, verdict, self._clock(), asked.cause)
        if changed is not None:
            self._tell(BreakerChange(self._kind.value, self._provider, changed, why if changed is BreakerState.OPEN else ""))

    def _pause(self, lane: _Lane, retry_after: float | None) -> None:
        if retry_after is not None:
            until = self._clock() + min(retry_after, self._rules.pause)
            lane.paused_until = max(lane.paused_until, until)


def _verdict_on(error: PortError) -> Verdict:
    """A refusal is an answer. A limit, wrong keys and our own defects say nothing of whether the provider is well."""
    if isinstance(error, Rejected):
        return Verdict.WELL
    return Verdict.TROUBLED if isinstance(error, Unavailable | OutcomeUnknown) else Verdict.NOTHING
