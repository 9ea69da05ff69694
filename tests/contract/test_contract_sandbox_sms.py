"""The sandbox's text messages through the conformance kit."""

from collections.abc import Mapping
from typing import Any

from contract.sandbox_faults import SandboxFaults
from madang.plugins.conformance.sms import SmsConformance


class TestSandbox(SandboxFaults, SmsConformance):
    port = "sms"

    def settings(self, url: str) -> Mapping[str, Any]:
        return {}
