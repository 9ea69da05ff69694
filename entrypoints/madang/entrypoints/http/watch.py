"""What is known of each answer beside the log: Prometheus' numbers, the process's own measurements, and a span."""

from contextlib import AbstractContextManager
from typing import Final

from madang.core.kernel.tracing import Span, SpanKind, TraceContext, Tracer
from madang.core.operations.measurements import Meter
from madang.entrypoints.http.exchange import Exchange
from madang.entrypoints.http.metrics import Metrics

NOBODY_WAITED: Final = 499
"""The caller was gone before we answered."""


class Watch:
    def __init__(self, metrics: Metrics, meter: Meter, tracer: Tracer) -> None:
        self._metrics = metrics
        self._meter = meter
        self._tracer = tracer

    def span(self, exchange: Exchange, method: str) -> AbstractContextManager[Span]:
        """With the ids that the answer's `traceparent` tells, below the caller's."""
        if not self._tracer.is_on:
            return self._tracer.span(method, SpanKind.SERVER)
        own = TraceContext(exchange.trace_id, exchange.span_id, exchange.sampled)
        above = None if exchange.parent_id is None else TraceContext(exchange.trace_id, exchange.parent_id, exchange.sampled)
        return self._tracer.span(method, SpanKind.SERVER, parent=above, context=own)

    def answered(self, span: Span, method: str, route: str, status: int, seconds: float, *, quiet: bool) -> None:
        """`seconds` until the answer began, without what the caller let us wait for the body: how long one takes to send or to
        read a file, or stays for live events, is no slowness of ours. What only looks after us (`quiet`) is left out of the
        measurements."""
        self._metrics.observe(method, route, status, seconds)
        if not quiet and status != NOBODY_WAITED:
            self._meter.answered(status, seconds)
        if self._tracer.is_on:
            span.name = f"{method} {route}"
            span.failed = status >= 500
            span.set(method=method, route=route, status=status)
