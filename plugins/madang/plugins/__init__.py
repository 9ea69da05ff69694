"""How providers, pages, commands, listeners and jobs come in: the surface that a plugin imports.

A plugin needs this module and `madang.ports`, and nothing else of Madang. `docs/plugins.md` is its guide.
"""

from madang.plugins.declarations import (
    CommandDeclaration,
    Declaration,
    HttpMount,
    JobDeclaration,
    ListenerDeclaration,
    PluginEvent,
    ProviderDeclaration,
)
from madang.plugins.hookspecs import PROJECT, hookimpl

__all__ = [
    "PROJECT",
    "CommandDeclaration",
    "Declaration",
    "HttpMount",
    "JobDeclaration",
    "ListenerDeclaration",
    "PluginEvent",
    "ProviderDeclaration",
    "hookimpl",
]
