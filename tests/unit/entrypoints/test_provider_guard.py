"""The guard around a provider: whom it spares a call, whom it lets through, and what it says of a call that does not end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from madang.core.generation.streamed_text import stream_from
from madang.core.kernel.actions import ActionState, Effect, perform
from madang.core.kernel.request_context import serving
from madang.core.operations.breaker import BreakerRule, BreakerState
from madang.core.operations.provider_standing import BreakerChange
from madang.entrypoints.providers.calls import guarded
from madang.entrypoints.providers.guard import GRACE, Asked, Guard
from madang.entrypoints.providers.routing_rules import DEFAULTS, RouteRules
from madang.ports.errors import (
    Misconfigured,
    MissingExtra,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Unavailable,
    Unsupported,
)
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsRequest
from madang.ports.text_model import PromptMessage, Role, TextChunk, TextRequest, TextResult
from unit.core.core_in_memory import DatabaseInMemory, DeliveryInMemory, StandingClock

RULES = RouteRules(BreakerRule(failures=3, open_seconds=30), concurrency=2, wait=0.0, longest=60.0, pause=300.0)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Provider:
    """Answers, or raises, in the order given; the last one for ever. `gate` is what a call waits for."""

    name: str
    answers: list[Any] = field(default_factory=lambda: ["done"])
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def send(self, request: Any) -> Any:
        return await self._answer("send")

    async def fetch(self, receipt_id: str) -> Any:
        return await self._answer("fetch")

    async def find(self, key: str) -> Any:
        return await self._answer("find")

    async def cancel(self, receipt_id: str) -> Any:
        return await self._answer("cancel")

    async def close(self) -> str:
        return "closed"

    async def _answer(self, operation: str) -> Any:
        self.asked.append(operation)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Route:
    """Providers that stand in for one another, each behind its guard."""

    def __init__(self, *providers: Any, rules: RouteRules = RULES, kind: ProviderKind = ProviderKind.SMS) -> None:
        self.clock = Clock()
        self.changes: list[BreakerChange] = []
        self.guards = [self._guard(kind, provider, rules) for provider in providers]
        self.providers = [guarded(provider, kind, guard) for provider, guard in zip(providers, self.guards, strict=True)]

    def _guard(self, kind: ProviderKind, provider: Any, rules: RouteRules) -> Guard:
        def stand_ins() -> Sequence[Guard]:
            return [guard for guard in self.guards if guard is not mine]

        mine = Guard(kind, provider.name, rules, stand_ins=stand_ins, tell=self.changes.append, clock=self.clock)
        return mine

    def states(self) -> list[BreakerState]:
        return [guard.standing().breaker for guard in self.guards]


numbers = iter(range(1_000_000))


def text(key: str = "") -> SmsRequest:
    """For somebody else each time, unless a key is named."""
    return SmsRequest(to="+821012345678", text="hello", idempotency_key=key or f"sms:{next(numbers)}")


async def failing(provider: Any, times: int = 3, error: type[Exception] = PortError, key: str = "") -> None:
    for _ in range(times):
        with pytest.raises(error):
            await provider.send(text(key))


async def test_a_provider_that_fails_for_several_is_left_alone_and_nobody_waits_for_it() -> None:
    first, second = Provider("first", [Unavailable("down")]), Provider("second")
    route = Route(first, second)
    await failing(route.providers[0])
    with pytest.raises(Unavailable) as refused:
        await route.providers[0].send(text())
    assert (refused.value.code, refused.value.provider, refused.value.operation) == ("breaker_open", "first", "send")
    assert len(first.asked) == 3
    assert route.states() == [BreakerState.OPEN, BreakerState.CLOSED]
    assert route.guards[0].standing().turned_away == 1
    assert await route.providers[1].send(text()) == "done"


async def test_after_its_time_one_call_tries_it_out_and_an_answer_is_told_to_everybody() -> None:
    gate = asyncio.Event()
    first = Provider("first", [Unavailable("down")] * 3 + ["well"])
    route = Route(first, Provider("second"))
    await failing(route.providers[0])
    route.clock.now = 30.0
    first.gate = gate
    trying = asyncio.create_task(route.providers[0].send(text()))
    await asyncio.sleep(0)
    assert route.states()[0] is BreakerState.HALF_OPEN
    await failing(route.providers[0], 2, Unavailable)
    assert len(first.asked) == 4
    gate.set()
    assert await trying == "well"
    assert [(change.state, change.why) for change in route.changes] == [
        (BreakerState.OPEN, "unavailable"),
        (BreakerState.CLOSED, ""),
    ]


@pytest.mark.parametrize("error", [Unavailable("down"), OutcomeUnknown("no answer in time")])
async def test_what_shows_trouble_opens_it(error: PortError) -> None:
    route = Route(Provider("first", [error]), Provider("second"))
    await failing(route.providers[0])
    assert route.states()[0] is BreakerState.OPEN


@pytest.mark.parametrize(
    "error",
    [
        Rejected("no such number", reason="invalid_recipient"),
        RateLimited("slow down"),
        Misconfigured("old key"),
        MissingExtra("acme"),
        Unsupported("no subject"),
        KeyError("a defect of the adapter"),
    ],
)
async def test_what_says_nothing_about_its_health_never_opens_it(error: Exception) -> None:
    route = Route(Provider("first", [error]), Provider("second"))
    await failing(route.providers[0], 20, type(error))
    assert route.states()[0] is BreakerState.CLOSED
    assert route.guards[0].standing().turned_away == 0


async def test_a_refusal_is_an_answer_and_begins_the_row_anew() -> None:
    down, refused = Unavailable("down"), Rejected("no", reason="blocked")
    route = Route(Provider("first", [down, down, refused, down, down, "done"]), Provider("second"))
    await failing(route.providers[0], 5)
    assert route.states()[0] is BreakerState.CLOSED


async def test_one_jobs_bad_input_leaves_everybody_elses_calls_alone() -> None:
    first = Provider("first", [OutcomeUnknown("no answer in time")])
    route = Route(first, Provider("second"))
    await failing(route.providers[0], 10, key="sms:the same")
    with serving("request", "portrait:7"):
        await failing(route.providers[0], 10)
    assert route.states()[0] is BreakerState.CLOSED
    assert len(first.asked) == 20


@pytest.mark.parametrize("look", ["fetch", "find", "cancel"])
async def test_what_was_asked_for_before_is_looked_after_through_an_open_breaker(look: str) -> None:
    first = Provider("first", [Unavailable("down")] * 3 + ["delivered"])
    route = Route(first, Provider("second"))
    await failing(route.providers[0])
    assert await getattr(route.providers[0], look)("receipt") == "delivered"
    assert route.states()[0] is BreakerState.OPEN, "that looks work says nothing of the other"


async def test_looks_that_fail_do_not_open_it() -> None:
    route = Route(Provider("first", [Unavailable("down")]), Provider("second"))
    for _ in range(10):
        with pytest.raises(Unavailable):
            await route.providers[0].fetch("receipt")
    assert route.states()[0] is BreakerState.CLOSED


async def test_where_nobody_stands_in_nobody_is_turned_away_and_the_first_answer_closes_it() -> None:
    first = Provider("first", [Unavailable("down")] * 5 + ["done"])
    route = Route(first)
    await failing(route.providers[0], 5)
    assert route.states() == [BreakerState.OPEN]
    assert await route.providers[0].send(text()) == "done"
    assert route.states() == [BreakerState.CLOSED]
    assert route.guards[0].standing().turned_away == 0


async def test_when_all_of_a_route_are_in_trouble_each_is_asked() -> None:
    down = Unavailable("down")
    route = Route(Provider("first", [down, down, down, "done"]), Provider("second", [down]))
    for provider in route.providers:
        await failing(provider)
    assert route.states() == [BreakerState.OPEN, BreakerState.OPEN]
    assert await route.providers[0].send(text()) == "done"


async def test_what_may_have_been_done_is_repeated_through_an_open_breaker() -> None:
    """Nobody else can tell whether it was done: refusing would lose the answer and help nobody."""
    first = Provider("first", [OutcomeUnknown("lost"), Unavailable("down"), Unavailable("down"), {"id": "r-1"}])
    route = Route(first, Provider("second"))
    database, request = DatabaseInMemory(), text()

    def effect() -> Effect:
        return Effect("sms:1", "sms.send", "first", lambda: route.providers[0].send(request), repeatable=True)

    with pytest.raises(OutcomeUnknown):
        await perform(DeliveryInMemory(database), effect(), StandingClock())
    await failing(route.providers[0], 2)
    assert route.states()[0] is BreakerState.OPEN
    assert await perform(DeliveryInMemory(database), effect(), StandingClock()) == {"id": "r-1"}
    assert database.action("sms:1").state is ActionState.SUCCEEDED


async def test_what_surely_was_not_done_is_not_let_through_again() -> None:
    first = Provider("first", [Unavailable("down")])
    route = Route(first, Provider("second"))
    database, request = DatabaseInMemory(), text()
    effect = Effect("sms:1", "sms.send", "first", lambda: route.providers[0].send(request), repeatable=True)
    with pytest.raises(Unavailable):
        await perform(DeliveryInMemory(database), effect, StandingClock())
    await failing(route.providers[0], 2)
    with pytest.raises(Unavailable, match="left alone"):
        await perform(DeliveryInMemory(database), effect, StandingClock())
    assert database.action("sms:1").state is ActionState.QUEUED


async def test_a_provider_that_names_a_time_is_not_asked_before_it() -> None:
    first = Provider("first", [RateLimited("slow down", retry_after=20.0), "done"])
    route = Route(first)
    await failing(route.providers[0], 1, RateLimited)
    route.clock.now = 12.0
    with pytest.raises(RateLimited) as refused:
        await route.providers[0].send(text())
    assert (refused.value.retry_after, refused.value.code) == (8.0, "paused")
    assert len(first.asked) == 1
    assert await route.providers[0].fetch("receipt") == "done", "that limit was not about looking"
    route.clock.now = 20.0
    assert await route.providers[0].send(text()) == "done"


async def test_a_short_time_is_waited_for_where_nobody_stands_in() -> None:
    limited = [RateLimited("slow down", retry_after=0.02), "done"]
    alone = Route(Provider("first", list(limited)), rules=replace(RULES, wait=1.0))
    await failing(alone.providers[0], 1, RateLimited)
    waiting = asyncio.create_task(alone.providers[0].send(text()))
    await asyncio.sleep(0)
    assert alone.guards[0].standing().waiting == 1
    alone.clock.now = 1.0
    assert await waiting == "done"
    two = Route(Provider("first", list(limited)), Provider("second"), rules=replace(RULES, wait=1.0))
    await failing(two.providers[0], 2, RateLimited)
    assert two.guards[0].standing().turned_away == 1


async def test_a_time_beyond_belief_is_cut_and_none_is_no_pause() -> None:
    first = Provider("first", [RateLimited("come back next week", retry_after=604_800.0), RateLimited("busy"), "done"])
    route = Route(first)
    await failing(route.providers[0], 1, RateLimited)
    assert route.guards[0].standing().paused_seconds == 300.0
    route.clock.now = 300.0
    await failing(route.providers[0], 1, RateLimited)
    assert await route.providers[0].send(text()) == "done"


async def test_a_call_beyond_the_places_waits_for_its_turn() -> None:
    gate = asyncio.Event()
    first = Provider("first", gate=gate)
    route = Route(first, rules=replace(RULES, wait=60.0))
    calls = [asyncio.create_task(route.providers[0].send(text())) for _ in range(3)]
    while len(first.asked) < 2:
        await asyncio.sleep(0)
    standing = route.guards[0].standing()
    assert (standing.busy, standing.waiting, standing.places, len(first.asked)) == (2, 1, 2, 2)
    gate.set()
    assert await asyncio.gather(*calls) == ["done"] * 3
    assert (route.guards[0].standing().busy, route.guards[0].standing().waiting) == (0, 0)


async def test_a_call_without_a_place_in_time_surely_was_not_made_and_looks_have_places_of_their_own() -> None:
    gate = asyncio.Event()
    first = Provider("first", gate=gate)
    route = Route(first)
    calls = [asyncio.create_task(route.providers[0].send(text())) for _ in range(2)]
    while len(first.asked) < 2:
        await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await route.providers[0].send(text())
    assert refused.value.code == "no_place"
    looking = asyncio.create_task(route.providers[0].fetch("receipt"))
    while len(first.asked) < 3:
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*calls, looking)
    assert first.asked == ["send", "send", "fetch"]
    assert route.states() == [BreakerState.CLOSED]


@pytest.mark.parametrize(("operation", "error"), [("send", OutcomeUnknown), ("cancel", OutcomeUnknown), ("fetch", Unavailable)])
async def test_who_overstays_its_time_may_have_done_it_unless_it_only_looked(operation: str, error: type[PortError]) -> None:
    first = Provider("first", gate=asyncio.Event())
    route = Route(first, rules=replace(RULES, longest=0.01))
    with pytest.raises(error, match="time limit") as raised:
        await getattr(route.providers[0], operation)("receipt")
    assert (type(raised.value), raised.value.operation) == (error, operation)
    assert route.guards[0].standing().busy == 0


def test_a_request_is_given_its_own_time_and_a_moment_to_say_that_it_was_not_enough() -> None:
    guard = Guard(ProviderKind.SMS, "first", RULES)
    assert guard.seconds_for(Asked("send", replace(text(), timeout=7.0))) == 7.0 + GRACE
    assert guard.seconds_for(Asked("fetch", "receipt")) == RULES.longest
    greedy = guard.granted(Asked("send", replace(text(), timeout=1000.0)))
    assert (greedy.request.timeout, guard.seconds_for(greedy)) == (RULES.longest, RULES.longest + GRACE)
    host = Guard(ProviderKind.HOSTING, "host", DEFAULTS[ProviderKind.HOSTING])
    assert host.seconds_for(Asked("upload", replace(text(), timeout=7.0))) == 900.0, "a step is many calls"


async def test_a_caller_who_goes_away_leaves_its_place_and_its_try_to_others() -> None:
    first = Provider("first", [Unavailable("down")] * 3 + ["done"])
    route = Route(first, Provider("second"))
    await failing(route.providers[0])
    route.clock.now = 30.0
    first.gate = asyncio.Event()
    trying = asyncio.create_task(route.providers[0].send(text()))
    while len(first.asked) < 4:
        await asyncio.sleep(0)
    trying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await trying
    first.gate = None
    assert route.guards[0].standing().busy == 0
    assert await route.providers[0].send(text()) == "done"
    assert route.states()[0] is BreakerState.CLOSED


async def test_who_waited_while_it_broke_is_spared_the_call() -> None:
    gate = asyncio.Event()
    first = Provider("first", [Unavailable("down")], gate=gate)
    route = Route(first, Provider("second"), rules=replace(RULES, wait=60.0, breaker=BreakerRule(2, 30.0)))
    calls = [asyncio.create_task(route.providers[0].send(text())) for _ in range(6)]
    while route.guards[0].standing().waiting < 4:
        await asyncio.sleep(0)
    gate.set()
    codes = [error.code for error in await asyncio.gather(*calls, return_exceptions=True) if isinstance(error, PortError)]
    assert codes == [None, None, *["breaker_open"] * 4]
    assert len(first.asked) == 2
    assert route.guards[0].standing().busy == 0


async def test_closing_passes_no_guard() -> None:
    route = Route(Provider("first", [Unavailable("down")]), Provider("second"))
    await failing(route.providers[0])
    assert await route.providers[0].close() == "closed"


# Answers that are read as they are written

REQUEST = TextRequest([PromptMessage(Role.USER, "Tell.")], idempotency_key="story:1")


@dataclass
class Teller:
    """A text model whose answer comes in these pieces; an error among them breaks it off, and it stands still at None."""

    name: str
    pieces: list[str | Exception | None]
    is_telling: bool = False

    async def stream(self, request: TextRequest) -> AsyncIterator[TextChunk]:
        self.is_telling = True
        try:
            for piece in self.pieces:
                if piece is None:
                    await asyncio.Event().wait()
                elif isinstance(piece, Exception):
                    raise piece
                else:
                    yield TextChunk(piece, TextResult(piece, "m-1"))
        finally:
            self.is_telling = False


async def read(route: Route, request: TextRequest = REQUEST) -> list[str]:
    return [piece.text async for piece in route.providers[0].stream(request)]


def tellers(*pieces: str | Exception | None, rules: RouteRules = RULES) -> Route:
    return Route(Teller("first", list(pieces)), Teller("second", ["x"]), rules=rules, kind=ProviderKind.TEXT_MODEL)


async def test_a_stream_passes_piece_by_piece_and_holds_one_place() -> None:
    route = tellers("Once", " upon")
    reading = route.providers[0].stream(REQUEST)
    assert (await anext(reading)).text == "Once"
    assert route.guards[0].standing().busy == 1
    assert [piece.text async for piece in reading] == [" upon"]
    assert route.guards[0].standing().busy == 0


async def test_a_stream_that_fails_before_its_first_piece_fails_as_it_did() -> None:
    with pytest.raises(Unavailable, match="down"):
        await read(tellers(Unavailable("down")))


@pytest.mark.parametrize("error", [Unavailable("down"), RateLimited("busy", retry_after=1.0)])
async def test_a_stream_that_breaks_after_its_first_piece_is_begun_by_nobody_else(error: PortError) -> None:
    with pytest.raises(OutcomeUnknown, match=f"broke off .{error.kind}"):
        await read(tellers("Once", error))


async def test_a_stream_that_stands_still_is_ended_and_counts_as_trouble() -> None:
    route = tellers("Once", None, rules=replace(RULES, breaker=BreakerRule(1, 30.0)))
    with pytest.raises(OutcomeUnknown, match="time limit"):
        await read(route, replace(REQUEST, timeout=0.01 - GRACE))
    assert route.states()[0] is BreakerState.OPEN
    with pytest.raises(Unavailable, match="left alone"):
        await read(route)


async def test_from_a_reader_who_turns_away_the_provider_turns_away_too_and_that_is_no_trouble() -> None:
    teller = Teller("first", ["Once", None])
    route = Route(teller, Teller("second", ["x"]), kind=ProviderKind.TEXT_MODEL)
    async with contextlib.aclosing(stream_from([route.providers[0]], REQUEST)) as reading:
        assert (await anext(reading)).text == "Once"
        assert teller.is_telling
    standing = route.guards[0].standing()
    assert (teller.is_telling, standing.busy, standing.failures) == (False, 0, 0)
