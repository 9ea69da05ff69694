"""Alerts: the rules are evaluated each minute, once in the deployment, and operators hear of each change once.

State, history, message and audit event are one commit: a worker that dies before it has told nobody anything, one that dies
after it has told, and the message itself is the outbox's, which goes on until a channel has taken it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from madang.core.kernel.caller import SYSTEM
from madang.core.kernel.clock import Clock
from madang.core.kernel.events import Event
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Delivery, RetryPolicy, Topic
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.schedules import Recurring
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.alert_rules import AlertRule
from madang.core.operations.alert_states import Alert, AlertChange, AlertState, step
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail
from madang.core.operations.events import ALERT_CLEARED, ALERT_RAISED
from madang.core.operations.measurements import MeasurementReader

EVALUATE: Final = "operations.evaluate_alerts"
_EVERY: Final = timedelta(minutes=1)
_KEPT: Final = timedelta(days=1)
_TOLD_AS: Final = {
    AlertChange.RAISED: (ALERT_RAISED, AuditAction.ALERT_RAISED),
    AlertChange.CLEARED: (ALERT_CLEARED, AuditAction.ALERT_CLEARED),
}


@dataclass(frozen=True, slots=True)
class Episode:
    """One time that a rule fired. `value` is the one that raised it; `cleared_at` is None while it fires."""

    id: UUID
    rule: str
    threshold: float
    value: float
    raised_at: datetime
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule and where it stands; `alert` is None before its first evaluation, `episode` is what it fires about."""

    rule: AlertRule
    alert: Alert | None = None
    episode: Episode | None = None


class AlertRepository(Protocol):
    async def lock_all(self, quiet: Sequence[Alert]) -> Mapping[str, Alert]:
        """By rule, locked until the commit; those that are not there yet begin as given."""
        ...

    async def all(self) -> Sequence[Alert]: ...

    async def save(self, alert: Alert) -> None: ...

    async def begin(self, episode: Episode) -> None: ...

    async def end(self, episode_id: UUID, cleared_at: datetime) -> Episode: ...

    async def running(self) -> Sequence[Episode]: ...

    async def episodes(self, request: CursorRequest) -> CursorPage[Episode]:
        """The newest first. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        ...


class AlertsUnitOfWork(AuditedUnitOfWork, Protocol):
    @property
    def alerts(self) -> AlertRepository: ...

    @property
    def measurements(self) -> MeasurementReader: ...


class OperatorNotifier(Protocol):
    async def tell_operators(self, uow: Any, kind: str, *, key: str, values: Mapping[str, str]) -> object:
        """Record a message to everybody who runs the deployment in the caller's commit; a second one with the same key is
        dropped."""
        ...


class AlertService:
    def __init__(
        self,
        units: UnitOfWorkFactory[AlertsUnitOfWork],
        operators: OperatorNotifier,
        audit_trail: AuditTrail,
        clock: Clock,
        rules: Sequence[AlertRule],
    ) -> None:
        self._units = units
        self._operators = operators
        self._audit_trail = audit_trail
        self._clock = clock
        self._rules = rules

    def recurring(self) -> Sequence[Recurring]:
        return (Recurring(Topic(EVALUATE, retry=RetryPolicy((1, 5, 20)), time_limit=30), _EVERY, self.evaluate),)

    async def evaluate(self, delivery: Delivery[AlertsUnitOfWork]) -> None:
        """Every rule once. Two at the same time wait for one another, and the second finds nothing changed."""
        async with delivery.step() as uow:
            now = self._clock.now()
            begun = await uow.alerts.lock_all([Alert(rule.name, AlertState.QUIET, now) for rule in self._rules])
            longest = max((rule.window for rule in self._rules), default=timedelta(0))
            measurements = await uow.measurements.within(longest)
            for rule in self._rules:
                alert, change = step(begun[rule.name], rule, rule.value(measurements), now)
                await uow.alerts.save(alert if change is None else await self._tell(uow, rule, alert, change, now))
            await uow.measurements.forget(_KEPT)

    async def standing(self) -> Sequence[Standing]:
        async with self._units() as uow:
            alerts = {alert.rule: alert for alert in await uow.alerts.all()}
            running = {episode.rule: episode for episode in await uow.alerts.running()}
        return [Standing(rule, alerts.get(rule.name), running.get(rule.name)) for rule in self._rules]

    async def history(self, request: CursorRequest) -> CursorPage[Episode]:
        async with self._units() as uow:
            return await uow.alerts.episodes(request)

    async def _tell(self, uow: AlertsUnitOfWork, rule: AlertRule, alert: Alert, change: AlertChange, now: datetime) -> Alert:
        """What changed, to everybody who must know; the alert with its episode, or without one when it is over."""
        episode = await self._episode(uow, rule, alert, change, now)
        kind, action = _TOLD_AS[change]
        summary = _summary(rule, alert.value)
        values = {"rule": rule.name, "summary": summary, "since": episode.raised_at.isoformat(timespec="seconds")}
        await self._operators.tell_operators(uow, kind, key=f"alert:{episode.id}:{change}", values=values)
        await self._audit_trail.record(uow, SYSTEM, action, f"alert:{episode.id}", rule=rule.name, summary=summary)
        told = {"rule": rule.name, "value": alert.value, "threshold": rule.threshold}
        uow.announce(Event(kind, f"alert:{episode.id}", told))
        return replace(alert, episode_id=episode.id if change is AlertChange.RAISED else None)

    async def _episode(
        self, uow: AlertsUnitOfWork, rule: AlertRule, alert: Alert, change: AlertChange, now: datetime
    ) -> Episode:
        if change is AlertChange.CLEARED and alert.episode_id is not None:
            return await uow.alerts.end(alert.episode_id, now)
        episode = Episode(new_id(), rule.name, rule.threshold, alert.value or 0.0, now)
        await uow.alerts.begin(episode)
        return episode


def _summary(rule: AlertRule, value: float | None) -> str:
    """For people of any language: `payment_failures 24 % (> 10 %)`."""
    found = "–" if value is None else f"{value:.3g} {rule.unit}"
    return f"{rule.name} {found} (> {rule.threshold:g} {rule.unit})"
