"""What the in-memory providers have in common."""

from madang.adapters.memory.settings import MemorySettings
from madang.adapters.memory.world import NAME, MemoryWorld, world_of
from madang.ports.context import ProviderContext
from madang.ports.errors import Rejected, Unsupported
from madang.ports.provider import ProviderHealth


class MemoryProvider:
    """`world` is where tests look at what was done, and plan faults."""

    def __init__(self, settings: MemorySettings, context: ProviderContext) -> None:
        self._settings = settings
        self._context = context
        self.world: MemoryWorld = world_of(context.data_dir)

    @property
    def name(self) -> str:
        return NAME

    async def check(self) -> ProviderHealth:
        return ProviderHealth(reachable=True, detail="nothing leaves this process")

    async def close(self) -> None:
        """There is nothing to give back."""


def rejected(message: str, reason: str, operation: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation=operation)


def unsupported(operation: str) -> Unsupported:
    return Unsupported("there is no such ability in memory; see the capabilities", provider=NAME, operation=operation)
