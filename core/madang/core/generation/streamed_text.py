"""One place that reads a text model's answer as it is written."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, ProviderError, Unsupported
from madang.ports.text_model import TextChunk, TextModel, TextRequest

logger = logging.getLogger(__name__)


async def stream_from(models: Sequence[TextModel], request: TextRequest) -> AsyncIterator[TextChunk]:
    """The pieces of the first answer that begins, in the order of the route.

    A provider that fails before its first piece passes the request on. From then on nobody stands in, for the reader has seen
    the beginning: what breaks is raised. Raises the last provider's error when none begins, `Misconfigured` without any.
    """
    failure: PortError = Misconfigured("no text model is in the route", operation="stream")
    for model in models:
        async with _closed_at_the_end(model.stream(request)) as pieces:
            try:
                first = await anext(pieces, None)
            except (ProviderError, Misconfigured, Unsupported) as error:
                logger.warning("text model %s did not begin to answer, trying the next: %s", model.name, error)
                failure = error
                continue
            if first is None:
                failure = OutcomeUnknown("the answer ended before it began", provider=model.name, operation="stream")
                continue
            yield first
            async for piece in pieces:
                yield piece
            return
    raise failure


@asynccontextmanager
async def _closed_at_the_end(pieces: AsyncIterator[TextChunk]) -> AsyncIterator[AsyncIterator[TextChunk]]:
    """A reader may turn away at any piece: then the provider stops writing, and not when somebody collects the garbage."""
    try:
        yield pieces
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
