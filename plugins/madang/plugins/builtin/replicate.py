"""Pictures by models that run at Replicate."""

from collections.abc import Callable

from madang.adapters.replicate import capabilities
from madang.adapters.replicate.settings import ReplicateSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.image_model import ImageModel
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _image_model(settings: ReplicateSettings, context: ProviderContext) -> ImageModel:
    from madang.adapters.replicate.image_model import ReplicateImageModel

    return ReplicateImageModel(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.IMAGE_MODEL,
            "replicate",
            ReplicateSettings,
            capabilities.IMAGE_MODEL,
            _image_model,
            "Pictures by any model that runs at Replicate, with webhooks",
            extra="replicate",
            requires=("replicate", "httpx", "standardwebhooks"),
        )
    )
