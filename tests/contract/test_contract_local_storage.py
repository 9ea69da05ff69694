"""Storage on this machine's disk through the conformance kit."""

from collections.abc import Mapping
from typing import Any

from madang.plugins.conformance.storage import StorageConformance


class TestLocal(StorageConformance):
    plugin = "madang.plugins.builtin.local"
    name = "local"

    def remote(self) -> None:
        return None

    def settings(self, url: str) -> Mapping[str, Any]:
        return {}
