"""When a rule fires and when it is over: one step for each evaluation, told by value and time alone.

quiet → pending → firing → calming → quiet        pending → quiet, calming → firing: it was only a moment
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from madang.core.operations.alert_rules import AlertRule


class AlertState(StrEnum):
    """`PENDING`: above the threshold, not for long enough yet; `CALMING`: still fires, and has been below for a while."""

    QUIET = "quiet"
    PENDING = "pending"
    FIRING = "firing"
    CALMING = "calming"


class AlertChange(StrEnum):
    RAISED = "raised"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Alert:
    """Where one rule stands since when; `value` is the last one, None where there was too little to tell. `episode_id` names
    what it fires about, from raised to cleared."""

    rule: str
    state: AlertState
    since: datetime
    value: float | None = None
    episode_id: UUID | None = None

    @property
    def fires(self) -> bool:
        return self.state in (AlertState.FIRING, AlertState.CALMING)


def step(alert: Alert, rule: AlertRule, value: float | None, now: datetime) -> tuple[Alert, AlertChange | None]:
    """The alert after this evaluation, and what operators must be told of: each change once."""
    alert = replace(alert, value=value)
    return _while_firing(alert, rule, now) if alert.fires else _while_quiet(alert, rule, now)


def _while_quiet(alert: Alert, rule: AlertRule, now: datetime) -> tuple[Alert, AlertChange | None]:
    if alert.value is None or alert.value <= rule.threshold:
        return _in(alert, AlertState.QUIET, now), None
    pending = _in(alert, AlertState.PENDING, now)
    if now - pending.since < rule.lasting:
        return pending, None
    return _in(pending, AlertState.FIRING, now), AlertChange.RAISED


def _while_firing(alert: Alert, rule: AlertRule, now: datetime) -> tuple[Alert, AlertChange | None]:
    if alert.value is not None and alert.value > rule.clears_at:
        return _in(alert, AlertState.FIRING, now), None
    calming = _in(alert, AlertState.CALMING, now)
    if now - calming.since < (rule.silence if alert.value is None else rule.calm):
        return calming, None
    return _in(calming, AlertState.QUIET, now), AlertChange.CLEARED


def _in(alert: Alert, state: AlertState, now: datetime) -> Alert:
    """In a state that it is in already it stays since then."""
    return alert if alert.state is state else replace(alert, state=state, since=now)
