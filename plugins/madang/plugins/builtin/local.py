"""Storage on the machine's own disk, and the application that serves its presigned addresses."""

from collections.abc import Callable

from madang.adapters.local import capabilities
from madang.adapters.local.settings import LocalSettings
from madang.plugins.declarations import AsgiApp, HttpMount, ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderKind
from madang.ports.storage import Storage

MADANG_CONTRACT = "1.0"


def _storage(settings: LocalSettings, context: ProviderContext) -> Storage:
    from madang.adapters.local.storage import LocalStorage

    return LocalStorage(settings, context)


def _pages(settings: LocalSettings, context: ProviderContext) -> AsgiApp:
    from madang.adapters.local.pages import create_app

    return create_app(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.STORAGE,
            "local",
            LocalSettings,
            capabilities.STORAGE,
            _storage,
            "Files in the data folder, served by the API",
        )
    )


@hookimpl
def register_http(register: Callable[[HttpMount], None]) -> None:
    register(HttpMount("/local-storage", _pages, LocalSettings))
