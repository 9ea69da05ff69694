"""`TextModel` through Gemini."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final

from madang.adapters.gemini.capabilities import as_configured
from madang.adapters.gemini.http import port_errors
from madang.adapters.gemini.mapping import Reading
from madang.adapters.gemini.names import NAME
from madang.adapters.gemini.payload import text_payload
from madang.adapters.gemini.settings import GeminiSettings
from madang.adapters.gemini.speaking import speaker_of
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderHealth
from madang.ports.text_model import TextChunk, TextModelCapabilities, TextRequest, TextResult

CHECK_SECONDS: Final = 10.0


class GeminiTextModel:
    """Fulfils `TextModel`. What an answer costs is for whoever knows the prices of the day: `cost` is None."""

    def __init__(self, settings: GeminiSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._capabilities = as_configured(settings)
        self._speaker = speaker_of(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> TextModelCapabilities:
        return self._capabilities

    async def check(self) -> ProviderHealth:
        """Whether our key is shown the model."""
        started = time.perf_counter()
        with port_errors("check"):
            await self._speaker.look_at(self._settings.model, CHECK_SECONDS)
        return ProviderHealth(True, f"{self._settings.model} is there", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._speaker.close()

    async def generate(self, request: TextRequest) -> TextResult:
        reading = Reading(self._settings.model, "generate")
        with port_errors("generate"):
            payload = self._payload(request, "generate")
            reading.read(await self._speaker.generate(self._settings.model, payload, request.timeout))
            return reading.result()

    async def stream(self, request: TextRequest) -> AsyncIterator[TextChunk]:
        reading = Reading(self._settings.model, "stream")
        with port_errors("stream"):
            payload = self._payload(request, "stream")
            async with aclosing(self._speaker.stream(self._settings.model, payload, request.timeout)) as pieces:
                async for piece in pieces:
                    if text := reading.read(piece):
                        yield TextChunk(text)
            result = reading.result()
        yield TextChunk("", result)

    def _payload(self, request: TextRequest, operation: str) -> Mapping[str, Any]:
        return text_payload(request, self._settings.thinking_tokens, self._speaker.dialect, operation)
