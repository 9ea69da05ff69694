"""What a plugin declares. A declaration is data: nothing is imported, opened or called until somebody uses it.

Every factory has the same two arguments: the plugin's validated settings (None when it declares no settings type) and the
`ProviderContext`. It is synchronous, opens no connection, and imports the provider's SDK inside itself.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pkgutil import resolve_name
from typing import Any, TypeAlias

from madang.ports.context import ProviderContext
from madang.ports.provider import Provider, ProviderKind

AsgiApp: TypeAlias = Callable[..., Awaitable[None]]
"""An ASGI 3 application: `await app(scope, receive, send)`."""


@dataclass(frozen=True, slots=True)
class ProviderDeclaration:
    """A provider of one kind.

    `name` is what routes, settings (`[plugins.<name>]`) and rows in the database call it: lower case, digits and underscores.
    `settings` is a frozen dataclass, one for all declarations of that name. `capabilities` is the port's own capabilities
    value. `extra` names Madang's extra that installs the SDK (first-party plugins); `requires` lists the modules of the SDK
    (`"a | b"`: either will do), so that `madang plugins list` can tell that one is missing without importing it.
    """

    kind: ProviderKind
    name: str
    settings: type | None
    capabilities: object
    factory: Callable[[Any, ProviderContext], Provider]
    summary: str = ""
    extra: str | None = None
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpMount:
    """An ASGI application mounted at `path` (`"/acmepay"`) in the API process, while the deployment uses the plugin.

    `name` is the settings section that the factory receives: needed only by a plugin that declares several names.
    """

    path: str
    factory: Callable[[Any, ProviderContext], AsgiApp]
    settings: type | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class CommandDeclaration:
    """A click command, `madang <name> …`. `target` is `"module:attribute"`, imported when the command is called."""

    name: str
    help: str
    target: str

    def resolve(self) -> Any:
        """Import and answer the click command. Raises what the import raises."""
        return resolve_name(self.target)


@dataclass(frozen=True, slots=True)
class PluginEvent:
    """A fact that a context announced, as a listener receives it: at least once, in any order, dedupe by `id`.

    The payload is JSON and holds ids and amounts, not personal data. `subject` names what it is about: `"portrait:<id>"`.
    """

    id: str
    name: str
    subject: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListenerDeclaration:
    """An async callable that hears every event called `event` (`"billing.payment_changed"`).

    `listener` is unique within the plugin and names the listener in the outbox: renaming it orphans what is still waiting for
    it. `factory` makes the callable. Raising an error of `madang.ports.errors` decides over the retry, as for a provider.
    """

    event: str
    listener: str
    factory: Callable[[Any, ProviderContext], Callable[[PluginEvent], Awaitable[None]]]
    settings: type | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class JobDeclaration:
    """An async callable that runs once in every interval of `every` (at least a second), somewhere in the deployment.

    `job` is unique within the plugin and names its schedule. `factory` makes the callable. It may be called again for the same
    interval after a crash, so it must bear that.
    """

    job: str
    every: timedelta
    factory: Callable[[Any, ProviderContext], Callable[[], Awaitable[None]]]
    settings: type | None = None
    name: str | None = None


Declaration: TypeAlias = ProviderDeclaration | HttpMount | CommandDeclaration | ListenerDeclaration | JobDeclaration
