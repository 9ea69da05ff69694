"""The real composition with boundaries around every commit and every call of a provider, not knowing that it is watched."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from faults.boundaries import Boundaries, WatchedOutbox
from madang.entrypoints.container import open_container
from madang.entrypoints.settings import Settings
from madang.plugins.registry import PluginRegistry
from madang.ports.provider import ProviderKind

COMPOSITION = "faults.whole_deployment:compose"


class WatchedContainer:
    """The container, its outbox watched."""

    def __init__(self, container: Any, boundaries: Boundaries) -> None:
        self._container = container
        self.outbox = WatchedOutbox(container.outbox, boundaries)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._container, attribute)


@contextmanager
def watched_providers(boundaries: Boundaries) -> Iterator[None]:
    """Every provider that a registry of this process builds has boundaries around its calls."""
    build = PluginRegistry.build

    def watched(registry: PluginRegistry, kind: ProviderKind, name: str) -> Any:
        return boundaries.around(build(registry, kind, name), f"{kind.value} {name}")

    PluginRegistry.build = watched  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        PluginRegistry.build = build  # type: ignore[method-assign]


@asynccontextmanager
async def compose() -> AsyncIterator[WatchedContainer]:
    """Settings come from the environment (`MADANG_…`), as for `madang worker`."""
    boundaries = Boundaries.of_environment()
    with watched_providers(boundaries):
        async with open_container(Settings()) as container:
            yield WatchedContainer(container, boundaries)
