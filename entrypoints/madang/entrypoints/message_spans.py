"""Handlers of the outbox within spans: each try of a message is one, below the span that recorded the message."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from madang.core.kernel.messages import Delivery, Handler, Message
from madang.core.kernel.tracing import Span, SpanKind, TraceContext, Tracer


def traced(handler: Handler[Any], tracer: Tracer) -> Handler[Any]:
    """The same work. What it calls and what further messages it records hang below it."""

    async def run(delivery: Delivery[Any]) -> None:
        with _span(tracer, delivery.message) as span:
            _describe(span, delivery.message)
            if handler.run is not None:
                await handler.run(delivery)

    async def handle(uow: Any, message: Message) -> None:
        with _span(tracer, message) as span:
            _describe(span, message)
            if handler.handle is not None:
                await handler.handle(uow, message)

    return replace(handler, run=run) if handler.run is not None else replace(handler, handle=handle)


def _span(tracer: Tracer, message: Message) -> AbstractContextManager[Span]:
    return tracer.span(message.topic, SpanKind.CONSUMER, parent=TraceContext.read(message.traceparent))


def _describe(span: Span, message: Message) -> None:
    span.set(topic=message.topic, message_id=str(message.id), attempt=message.attempt, request_id=message.request_id)
