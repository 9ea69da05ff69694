"""How the in-memory providers meet the kit's faults: there is no wire that could break, so their world brings them about."""

from collections.abc import Mapping
from typing import Any, ClassVar

from madang.adapters.memory.world import world_of
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.stage import Stage
from madang.plugins.conformance.suite import ProviderConformance, Read

PLANS = {
    Fault.UNAVAILABLE: "unavailable",
    Fault.RATE_LIMITED: "rate_limited",
    Fault.ANSWER_LOST: "answer_lost",
    Fault.SILENT: "silent",
}


class MemoryFaults(ProviderConformance):
    """The part of a suite's subclass that all in-memory providers share; `port` is as the world calls it."""

    plugin = "madang.plugins.builtin.memory"
    name = "memory"
    port: ClassVar[str]
    unmet: ClassVar[Mapping[Fault, str]] = {
        fault: "memory has neither a key nor a wire" for fault in Fault if fault not in PLANS
    }

    def remote(self) -> None:
        return None

    def settings(self, url: str) -> Mapping[str, Any]:
        return {}

    async def inject(self, stage: Stage, fault: Fault, operation: str) -> None:
        world_of(stage.folder).plan(f"{self.port}.{operation}", PLANS[fault])

    async def reads(self, provider: Any) -> Mapping[str, Read]:
        """Without the check, for which nothing can fail."""
        return {name: ask for name, ask in (await super().reads(provider)).items() if name != "check"}
