"""Providers as administrators see them: who serves what, how each is, what it costs; and a look at one on request."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail
from madang.core.operations.measurements import MeasurementReader
from madang.core.operations.metering import Grouping, Spending
from madang.core.operations.provider_numbers import ProviderNumbers, numbers_of
from madang.core.operations.provider_standing import CheckedProvider, RecordedChange, StandingOfProcess
from madang.entrypoints.providers.call_ledger import HEARD_WITHIN
from madang.entrypoints.providers.checks import problem_of
from madang.plugins.registry import PluginReport
from madang.ports.provider import Provider, ProviderKind

CHANGES_WITHIN: Final = timedelta(days=7)
CHANGES_SHOWN: Final = 200
_ORDER: Final = {kind: place for place, kind in enumerate(ProviderKind)}


class Registry(Protocol):
    def report(self) -> Sequence[PluginReport]: ...

    def build(self, kind: ProviderKind, name: str) -> Provider: ...


class Standings(Protocol):
    async def standings(self, within: timedelta) -> Sequence[StandingOfProcess]: ...

    async def changes(self, window: timedelta, *, limit: int) -> Sequence[tuple[str, RecordedChange]]: ...

    async def checks(self) -> Sequence[CheckedProvider]: ...

    async def checked(self, check: CheckedProvider) -> None: ...


class Metering(Protocol):
    async def spending_within(self, window: timedelta, by: Sequence[Grouping]) -> Sequence[Spending]: ...


class MeasuredUnitOfWork(AuditedUnitOfWork, Protocol):
    @property
    def measurements(self) -> MeasurementReader: ...


@dataclass(frozen=True, slots=True)
class ListedProvider:
    """`position` in its route from 1, None outside of it. `why` it is not configured, empty otherwise. `standings` are of the
    processes that asked it; `changes` of its breakers, the newest first, with the process."""

    kind: ProviderKind
    name: str
    summary: str
    position: int | None
    configured: bool
    why: str
    numbers: ProviderNumbers = field(default_factory=ProviderNumbers)
    standings: Sequence[StandingOfProcess] = ()
    changes: Sequence[tuple[str, RecordedChange]] = ()
    last_check: CheckedProvider | None = None
    spending: Spending | None = None


class ProviderAdministration:
    def __init__(
        self,
        registry: Registry,
        routes: Mapping[str, Sequence[str]],
        standings: Standings,
        metering: Metering,
        units: UnitOfWorkFactory[MeasuredUnitOfWork],
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._routes = routes
        self._standings = standings
        self._metering = metering
        self._units = units
        self._audit_trail = audit_trail
        self._clock = clock

    async def listing(self, window: timedelta) -> Sequence[ListedProvider]:
        """Every provider that a plugin gives, by kind, those of the route first and in its order. Numbers and costs are of the
        window, changes of breakers of a week."""
        async with self._units() as uow:
            numbers = numbers_of(await uow.measurements.within(window))
        found = _Found(
            numbers,
            await self._standings.standings(HEARD_WITHIN),
            await self._standings.changes(CHANGES_WITHIN, limit=CHANGES_SHOWN),
            {(check.kind, check.provider): check for check in await self._standings.checks()},
            await self._metering.spending_within(window, (Grouping.KIND, Grouping.PROVIDER)),
        )
        listed = [self._listed(report, report.kind, found) for report in self._registry.report() if report.kind is not None]
        return sorted(listed, key=lambda each: (_ORDER[each.kind], each.position or 1000, each.name))

    async def check(self, caller: Caller, name: str) -> Sequence[CheckedProvider]:
        """Ask each provider of this plugin whether it works, all at once and within ten seconds. What they answer is kept, and
        that somebody wanted to know is recorded. Raises `NotFound` (`PROVIDER_NOT_FOUND`)."""
        reports = [report for report in self._registry.report() if report.name == name and report.kind is not None]
        if not reports:
            raise NotFound("no plugin gives such a provider", code="PROVIDER_NOT_FOUND")
        checks = await asyncio.gather(*(self._checked(report, report.kind) for report in reports if report.kind))
        for check in checks:
            await self._standings.checked(check)
        async with self._units() as uow:
            outcome: dict[str, Any] = {check.kind: check.reachable for check in checks}
            await self._audit_trail.record(uow, caller, AuditAction.PROVIDER_CHECKED, f"provider:{name}", **outcome)
        return checks

    async def _checked(self, report: PluginReport, kind: ProviderKind) -> CheckedProvider:
        started = time.perf_counter()
        problem = report.why if not report.configured else await problem_of(lambda: self._registry.build(kind, report.name))
        took = round((time.perf_counter() - started) * 1000)
        return CheckedProvider(kind.value, report.name, self._clock.now(), not problem, problem, took)

    def _listed(self, report: PluginReport, kind: ProviderKind, found: "_Found") -> ListedProvider:
        route, key = tuple(self._routes.get(kind, ())), (kind.value, report.name)
        return ListedProvider(
            kind,
            report.name,
            report.summary,
            route.index(report.name) + 1 if report.name in route else None,
            report.configured,
            "" if report.configured else report.why,
            found.numbers.get(key, ProviderNumbers()),
            [each for each in found.standings if (each.standing.kind, each.standing.provider) == key],
            [each for each in found.changes if (each[1].kind, each[1].provider) == key],
            found.checks.get(key),
            next((each for each in found.spending if tuple(each.group.values()) == key), None),
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """All that is known, of all providers together."""

    numbers: Mapping[tuple[str, str], ProviderNumbers]
    standings: Sequence[StandingOfProcess]
    changes: Sequence[tuple[str, RecordedChange]]
    checks: Mapping[tuple[str, str], CheckedProvider]
    spending: Sequence[Spending]
