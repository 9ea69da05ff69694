"""Our spans as OpenTelemetry's, sent by OTLP over HTTP in batches.

The ids are ours, made where the trace passes; of the SDK only the data model, the batches and the exporter are used, so nothing
is instrumented behind our back. Headers, time-outs and certificates of the exporter come from the standard
`OTEL_EXPORTER_OTLP_…` variables.
"""

from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace import SpanKind as RemoteKind
from opentelemetry.trace.status import Status, StatusCode

from madang.core.kernel.tracing import Span, SpanKind

_KINDS: Final = {
    SpanKind.SERVER: RemoteKind.SERVER,
    SpanKind.CONSUMER: RemoteKind.CONSUMER,
    SpanKind.CLIENT: RemoteKind.CLIENT,
}
_PREFIX: Final = "madang."


class OtlpSpans:
    """Fulfils `SpanSink`; `endpoint` is the collector's base address, without `/v1/traces`."""

    def __init__(self, endpoint: str, *, environment: str, release: str) -> None:
        named = {"service.name": "madang", "service.version": release, "deployment.environment.name": environment}
        self._resource = Resource.create(named)
        self._scope = InstrumentationScope("madang", release)
        self._batches = BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"))

    def take(self, span: Span) -> None:
        self._batches.on_end(self._readable(span))

    def close(self) -> None:
        """Sends what is left; a collector that is away is waited for no longer than the exporter's time-out."""
        self._batches.shutdown()  # type: ignore[no-untyped-call] # the SDK declares no type for it

    def _readable(self, span: Span) -> ReadableSpan:
        trace_id = int(span.context.trace_id, 16)
        above = None if span.parent_id is None else _context(trace_id, span.parent_id, remote=True)
        return ReadableSpan(
            name=span.name,
            context=_context(trace_id, span.context.span_id),
            parent=above,
            resource=self._resource,
            attributes={_PREFIX + name: value for name, value in span.attributes.items()},
            kind=_KINDS[span.kind],
            status=Status(StatusCode.ERROR) if span.failed else Status(StatusCode.UNSET),
            start_time=span.started,
            end_time=span.ended,
            instrumentation_scope=self._scope,
        )


def _context(trace_id: int, span_id: str, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, int(span_id, 16), is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))
