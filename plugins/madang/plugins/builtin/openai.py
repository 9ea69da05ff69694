"""Text and pictures through OpenAI, and text through any server that speaks its API."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from madang.adapters.openai import capabilities
from madang.adapters.openai.settings import OpenAISettings
from madang.plugins.declarations import JobDeclaration, ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.image_model import ImageModel
from madang.ports.provider import ProviderKind
from madang.ports.text_model import TextModel

MADANG_CONTRACT = "1.0"


def _text_model(settings: OpenAISettings, context: ProviderContext) -> TextModel:
    from madang.adapters.openai.text_model import OpenAITextModel

    return OpenAITextModel(settings, context)


def _image_model(settings: OpenAISettings, context: ProviderContext) -> ImageModel:
    from madang.adapters.openai.image_model import OpenAIImageModel

    return OpenAIImageModel(settings, context)


def _sweep(settings: OpenAISettings, context: ProviderContext) -> Callable[[], Awaitable[None]]:
    from madang.adapters.openai.sweeping import sweep

    return sweep(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.TEXT_MODEL,
            "openai",
            OpenAISettings,
            capabilities.TEXT,
            _text_model,
            "Text by OpenAI's models, or by any server that speaks its API",
            extra="openai",
            requires=("openai",),
        )
    )
    register(
        ProviderDeclaration(
            ProviderKind.IMAGE_MODEL,
            "openai",
            OpenAISettings,
            capabilities.IMAGE,
            _image_model,
            "Pictures by OpenAI's models",
            extra="openai",
            requires=("openai",),
        )
    )


@hookimpl
def register_jobs(register: Callable[[JobDeclaration], None]) -> None:
    register(JobDeclaration("sweep", timedelta(minutes=10), _sweep, OpenAISettings, name="openai"))
