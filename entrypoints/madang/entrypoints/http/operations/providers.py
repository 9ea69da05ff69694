"""Providers for administrators: who serves what and how each is, and a look at one on request."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.operations.breaker import BreakerState
from madang.core.operations.metering import Spending
from madang.core.operations.provider_numbers import ProviderNumbers
from madang.core.operations.provider_standing import CheckedProvider, RecordedChange, StandingOfProcess
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import Shape, zone
from madang.entrypoints.http.operation import Call, Operation, route
from madang.entrypoints.http.portraits.shapes import Input
from madang.entrypoints.logs import without_credentials
from madang.entrypoints.providers.administration import ListedProvider
from madang.ports.money import Cost
from madang.ports.provider import ProviderKind

TAG: Final = "Administration"
_WORST_FIRST: Final = (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)


class ProvidersQuery(Input, frozen=True):
    """`window` is in minutes."""

    window: Annotated[int, Meta(ge=1, le=180)] = 15
    kind: ProviderKind | None = None


class ProviderHealthShape(Shape, frozen=True):
    """What the provider answered when it was last checked on request. `detail` says what is wrong."""

    kind: ProviderKind
    reachable: bool
    detail: str | None
    latency_ms: int
    checked_at: datetime


class BreakerOfProcessShape(Shape, frozen=True):
    """`failures`: different jobs in a row that the provider failed. `busy` of `places` are taken, `waiting` calls wait for one.
    `turnedAway`: calls that were refused without asking the provider, since the process began."""

    process: str
    process_kind: str
    state: BreakerState
    failures: int
    paused_seconds: float
    busy: int
    waiting: int
    places: int
    turned_away: int


class BreakerChangeShape(Shape, frozen=True):
    """`why` it opened: the kind of the last failure."""

    at: datetime
    process: str
    state: BreakerState
    why: str | None


class BreakerShape(Shape, frozen=True):
    """`state` is the worst of all processes, null while none has asked the provider. Changes are of a week, newest first."""

    state: BreakerState | None
    processes: list[BreakerOfProcessShape]
    changes: list[BreakerChangeShape]


class CostShape(Shape, frozen=True):
    """`amount` is in units of the currency, exact to a millionth."""

    amount: str
    currency: str


class ProviderNumbersShape(Shape, frozen=True):
    """Of the window. `errorRate` is from 0 to 1, latencies are in seconds; null where nothing was called. `unpricedCalls` are
    calls whose cost nobody knows: no cost holds them."""

    window_seconds: int
    calls: int
    failed: int
    error_rate: float | None
    latency_p50: float | None
    latency_p95: float | None
    costs: list[CostShape]
    unpriced_calls: int


class ProviderShape(Shape, frozen=True):
    """`position` is its place in the route from 1, null for one that is not in it; `why` says what keeps it from working."""

    kind: ProviderKind
    name: str
    summary: str
    position: int | None
    configured: bool
    why: str | None
    health: ProviderHealthShape | None
    breaker: BreakerShape
    numbers: ProviderNumbersShape


_HEALTH: Final = {
    "kind": "text_model",
    "reachable": True,
    "detail": None,
    "latencyMs": 184,
    "checkedAt": "2026-01-05T12:00:00+09:00",
}
_EXAMPLE: Final = {
    "kind": "text_model",
    "name": "openai",
    "summary": "Texts and pictures of OpenAI, and of any server that speaks like it",
    "position": 1,
    "configured": True,
    "why": None,
    "health": _HEALTH,
    "breaker": {
        "state": "open",
        "processes": [
            {
                "process": "host-1:4711:8f3a01c2",
                "processKind": "worker",
                "state": "open",
                "failures": 5,
                "pausedSeconds": 0.0,
                "busy": 0,
                "waiting": 0,
                "places": 16,
                "turnedAway": 3,
            }
        ],
        "changes": [
            {
                "at": "2026-01-05T12:07:30+09:00",
                "process": "host-1:4711:8f3a01c2",
                "state": "open",
                "why": "unavailable",
            }
        ],
    },
    "numbers": {
        "windowSeconds": 900,
        "calls": 40,
        "failed": 5,
        "errorRate": 0.125,
        "latencyP50": 2.4,
        "latencyP95": 9.1,
        "costs": [{"amount": "0.418250", "currency": "USD"}],
        "unpricedCalls": 0,
    },
}


@route(
    Operation(
        "GET", "/admin/providers", "listProviders", TAG, "List providers, and how they are",
        "By kind, those of the route first and in its order: whether they are configured, what they answered when they were "
        "last checked, their circuit breakers in every process, and calls, failures, latencies and costs of the last minutes. "
        "Numbers come twice a minute from each process.",
        list[ProviderShape], [_EXAMPLE],
        access=Access(Audience.API, "operations:read"), query=ProvidersQuery, errors=("VALIDATION_ERROR",),
    )
)  # fmt: skip
async def list_providers(call: Call) -> ASGIApp:
    query: ProvidersQuery = call.query
    listed = await call.container.provider_administration.listing(timedelta(minutes=query.window))
    shown = [_provider(call, each, 60 * query.window) for each in listed if query.kind in (None, each.kind)]
    return call.succeed(shown)


@route(
    Operation(
        "POST", "/admin/providers/{name:str}/check", "checkProvider", TAG, "Check a provider now",
        "Asks each of its kinds, within ten seconds, whether keys and address work. Nothing is changed there; the answer is "
        "kept and shown in the list.",
        list[ProviderHealthShape], [_HEALTH],
        access=Access(Audience.API, "operations:write"), errors=("PROVIDER_NOT_FOUND",),
    )
)  # fmt: skip
async def check_provider(call: Call) -> ASGIApp:
    name = str(call.request.path_params["name"])
    checks = await call.container.provider_administration.check(call.caller, name)
    return call.succeed([_health(call, check) for check in checks])


def _provider(call: Call, listed: ListedProvider, window: int) -> ProviderShape:
    return ProviderShape(
        listed.kind,
        listed.name,
        listed.summary,
        listed.position,
        listed.configured,
        without_credentials(listed.why) or None,
        None if listed.last_check is None else _health(call, listed.last_check),
        BreakerShape(
            _worst(listed.standings),
            [_of_process(each) for each in listed.standings],
            [_change(call, process, change) for process, change in listed.changes],
        ),
        _numbers(listed.numbers, listed.spending, window),
    )


def _health(call: Call, check: CheckedProvider) -> ProviderHealthShape:
    detail = without_credentials(check.detail) or None
    return ProviderHealthShape(ProviderKind(check.kind), check.reachable, detail, check.latency_ms, _here(call, check.at))


def _worst(standings: Sequence[StandingOfProcess]) -> BreakerState | None:
    found = {each.standing.breaker for each in standings}
    return next((state for state in _WORST_FIRST if state in found), None)


def _of_process(each: StandingOfProcess) -> BreakerOfProcessShape:
    standing = each.standing
    return BreakerOfProcessShape(
        each.process_id,
        each.process_kind,
        standing.breaker,
        standing.failures,
        round(standing.paused_seconds, 1),
        standing.busy,
        standing.waiting,
        standing.places,
        standing.turned_away,
    )


def _change(call: Call, process: str, change: RecordedChange) -> BreakerChangeShape:
    return BreakerChangeShape(_here(call, change.at), process, change.state, change.why or None)


def _numbers(numbers: ProviderNumbers, spending: Spending | None, window: int) -> ProviderNumbersShape:
    p50, p95, rate = numbers.latency(0.5), numbers.latency(0.95), numbers.error_rate
    return ProviderNumbersShape(
        window,
        numbers.calls,
        numbers.failures,
        None if rate is None else round(rate, 4),
        None if p50 is None else round(p50, 3),
        None if p95 is None else round(p95, 3),
        [] if spending is None else [_cost(cost) for cost in spending.costs],
        0 if spending is None else spending.unpriced,
    )


def _cost(cost: Cost) -> CostShape:
    return CostShape(cost.written, cost.currency)


def _here(call: Call, when: datetime) -> datetime:
    return when.astimezone(zone(call.container.settings.timezone))


ROUTES: Final = (list_providers, check_provider)
