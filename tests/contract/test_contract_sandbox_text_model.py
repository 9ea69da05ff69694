"""The sandbox's text model through the conformance kit."""

from collections.abc import Mapping
from typing import Any, ClassVar

from contract.sandbox_faults import SandboxFaults
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.text_model import TextModelConformance


class TestSandbox(SandboxFaults, TextModelConformance):
    port = "text_model"
    unmet: ClassVar = {**SandboxFaults.unmet, Fault.GARBAGE: "half of a document is an answer, too: the caller must read it"}

    def settings(self, url: str) -> Mapping[str, Any]:
        return {}
