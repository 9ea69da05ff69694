"""The hooks of Madang, all of them: synchronous, and made for registering only.

Each receives a `register` callback and answers nothing. The contract of what is registered is typed: see `declarations.py` and
`madang.ports`. A plugin implements the hooks it needs with `@hookimpl`.
"""

from collections.abc import Callable
from typing import Final

import pluggy

from madang.plugins.declarations import (
    CommandDeclaration,
    HttpMount,
    JobDeclaration,
    ListenerDeclaration,
    ProviderDeclaration,
)

PROJECT: Final = "madang"
"""pluggy's project name, and the entry-point group that plugins are found in."""

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    """Call `register` once for each provider that the plugin gives."""


@hookspec
def register_http(register: Callable[[HttpMount], None]) -> None:
    """Call `register` once for each ASGI application to mount at the root of the API process."""


@hookspec
def register_commands(register: Callable[[CommandDeclaration], None]) -> None:
    """Call `register` once for each command of the `madang` CLI."""


@hookspec
def register_listeners(register: Callable[[ListenerDeclaration], None]) -> None:
    """Call `register` once for each listener to an event of the contexts."""


@hookspec
def register_jobs(register: Callable[[JobDeclaration], None]) -> None:
    """Call `register` once for each job that runs on a schedule."""
