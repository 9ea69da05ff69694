"""Text and pictures through Google's Gemini API."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from madang.adapters.gemini import capabilities
from madang.adapters.gemini.settings import GeminiSettings
from madang.plugins.declarations import JobDeclaration, ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.image_model import ImageModel
from madang.ports.provider import ProviderKind
from madang.ports.text_model import TextModel

MADANG_CONTRACT = "1.0"


def _text_model(settings: GeminiSettings, context: ProviderContext) -> TextModel:
    from madang.adapters.gemini.text_model import GeminiTextModel

    return GeminiTextModel(settings, context)


def _image_model(settings: GeminiSettings, context: ProviderContext) -> ImageModel:
    from madang.adapters.gemini.image_model import GeminiImageModel

    return GeminiImageModel(settings, context)


def _sweep(settings: GeminiSettings, context: ProviderContext) -> Callable[[], Awaitable[None]]:
    from madang.adapters.gemini.sweeping import sweep

    return sweep(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.TEXT_MODEL,
            "gemini",
            GeminiSettings,
            capabilities.TEXT,
            _text_model,
            "Text by Gemini, through either of Google's SDKs",
            extra="gemini",
            requires=("google.genai | google.generativeai",),
        )
    )
    register(
        ProviderDeclaration(
            ProviderKind.IMAGE_MODEL,
            "gemini",
            GeminiSettings,
            capabilities.IMAGE,
            _image_model,
            "Pictures by Gemini",
            extra="gemini",
            requires=("google.genai",),
        )
    )


@hookimpl
def register_jobs(register: Callable[[JobDeclaration], None]) -> None:
    register(JobDeclaration("sweep", timedelta(minutes=10), _sweep, GeminiSettings, name="gemini"))
