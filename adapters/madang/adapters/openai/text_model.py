"""`TextModel` through OpenAI's SDK."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from madang.adapters.openai.capabilities import text_as_configured
from madang.adapters.openai.chat_completions import CHAT_COMPLETIONS
from madang.adapters.openai.client import MEGABYTE, OpenAIClient
from madang.adapters.openai.health import reach
from madang.adapters.openai.mapping import NAME
from madang.adapters.openai.responses import RESPONSES
from madang.adapters.openai.settings import OpenAISettings
from madang.adapters.provider_http.answers import object_in
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderHealth
from madang.ports.text_model import TextChunk, TextModelCapabilities, TextRequest, TextResult

MAX_ANSWER_BYTES: Final = 64 * MEGABYTE
"""A streamed answer says every token in an event of some hundred bytes."""


class OpenAITextModel:
    """Fulfils `TextModel`. OpenAI honours no idempotency key: an answer that was lost is asked for and paid again."""

    def __init__(self, settings: OpenAISettings, context: ProviderContext) -> None:
        self._settings = settings
        self._capabilities = text_as_configured(settings)
        self._dialect = RESPONSES if settings.api == "responses" else CHAT_COMPLETIONS
        self._client = OpenAIClient(settings, MAX_ANSWER_BYTES)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> TextModelCapabilities:
        return self._capabilities

    async def check(self) -> ProviderHealth:
        return await reach(self._client, self._settings.model)

    async def close(self) -> None:
        await self._client.close()

    async def generate(self, request: TextRequest) -> TextResult:
        payload = self._dialect.payload_of(request, self._settings, "generate")
        answer = await self._client.post("generate", self._dialect.path, payload, request.timeout)
        return self._dialect.result_of(object_in(answer.body), answer.request_id, "generate")

    async def stream(self, request: TextRequest) -> AsyncIterator[TextChunk]:
        payload = {**self._dialect.payload_of(request, self._settings, "stream"), **self._dialect.streamed}
        events = await self._client.stream("stream", self._dialect.path, payload, request.timeout)
        async with contextlib.aclosing(events):
            reading = self._dialect.reading(events.request_id)
            while (event := await events.next()) is not None:
                if piece := reading.feed(event):
                    yield TextChunk(piece)
            yield TextChunk("", reading.result())
