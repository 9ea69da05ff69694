"""Every call of a provider is told of: a line in the log, a count, and a span where traces are taken. Which provider, how long,
what came of it, on behalf of which request."""

import functools
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

import structlog

from madang.core.kernel.tracing import NO_TRACER, SpanKind, Tracer
from madang.core.operations.alert_rules import DONE
from madang.core.operations.measurements import CallName, Meter
from madang.ports.errors import PortError
from madang.ports.provider import ProviderKind

log = structlog.stdlib.get_logger("madang.providers")

P = TypeVar("P")
_QUIET_KINDS: Final = frozenset({ProviderKind.STORAGE})
_LOOKS: Final = frozenset({"fetch", "check", "find"})
_FAILED: Final = frozenset({"failed", "bounced"})
"""The words of the ports for an answer that says: it was tried, and it did not work."""
_QUIET_OPERATIONS: Final = frozenset({"fetch", "check"})
"""What is called many times for one thing is told on the level `debug`, unless something goes wrong."""


def logged(provider: P, kind: ProviderKind, meter: Meter | None = None, tracer: Tracer = NO_TRACER) -> P:
    """The provider, its coroutine methods told of. Neither arguments nor answers are: they may be personal."""
    return cast(P, _LoggedProvider(provider, kind, meter or Meter(), tracer))


class _LoggedProvider:
    def __init__(self, provider: Any, kind: ProviderKind, meter: Meter, tracer: Tracer) -> None:
        self._provider = provider
        self._kind = kind
        self._meter = meter
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        if not inspect.iscoroutinefunction(found):
            return found
        told = self._telling(name, found)
        setattr(self, name, told)
        return told

    def _telling(self, operation: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(method)
        async def call(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            with self._tracer.span(f"{self._kind} {operation}", SpanKind.CLIENT) as span:
                span.set(provider=self._provider.name, kind=self._kind.value, operation=operation)
                try:
                    answer = await method(*arguments, **named)
                except Exception as error:
                    outcome = _outcome_of(error)
                    span.set(outcome=outcome)
                    self._count(outcome, started)
                    self._tell(log.warning, operation, started, outcome=outcome)
                    raise
                span.set(outcome="done")
            if (counted := _counted_as(operation, answer)) is not None:
                self._count(counted, started)
            quiet = self._kind in _QUIET_KINDS or operation in _QUIET_OPERATIONS
            self._tell(log.debug if quiet else log.info, operation, started, outcome="done")
            return answer

        return call

    def _count(self, outcome: str, started: float) -> None:
        self._meter.called(CallName(self._kind.value, self._provider.name, outcome), time.perf_counter() - started)

    def _tell(self, tell: Callable[..., Any], operation: str, started: float, *, outcome: str) -> None:
        tell(
            "provider called",
            kind=self._kind.value,
            provider=self._provider.name,
            operation=operation,
            outcome=outcome,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )


def _outcome_of(error: Exception) -> str:
    return error.kind if isinstance(error, PortError) else type(error).__name__


def _counted_as(operation: str, answer: Any) -> str | None:
    """Looking whether something is done counts when it has failed, and not for each time that somebody looked."""
    if str(getattr(answer, "status", "")) in _FAILED:
        return "failed"
    return None if operation in _LOOKS else DONE
