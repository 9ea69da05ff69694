"""Whether this process lives, whether the deployment can do its work, and its numbers."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from litestar import HttpMethod, get, route
from litestar.types import ASGIApp, Scope

from madang.entrypoints.http.answers import Answer
from madang.entrypoints.http.composition import HttpContainer
from madang.entrypoints.http.envelope import Shape, Success, encode, meta
from madang.entrypoints.http.exchange import exchange_of
from madang.entrypoints.http.metrics import MEDIA_TYPE, Metrics
from madang.entrypoints.http.operation import Operation
from madang.entrypoints.providers.call_ledger import HEARD_WITHIN

logger = structlog.stdlib.get_logger("madang.http")

TAG: Final = "Operations"
PATIENCE: Final = 3.0
"""Seconds that one check may take."""
OVERDUE: Final = 30.0
"""Seconds past its time at which a message shows that nobody works; a burst of orders waits for less."""
LEASE_OVERDUE: Final = 5.0
"""Seconds past its end at which a lease shows that its worker is gone and nobody took over: the relay looks every second."""
STALE: Final = 10.0
"""Seconds without a heartbeat after which a process counts as gone; it beats three times in them."""
NEEDED: Final = ("worker", "relay")
_ASKING: Final = [HttpMethod.GET, HttpMethod.HEAD]
"""Who watches from outside often asks for the head alone."""

_DEPTH: Final = """
SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'leased') AS leased,
       count(*) FILTER (WHERE state = 'dead') AS dead,
       coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE state = 'waiting' AND due_at <= now())), 0)::float
           AS oldest_due,
       coalesce(extract(epoch FROM now() - min(lease_until) FILTER (WHERE state = 'leased')), 0)::float AS oldest_lease
  FROM messages
 WHERE state <> 'done'
"""


class CheckShape(Shape, frozen=True):
    """`required`: red when it fails. `reason` says what is wrong."""

    ok: bool
    required: bool
    reason: str | None = None


class LiveShape(Shape, frozen=True):
    alive: bool


class ReadyShape(Shape, frozen=True):
    ready: bool
    checks: Mapping[str, CheckShape]


_READY_EXAMPLE: Final = {
    "ready": True,
    "checks": {
        "database": {"ok": True, "required": True, "reason": None},
        "messages": {"ok": True, "required": True, "reason": None},
        "leases": {"ok": True, "required": True, "reason": None},
        "worker": {"ok": True, "required": True, "reason": None},
        "relay": {"ok": True, "required": True, "reason": None},
        "redis": {"ok": True, "required": False, "reason": None},
    },
}
OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET", "/health/live", "getLiveness", TAG, "Does the process live?", "Asks nothing of anybody.",
        LiveShape, {"alive": True}, prefix="",
    ),
    Operation(
        "GET", "/health/ready", "getReadiness", TAG, "Can the deployment do its work?",
        "503 with the reasons when the database is away, when no worker or no relay has been heard of for ten seconds, when a "
        "worker's lease is over and nobody took over, or when messages are overdue. Redis is reported and not required: losing "
        "it loses nothing.",
        ReadyShape, _READY_EXAMPLE, prefix="", also=(503,),
    ),
    Operation(
        "GET", "/metrics", "getMetrics", TAG, "The numbers, for Prometheus", "Text format 0.0.4.",
        None, None, prefix="", media_type="text/plain",
    ),
)  # fmt: skip


class Health:
    def __init__(self, container: HttpContainer, metrics: Metrics) -> None:
        self._container = container
        self._metrics = metrics

    def handlers(self) -> list[Any]:
        @route("/health/live", http_method=_ASKING, include_in_schema=False)
        async def live(scope: Scope) -> ASGIApp:
            return self._answer(scope, 200, LiveShape(True))

        @route("/health/ready", http_method=_ASKING, include_in_schema=False)
        async def ready(scope: Scope) -> ASGIApp:
            checks = await self.checks()
            is_ready = all(check.ok for check in checks.values() if check.required)
            return self._answer(scope, 200 if is_ready else 503, ReadyShape(is_ready, checks))

        @get("/metrics", include_in_schema=False)
        async def metrics() -> ASGIApp:
            return Answer(200, await self._render(), MEDIA_TYPE)

        return [live, ready, metrics]

    async def checks(self) -> Mapping[str, CheckShape]:
        """Every check by name; none raises."""
        depth, heartbeats, redis = await asyncio.gather(self._depth(), self._heartbeats(), self._redis())
        return {**depth, **heartbeats, "redis": redis}

    def _answer(self, scope: Scope, status: int, data: LiveShape | ReadyShape) -> Answer:
        about = meta(exchange_of(scope).request_id, self._container.clock.now(), self._container.settings.timezone)
        return Answer(status, encode(Success(True, data, about)))

    async def _depth(self) -> Mapping[str, CheckShape]:
        try:
            row = await self._read_depth()
        except Exception as error:  # noqa: BLE001 – a check answers what is wrong, whatever it is
            return {"database": _failed("the database does not answer", error)}
        due, lease = row["oldest_due"], row["oldest_lease"]
        return {
            "database": CheckShape(True, True),
            "messages": _required(due <= OVERDUE, f"the oldest message is {due:.0f} s overdue"),
            "leases": _required(lease <= LEASE_OVERDUE, f"a lease ended {lease:.0f} s ago and nobody took over"),
        }

    async def _heartbeats(self) -> Mapping[str, CheckShape]:
        try:
            async with asyncio.timeout(PATIENCE):
                alive = {beat.kind for beat in await self._container.heartbeats.all() if beat.age < STALE}
        except Exception as error:  # noqa: BLE001 – a check answers what is wrong, whatever it is
            return {kind: _failed("its heartbeat cannot be read", error) for kind in NEEDED}
        return {kind: _required(kind in alive, f"no {kind} has been heard of for {STALE:.0f} s") for kind in NEEDED}

    async def _redis(self) -> CheckShape:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._container.redis.ping()
        except Exception as error:  # noqa: BLE001 – a check answers what is wrong, whatever it is
            return _failed("Redis does not answer", error, required=False)
        return CheckShape(True, False)

    async def _read_depth(self) -> Mapping[str, Any]:
        async with asyncio.timeout(PATIENCE):
            row: Mapping[str, Any] = await self._container.database.fetchrow(_DEPTH)
        return row

    async def _render(self) -> bytes:
        """Our numbers, also while the database is away."""
        try:
            row = await self._read_depth()
        except Exception as error:  # noqa: BLE001 – a check answers what is wrong, whatever it is
            logger.warning("the outbox's depth could not be read", reason=type(error).__name__)
        else:
            counts = {state: row[state] for state in ("waiting", "leased", "dead")}
            self._metrics.set_outbox(counts, max(0.0, row["oldest_due"]))
        await self._read_deployment()
        return self._metrics.render()

    async def _read_deployment(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                self._metrics.set_provider_calls(await self._container.measurement_log.provider_calls())
                self._metrics.set_spending(await self._container.metering_log.totals())
                self._metrics.set_breakers(await self._container.provider_standings.standings(HEARD_WITHIN))
                standing = await self._container.alerts.standing()
        except Exception as error:  # noqa: BLE001 – a check answers what is wrong, whatever it is
            logger.warning("the deployment's numbers could not be read", reason=type(error).__name__)
        else:
            fires = {each.rule.name: each.alert is not None and each.alert.fires for each in standing}
            self._metrics.set_alerts(fires)


def _required(ok: bool, reason: str) -> CheckShape:
    return CheckShape(ok, True, None if ok else reason)


def _failed(what: str, error: Exception, *, required: bool = True) -> CheckShape:
    """The kind of error and not its text, which may hold an address or a password."""
    return CheckShape(False, required, f"{what} ({type(error).__name__})")
