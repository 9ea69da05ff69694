"""What the sandbox's providers have in common."""

import re
import time
from typing import Final

from madang.adapters.sandbox.gate import NAME, Gate
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.context import ProviderContext
from madang.ports.errors import PortError, Unsupported
from madang.ports.provider import ProviderHealth

FORBIDDEN: Final = re.compile(r"\[sandbox:(content_policy|invalid_request)\]")
"""A prompt that carries one of these is refused for that reason, so that a product's refusal path can be walked."""


class SandboxProvider:
    """Each has a gate of its own; the world behind the gates is one."""

    def __init__(self, settings: SandboxSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._context = context
        self._gate = Gate(settings, context)

    @property
    def name(self) -> str:
        return NAME

    async def check(self) -> ProviderHealth:
        """Whether the sandbox's world can be read and written."""
        started = time.perf_counter()
        try:
            await self._gate.world.run(lambda connection: connection.execute("SELECT 1").fetchone())
        except OSError as error:
            return ProviderHealth(reachable=False, detail=f"{self._gate.world.path}: {error}")
        return ProviderHealth(True, "a simulation; nothing leaves this machine", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._gate.close()


def unsupported(operation: str) -> PortError:
    return Unsupported("the sandbox has no such ability; see its capabilities", provider=NAME, operation=operation)
