"""The alert rules of a deployment: those of the release, with what its settings change."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from madang.core.operations.alert_rules import RULES, AlertRule
from madang.entrypoints.settings import AlertSetting
from madang.ports.errors import Misconfigured


def alert_rules(changes: Mapping[str, float | AlertSetting]) -> Sequence[AlertRule]:
    """Raises `Misconfigured` for a rule that does not exist and for a threshold that nothing can be above."""
    known = [rule.name for rule in RULES]
    if unknown := sorted(set(changes) - set(known)):
        raise Misconfigured(f"alerts.{unknown[0]}: there is no such rule, known are {', '.join(known)}", operation="alerts")
    settings = {name: _as_setting(change) for name, change in changes.items()}
    return [_changed(rule, settings.get(rule.name, AlertSetting())) for rule in RULES if _is_on(rule, settings)]


def _as_setting(change: float | AlertSetting) -> AlertSetting:
    return change if isinstance(change, AlertSetting) else AlertSetting(threshold=change)


def _is_on(rule: AlertRule, settings: Mapping[str, AlertSetting]) -> bool:
    return rule.name not in settings or settings[rule.name].enabled


def _changed(rule: AlertRule, setting: AlertSetting) -> AlertRule:
    if rule.unit == "%" and (setting.threshold or 0) >= 100:
        raise Misconfigured(f"alerts.{rule.name}: nothing is above 100 %, set enabled = false instead", operation="alerts")
    changes: dict[str, Any] = {"threshold": setting.threshold, "at_least": setting.at_least}
    for name in ("window", "lasting", "calm"):
        minutes = getattr(setting, f"{name}_minutes")
        changes[name] = None if minutes is None else timedelta(minutes=minutes)
    return replace(rule, **{name: value for name, value in changes.items() if value is not None})
