"""Commands that plugins add. Looking for them costs imports, so it is done only where a plugin could be."""

import os
from collections.abc import Collection, Mapping
from importlib.metadata import entry_points
from pathlib import Path

from madang.entrypoints.cli.lazy import LazyCommand

ENTRY_POINT_GROUP = "madang"


def commands_of_plugins(reserved: Collection[str]) -> Mapping[str, LazyCommand]:
    """Those of installed plugins and of modules named in the settings; nobody takes a name of ours."""
    if not _there_may_be_plugins():
        return {}
    from madang.entrypoints.cli.deployment import load_registry

    declared = load_registry(reserved_commands=reserved).commands()
    return {command.name: LazyCommand(command.target, command.help) for command in declared if command.name not in reserved}


def _there_may_be_plugins() -> bool:
    strangers = [point for point in entry_points(group=ENTRY_POINT_GROUP) if not point.value.startswith("madang.")]
    if strangers or os.environ.get("MADANG_PLUGIN_MODULES"):
        return True
    configuration = Path("madang.toml")
    return configuration.exists() and "plugin_modules" in configuration.read_text(encoding="utf-8", errors="replace")
