"""The sandbox's behaviour as it is now: the settings, overlaid with what was changed while running, and the waiting faults."""

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.errors import Misconfigured

FAULT_KINDS: Final = frozenset({"unavailable", "rate_limited", "rejected", "answer_lost", "slow", "garbage"})
NUMERIC_VALUES: Final = frozenset({"rate_limited", "slow"})
FIXED: Final = frozenset({"seed", "webhook_secret"})
"""Not changed while running: what was signed or chosen with them is already out."""
CHANGEABLE: Final = {field.name: field.type for field in fields(SandboxSettings) if field.name not in FIXED}


@dataclass(frozen=True, slots=True)
class Fault:
    """A misbehaviour waiting for its call; `remaining` None is until the list is changed."""

    operation: str
    kind: str
    value: str | None = None
    remaining: int | None = 1

    def matches(self, operation: str) -> bool:
        if self.operation.endswith(".*"):
            return operation.startswith(self.operation[:-1])
        return self.operation in ("*", operation)

    def seconds(self, default: float) -> float:
        return float(self.value) if self.value is not None else default

    def __str__(self) -> str:
        value = "" if self.value is None else f"={self.value}"
        count = "*" if self.remaining is None else str(self.remaining)
        return f"{self.operation}:{self.kind}{value}@{count}"


def parse_faults(text: str) -> Sequence[Fault]:
    """Read the language of `SandboxSettings.faults`. Raises `Misconfigured` naming the part that is wrong."""
    return tuple(_parse_fault(part.strip()) for part in text.split(",") if part.strip())


def _parse_fault(part: str) -> Fault:
    head, at, count = part.partition("@")
    operation, colon, rest = head.partition(":")
    kind, equals, value = rest.partition("=")
    known = bool(operation and colon) and kind in FAULT_KINDS
    counted = not at or count == "*" or (count.isdecimal() and int(count) > 0)
    valued = kind not in NUMERIC_VALUES or not equals or _is_seconds(value)
    if not (known and counted and valued):
        kinds = ", ".join(sorted(FAULT_KINDS))
        raise Misconfigured(
            f"faults: {part!r} is not operation:kind[=value][@count] with a kind of {kinds}",
            provider="sandbox",
            operation="knobs",
        )
    return Fault(operation, kind, value if equals else None, None if count == "*" else int(count or 1))


def _is_seconds(value: str) -> bool:
    try:
        return math.isfinite(float(value)) and float(value) >= 0
    except ValueError:
        return False


def current(connection: sqlite3.Connection, settings: SandboxSettings) -> SandboxSettings:
    """The settings in force; `faults` is what is left of them."""
    changed = {row["name"]: json.loads(row["value"]) for row in connection.execute("SELECT name, value FROM knobs")}
    if changed.get("faults_setting") != settings.faults:
        write(connection, {"faults_setting": settings.faults, "faults": _normal(settings.faults)})
        changed |= {"faults": _normal(settings.faults)}
    return replace(settings, **{name: value for name, value in changed.items() if name in CHANGEABLE})


def write(connection: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        connection.execute("INSERT OR REPLACE INTO knobs (name, value) VALUES (?, ?)", (name, json.dumps(value)))


def change(connection: sqlite3.Connection, settings: SandboxSettings, wanted: Mapping[str, Any]) -> SandboxSettings:
    """Set knobs by name; None puts one back to its setting. Raises `Misconfigured` for a name or a value that is wrong."""
    current(connection, settings)
    for name, value in wanted.items():
        checked = _checked(name, getattr(settings, name, None) if value is None else value)
        if value is None:
            connection.execute("DELETE FROM knobs WHERE name = ?", (name,))
        else:
            write(connection, {name: checked})
    return current(connection, settings)


def take_fault(connection: sqlite3.Connection, faults: str, operation: str) -> Fault | None:
    """The first fault that waits for this call, its count taken down in the world."""
    waiting = list(parse_faults(faults))
    for index, fault in enumerate(waiting):
        if fault.matches(operation):
            _count_down(connection, waiting, index)
            return fault
    return None


def take_lost_webhook(connection: sqlite3.Connection, knobs: SandboxSettings) -> bool:
    """Whether the next webhook is one of those that are surely lost. `knobs` are those in force, and no longer the settings."""
    row = connection.execute("SELECT value FROM knobs WHERE name = 'webhook_lose_next'").fetchone()
    left: int = json.loads(row["value"]) if row else knobs.webhook_lose_next
    if left <= 0:
        return False
    write(connection, {"webhook_lose_next": left - 1})
    return True


def shown(knobs: SandboxSettings) -> Mapping[str, Any]:
    """What `GET /sandbox/knobs` answers: everything but the secret."""
    return {name: value for name, value in asdict(knobs).items() if name != "webhook_secret"}


def _count_down(connection: sqlite3.Connection, waiting: list[Fault], index: int) -> None:
    remaining = waiting[index].remaining
    if remaining is None:
        return
    if remaining > 1:
        waiting[index] = replace(waiting[index], remaining=remaining - 1)
    else:
        del waiting[index]
    write(connection, {"faults": ", ".join(map(str, waiting))})


def _normal(faults: str) -> str:
    return ", ".join(map(str, parse_faults(faults)))


def _checked(name: str, value: Any) -> Any:
    if name not in CHANGEABLE:
        raise Misconfigured(
            f"there is no knob {name!r}; there are {', '.join(CHANGEABLE)}", provider="sandbox", operation="knobs"
        )
    kind = CHANGEABLE[name]
    if name == "faults" and isinstance(value, str):
        return _normal(value)
    if kind is bool and isinstance(value, bool):
        return value
    if _is_number(value) and (kind is float or (kind is int and isinstance(value, int))):
        return value
    raise Misconfigured(f"{name}: {value!r} is not a valid value", provider="sandbox", operation="knobs")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
