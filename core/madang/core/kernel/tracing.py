"""Traces: the request, the messages that it causes and the calls of providers, as spans of one W3C trace.

Ids are made here and travel as a `traceparent`; where the spans go is an adapter's affair. Without one, nothing is made, kept
or sent along.
"""

import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

_WRITTEN: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_random: Final = random.Random()  # noqa: S311 - names of spans, not secrets


class SpanKind(StrEnum):
    """`SERVER`: a request to us; `CONSUMER`: a message of the outbox; `CLIENT`: a call of a provider."""

    SERVER = "server"
    CONSUMER = "consumer"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a further span hangs: lower-case hex as in W3C Trace Context. What is not `sampled` is not sent."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    @classmethod
    def read(cls, traceparent: str) -> "TraceContext | None":
        """None for what is none of ours."""
        found = _WRITTEN.fullmatch(traceparent)
        return cls(found[1], found[2], int(found[3], 16) & 1 == 1) if found else None


current: ContextVar[TraceContext | None] = ContextVar("trace", default=None)
"""The innermost open span."""


@contextmanager
def detached() -> Iterator[None]:
    """What begins inside is nobody's consequence: a trace of its own."""
    token = current.set(None)
    try:
        yield
    finally:
        current.reset(token)


@dataclass(slots=True)
class Span:
    """Something that takes time. Times in nanoseconds since the epoch; attributes are ids and words, nothing personal."""

    name: str
    kind: SpanKind
    context: TraceContext
    parent_id: str | None
    started: int
    ended: int = 0
    failed: bool = False
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)

    def set(self, **attributes: str | int | float | bool) -> None:
        self.attributes.update(attributes)


class SpanSink(Protocol):
    def take(self, span: Span) -> None:
        """Called with each ended span; must neither raise nor wait."""
        ...


class Tracer:
    """Makes spans and hands them to `sink`; one without a sink makes none."""

    def __init__(self, sink: SpanSink | None = None) -> None:
        self._sink = sink

    @property
    def is_on(self) -> bool:
        return self._sink is not None

    @contextmanager
    def span(
        self, name: str, kind: SpanKind, *, parent: TraceContext | None = None, context: TraceContext | None = None
    ) -> Iterator[Span]:
        """Below `parent`, else below the innermost open span, else a trace of its own. `context` gives it the ids that were
        made for it already. An exception marks it failed, by its type alone."""
        above = parent or current.get()
        if self._sink is None:
            yield _nobodys()
            return
        own = context or TraceContext(above.trace_id if above else _hex(128), _hex(64), above.sampled if above else True)
        span = Span(name, kind, own, above.span_id if above else None, time.time_ns())
        token = current.set(own)
        try:
            yield span
        except BaseException as error:
            span.failed = True
            span.set(error=type(error).__name__)
            raise
        finally:
            current.reset(token)
            span.ended = time.time_ns()
            if own.sampled:
                self._sink.take(span)


def _nobodys() -> Span:
    return Span("", SpanKind.CLIENT, _NOWHERE, None, 0)


def _hex(bits: int) -> str:
    return f"{_random.getrandbits(bits) | 1:0{bits // 4}x}"


_NOWHERE: Final = TraceContext("0" * 32, "0" * 16, sampled=False)
NO_TRACER: Final = Tracer()
