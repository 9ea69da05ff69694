"""The installed plugins, loaded once for all deployments that a test runner opens: finding them reads every distribution.

What tests of loading call themselves, `load_plugins` and `PluginRegistry.load`, loads as ever.
"""

import sys
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from madang.entrypoints import container
from madang.plugins import registry
from madang.plugins.manager import Plugin, PluginManager, Setback
from madang.plugins.registry import PluginRegistry

_found: dict[tuple[Any, ...], tuple[Sequence[Plugin], Sequence[Setback]]] = {}
_load_plugins = container.load_plugins


class _PluginsOnce(PluginManager):
    """Takes what another manager found in the same folders, asked for in the same way. What it refused is looked for again."""

    def load_entry_points(self, allowed: Collection[str] | None = None) -> None:
        names = None if allowed is None else frozenset(allowed)
        asked = (tuple(sys.path), names, self._strict, self._reserved, self._load_seconds, self._contract)
        if asked not in _found:
            super().load_entry_points(allowed)
            _found[asked] = self.plugins, self.setbacks
        else:
            self._plugins, self._setbacks = map(list, _found[asked])  # type: ignore[arg-type]


def _load(*values: Any) -> PluginRegistry:
    kept = registry.PluginManager
    registry.PluginManager = _PluginsOnce  # type: ignore[misc]
    try:
        return _load_plugins(*values)
    finally:
        registry.PluginManager = kept  # type: ignore[misc]


@cache
def load_plugins_once() -> None:
    """From now on, `open_container` does."""
    container.load_plugins = _load
