"""What both SDKs are asked to do: carry a document of the API there, and its answer back."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from madang.adapters.gemini.names import NAME
from madang.adapters.gemini.schema import Dialect
from madang.adapters.gemini.settings import LEGACY, GeminiSettings, sdk_of
from madang.ports.errors import MissingExtra


class Speaker(Protocol):
    """One of Google's SDKs. Raises `Refused`, errors of httpx, `TimeoutError`, `TooLong` and, for what cannot be read,
    `ValueError`; for a document that the SDK cannot carry `NotExpressible`. Time limits are in seconds, for the whole call."""

    @property
    def dialect(self) -> Dialect: ...

    async def generate(self, model: str, document: Mapping[str, Any], timeout: float) -> object: ...

    def stream(self, model: str, document: Mapping[str, Any], timeout: float) -> AsyncGenerator[object, None]:
        """The pieces of an answer. To be closed by whoever does not want all of them."""
        ...

    async def look_at(self, model: str, timeout: float) -> None:
        """Whether there is such a model for our key."""
        ...

    async def close(self) -> None: ...


def speaker_of(settings: GeminiSettings) -> Speaker:
    """The SDK is imported here, and only the one that is spoken through. Raises `MissingExtra`."""
    is_legacy = sdk_of(settings) == LEGACY
    try:
        return _legacy(settings) if is_legacy else _genai(settings)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("madang"):
            raise
        raise MissingExtra("gemini-legacy" if is_legacy else "gemini", provider=NAME, operation="build") from None


def _genai(settings: GeminiSettings) -> Speaker:
    from madang.adapters.gemini.genai_speaker import GenaiSpeaker

    return GenaiSpeaker(settings)


def _legacy(settings: GeminiSettings) -> Speaker:
    from madang.adapters.gemini.legacy_speaker import LegacySpeaker

    return LegacySpeaker(settings)
