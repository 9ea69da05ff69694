"""Every call of a provider passes its guard and is told of: a line in the log, a count, what it used and cost, and a span where
traces are taken. Which provider, how long, what came of it, on behalf of which request."""

import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, cast

import structlog

from madang.core.kernel.tracing import NO_TRACER, SpanKind, Tracer
from madang.core.operations.alert_rules import DONE
from madang.core.operations.measurements import CallName, Meter
from madang.entrypoints.providers.guard import Asked, Guard
from madang.entrypoints.providers.routing_rules import DEFAULTS
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
CANCELLED: Final = "cancelled"
"""The outcome of a call whose caller went away: what came of it nobody heard."""
_UNGUARDED: Final = frozenset({"close", "read_webhook"})
"""A webhook is a stranger's word until it is read: a forged one says nothing about the provider."""


class Ledger(Protocol):
    def called(self, name: CallName, provider: Any, operation: str, seconds: float, *, request: Any, result: Any) -> None:
        """A call ended: `result` is its answer or its error. Keeps ids, counts and the cost, and neither of the two."""
        ...


class NoLedger:
    """Fulfils `Ledger` for who does not account."""

    def called(self, *arguments: Any, **named: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears of calls."""

    meter: Meter = field(default_factory=Meter)
    tracer: Tracer = NO_TRACER
    ledger: Ledger = field(default_factory=NoLedger)


def guarded(provider: P, kind: ProviderKind, guard: Guard | None = None, listeners: Listeners | None = None) -> P:
    """The provider, its calls guarded and told of. Neither arguments nor answers are told: they may be personal."""
    name = getattr(provider, "name", "")
    guard = guard or Guard(kind, name, DEFAULTS[kind])
    return cast(P, _GuardedProvider(provider, kind, guard, listeners or Listeners()))


class _GuardedProvider:
    def __init__(self, provider: Any, kind: ProviderKind, guard: Guard, listeners: Listeners) -> None:
        self._provider = provider
        self._kind = kind
        self._guard = guard
        self._meter = listeners.meter
        self._tracer = listeners.tracer
        self._ledger = listeners.ledger

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        if name in _UNGUARDED:
            return found
        passing: Callable[..., Any]
        if inspect.iscoroutinefunction(found):
            passing = self._calling(name, found)
        elif name == "stream" and self._kind is ProviderKind.TEXT_MODEL:
            passing = self._streaming(name, found)
        else:
            return found
        setattr(self, name, passing)
        return passing

    def _calling(self, operation: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(method)
        async def call(*arguments: Any, **named: Any) -> Any:
            asked = self._guard.granted(_asked(operation, arguments, named))
            async with self._guard.passage(asked):
                with self._told(asked) as told:
                    async with self._guard.time_limit(asked):
                        told.answer = await method(*_first(asked, arguments), **named)
                return told.answer

        return call

    def _streaming(self, operation: str, method: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        """One call from its first piece to its last. The time limit counts the waiting for the provider, not for who reads."""

        @functools.wraps(method)
        async def stream(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
            asked = self._guard.granted(_asked(operation, arguments, named))
            begun = method(*_first(asked, arguments), **named)
            async with self._guard.passage(asked):
                with self._told(asked) as told:
                    async with aclosing(self._guard.piece_by_piece(asked, begun)) as pieces:
                        async for piece in pieces:
                            told.answer = getattr(piece, "result", None)
                            yield piece

        return stream

    @contextmanager
    def _told(self, asked: Asked) -> Iterator["_Told"]:
        told, started = _Told(), time.perf_counter()
        with self._tracer.span(f"{self._kind} {asked.operation}", SpanKind.CLIENT) as span:
            span.set(provider=self._provider.name, kind=self._kind.value, operation=asked.operation)
            try:
                yield told
            except Exception as error:
                outcome = _outcome_of(error)
                span.set(outcome=outcome)
                self._count(outcome, started)
                self._account(asked, outcome, started, error)
                self._tell(log.warning, asked.operation, started, outcome=outcome)
                raise
            except BaseException as error:
                self._account(asked, CANCELLED, started, error)
                raise
            span.set(outcome="done")
        counted = _counted_as(asked.operation, told.answer)
        if counted is not None:
            self._count(counted, started)
        self._account(asked, counted or DONE, started, told.answer)
        quiet = self._kind in _QUIET_KINDS or asked.operation in _QUIET_OPERATIONS
        self._tell(log.debug if quiet else log.info, asked.operation, started, outcome="done")

    def _count(self, outcome: str, started: float) -> None:
        self._meter.called(CallName(self._kind.value, self._provider.name, outcome), time.perf_counter() - started)

    def _account(self, asked: Asked, outcome: str, started: float, result: Any) -> None:
        """A defect of the accounts is no failure of the call."""
        name = CallName(self._kind.value, self._provider.name, outcome)
        seconds = time.perf_counter() - started
        try:
            self._ledger.called(name, self._provider, asked.operation, seconds, request=asked.request, result=result)
        except Exception:
            log.exception("a call is missing in the accounts", kind=name.kind, provider=name.provider)

    def _tell(self, tell: Callable[..., Any], operation: str, started: float, *, outcome: str) -> None:
        tell(
            "provider called",
            kind=self._kind.value,
            provider=self._provider.name,
            operation=operation,
            outcome=outcome,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )


class _Told:
    """What a call answered, once it has."""

    answer: Any = None


def _asked(operation: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Asked:
    return Asked(operation, arguments[0] if arguments else next(iter(named.values()), None))


def _first(asked: Asked, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments, the first of them as it is asked now. One that is named stays as it was."""
    return (asked.request, *arguments[1:]) if arguments else ()


def _outcome_of(error: Exception) -> str:
    return error.kind if isinstance(error, PortError) else type(error).__name__


def _counted_as(operation: str, answer: Any) -> str | None:
    """Looking whether something is done counts when it has failed, and not for each time that somebody looked."""
    if str(getattr(answer, "status", "")) in _FAILED:
        return "failed"
    return None if operation in _LOOKS else DONE
