"""How patient each route is: the defaults, and what a deployment's settings change of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from madang.core.operations.breaker import BreakerRule
from madang.entrypoints.settings import FAILS_OVER, RoutingSetting
from madang.ports.provider import ProviderKind


@dataclass(frozen=True, slots=True)
class RouteRules:
    """Of each provider of a route, in each process. Times in seconds.

    `concurrency` calls at once, a further one waits `wait` for its turn, and never longer than it may take itself. `longest`
    is what a call may take at most, whatever `timeout` it carries. `pause` is the longest that a `retry_after` is believed.
    """

    breaker: BreakerRule
    concurrency: int
    wait: float
    longest: float
    pause: float = 300.0


_PAID: Final = RouteRules(BreakerRule(5, 30.0), concurrency=16, wait=30.0, longest=120.0)
_SENT: Final = RouteRules(BreakerRule(5, 30.0), concurrency=20, wait=5.0, longest=30.0)
_PLAIN: Final = RouteRules(BreakerRule(0), concurrency=32, wait=5.0, longest=60.0)

DEFAULTS: Final[Mapping[ProviderKind, RouteRules]] = {
    ProviderKind.TEXT_MODEL: _PAID,
    ProviderKind.IMAGE_MODEL: _PAID,
    ProviderKind.PAYMENT: _PLAIN,
    ProviderKind.STORAGE: replace(_PLAIN, concurrency=64, wait=10.0, longest=300.0),
    ProviderKind.SMS: _SENT,
    ProviderKind.EMAIL: _SENT,
    ProviderKind.CHAT: _PLAIN,
    ProviderKind.SOCIAL: replace(_PLAIN, longest=120.0),
    ProviderKind.HOSTING: replace(_PLAIN, longest=900.0),
    ProviderKind.IDENTITY: replace(_PLAIN, concurrency=64),
    ProviderKind.FACES: replace(_PLAIN, concurrency=2, wait=30.0),
}


def rules_for(kind: ProviderKind, changes: Mapping[str, RoutingSetting]) -> RouteRules:
    """The kind's defaults, with what the settings change."""
    default, change = DEFAULTS[kind], changes.get(kind.value, RoutingSetting())
    named: dict[str, Any] = {
        "concurrency": change.concurrency,
        "wait": change.wait_seconds,
        "longest": change.call_seconds,
        "pause": change.pause_seconds,
    }
    failures = default.breaker.failures if change.failures is None else change.failures
    open_seconds = default.breaker.open_seconds if change.open_seconds is None else change.open_seconds
    breaker = BreakerRule(failures if kind in FAILS_OVER else 0, open_seconds)
    return replace(default, breaker=breaker, **{name: value for name, value in named.items() if value is not None})
