"""How the sandbox meets the kit's faults: there is no wire that could break, so its own knobs bring them about."""

from collections.abc import Mapping
from typing import Any, ClassVar

from madang.adapters.sandbox import knobs
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.world import World, world_path
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.stage import Stage
from madang.plugins.conformance.suite import ProviderConformance, Read

KNOBS = {
    Fault.UNAVAILABLE: "unavailable",
    Fault.RATE_LIMITED: "rate_limited=7",
    Fault.ANSWER_LOST: "answer_lost",
    Fault.GARBAGE: "garbage",
    Fault.SLOW: "slow=0.3",
}


class SandboxFaults(ProviderConformance):
    """The part of a suite's subclass that all of the sandbox's providers share; `port` is as the knobs call it."""

    plugin = "madang.plugins.builtin.sandbox"
    name = "sandbox"
    port: ClassVar[str]
    unmet: ClassVar[Mapping[Fault, str]] = {
        fault: "the sandbox has neither a key nor a wire" for fault in Fault if fault not in KNOBS
    }

    def remote(self) -> None:
        return None

    async def inject(self, stage: Stage, fault: Fault, operation: str) -> None:
        world = World(world_path(stage.folder))
        wanted = {"faults": f"{self.port}.{operation}:{KNOBS[fault]}"}
        await world.run(lambda connection: knobs.change(connection, SandboxSettings(), wanted))
        await world.close()

    async def reads(self, provider: Any) -> Mapping[str, Read]:
        """Without the check, which only opens the sandbox's own file: no knob makes that fail."""
        return {name: ask for name, ask in (await super().reads(provider)).items() if name != "check"}
