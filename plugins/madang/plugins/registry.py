"""Declarations by kind and name, with their settings: what is there, is it configured, why not, and what is built of it."""

import asyncio
import hashlib
import hmac
import importlib.util
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib.machinery import PathFinder
from pathlib import Path
from threading import RLock
from typing import Any, Final, TypeVar, cast

from madang.plugins.declarations import (
    AsgiApp,
    CommandDeclaration,
    Declaration,
    HttpMount,
    JobDeclaration,
    ListenerDeclaration,
    PluginEvent,
    ProviderDeclaration,
)
from madang.plugins.inspection import missing_members, section_of
from madang.plugins.manager import Plugin, PluginManager
from madang.plugins.settings import PREFIX, PluginSettings, SettingProblem, resolve, suggestion, variable_of
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, MissingExtra, PortError
from madang.ports.provider import Provider, ProviderKind
from madang.ports.secret import Secret

_log: Final = logging.getLogger(__name__)
_CLOSE_SECONDS: Final = 10.0

D = TypeVar("D", bound=Declaration)


@dataclass(frozen=True, slots=True)
class Deployment:
    """What every plugin's `ProviderContext` is made of. `master_key` never reaches a plugin: each gets a key derived for it."""

    base_url: str
    data_dir: Path
    master_key: Secret
    environment: str = "development"


class PluginState(StrEnum):
    READY = "ready"
    NOT_CONFIGURED = "not_configured"
    QUARANTINED = "quarantined"
    NOT_ALLOWED = "not_allowed"


@dataclass(frozen=True, slots=True)
class PluginReport:
    """One line of `madang plugins list`: a provider (with its kind), or a plugin that gave none (kind None) and why."""

    name: str
    kind: ProviderKind | None
    capabilities: object | None
    configured: bool
    why: str = ""
    summary: str = ""
    plugin: str = ""
    origin: str = ""
    state: PluginState = PluginState.READY


@dataclass(frozen=True, slots=True)
class MountedApp:
    """An application to mount at `path` in the API process."""

    path: str
    app: AsgiApp
    name: str


@dataclass(frozen=True, slots=True)
class Listener:
    """What hears `event`; `name` is `<plugin>.<listener>`."""

    name: str
    event: str
    call: Callable[[PluginEvent], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """What runs once in every interval; `name` is `<plugin>.<job>`."""

    name: str
    every: timedelta
    call: Callable[[], Awaitable[None]]


class PluginRegistry:
    """The plugins of one process. Made by `load`; closed once, when the process ends."""

    def __init__(
        self,
        manager: PluginManager,
        settings: Mapping[str, Mapping[str, Any]],
        deployment: Deployment,
        variables: Mapping[str, str],
        reserved: Collection[str] = (),
    ) -> None:
        self._manager = manager
        self._deployment = deployment
        self._given = settings
        self._settings = _resolve_all(manager.plugins, settings, variables, reserved)
        self._built: dict[tuple[ProviderKind, str], Provider] = {}
        self._lock = RLock()

    @classmethod
    def load(
        cls,
        settings: Mapping[str, Mapping[str, Any]],
        deployment: Deployment,
        *,
        variables: Mapping[str, str] | None = None,
        modules: Sequence[str] = (),
        allowed: Collection[str] | None = None,
        strict: bool = False,
        entry_points: bool = True,
        reserved: Collection[str] = (),
    ) -> "PluginRegistry":
        """Load the installed plugins (those in `allowed`, None for all) and `modules`, and validate every plugin's settings.

        `settings` is `[plugins]` of the settings file, `variables` the environment (None: this process's). `reserved` are names
        that no plugin may take: the deployment's own settings and commands. With `strict`, a plugin that cannot run, or a wrong
        setting, raises `Misconfigured`, which names all wrong settings at once. Without `entry_points` only `modules` load.
        """
        manager = PluginManager(strict=strict, reserved=reserved)
        if entry_points:
            manager.load_entry_points(allowed)
        manager.load_modules(modules)
        registry = cls(manager, settings, deployment, os.environ if variables is None else variables, reserved)
        if strict and (problems := registry.problems()):
            raise Misconfigured("; ".join(map(str, problems)), operation="load")
        return registry

    def declarations(self, kind: ProviderKind) -> Sequence[ProviderDeclaration]:
        """Every provider of the kind, configured or not, in the order of loading."""
        return tuple(each for each in self._all(ProviderDeclaration) if each.kind is kind)

    def problems(self) -> Sequence[SettingProblem]:
        """Everything that is wrong in the plugins' settings. A required one that is missing is none: the plugin is off."""
        found = [problem for each in self._settings.values() for problem in each.problems]
        known = set(self._settings) | {each.name for each in self._manager.setbacks}
        for name in self._given:
            if name not in known:
                message = f"there is no plugin of that name{suggestion(name, known)}"
                found.append(SettingProblem(f"plugins.{name}", f"{PREFIX}{name}_*".upper(), message))
        return tuple(found)

    def why_not(self, kind: ProviderKind, name: str) -> str:
        """Why this provider cannot be built; empty where nothing speaks against it. Builds nothing."""
        try:
            declaration = self._declaration(kind, name)
        except Misconfigured as error:
            return error.message
        missing = _missing_modules(declaration)
        return self._settings[name].why_not or (_sdk_missing(declaration, missing[0]).message if missing else "")

    def build(self, kind: ProviderKind, name: str) -> Provider:
        """The provider, built at the first call and kept. Raises `Misconfigured`, and `MissingExtra` without its SDK."""
        with self._lock:
            if (kind, name) not in self._built:
                self._built[kind, name] = self._make(self._declaration(kind, name))
            return self._built[kind, name]

    def mounts(self, names: Collection[str] | None = None) -> Sequence[MountedApp]:
        """The applications of the plugins in `names` (None: of all that are configured): give those that the deployment uses.

        One that cannot be built is left out and logged: the API serves the rest.
        """
        wanted = [each for each in self._all(HttpMount) if names is None or each.name in names]
        made = [(each, self._try_make(each, f"mount {each.path}")) for each in wanted]
        return tuple(MountedApp(each.path, app, each.name or "") for each, app in made if app is not None)

    def listeners(self, names: Collection[str] | None = None) -> Sequence[Listener]:
        """The listeners of the plugins in `names` (None: of all that are configured)."""
        wanted = [each for each in self._all(ListenerDeclaration) if names is None or each.name in names]
        made = [(each, self._try_make(each, f"listener {each.listener}")) for each in wanted]
        return tuple(Listener(f"{each.name}.{each.listener}", each.event, call) for each, call in made if call is not None)

    def jobs(self, names: Collection[str] | None = None) -> Sequence[Job]:
        """The jobs of the plugins in `names` (None: of all that are configured)."""
        wanted = [each for each in self._all(JobDeclaration) if names is None or each.name in names]
        made = [(each, self._try_make(each, f"job {each.job}")) for each in wanted]
        return tuple(Job(f"{each.name}.{each.job}", each.every, call) for each, call in made if call is not None)

    def commands(self) -> Sequence[CommandDeclaration]:
        """Every command, not yet imported."""
        return self._all(CommandDeclaration)

    def report(self) -> Sequence[PluginReport]:
        """Every provider, then every plugin that gives none, then what was set aside."""
        providers = [
            self._report_provider(plugin, each)
            for plugin in self._manager.plugins
            for each in plugin.declarations
            if isinstance(each, ProviderDeclaration)
        ]
        others = [
            self._report_other(plugin)
            for plugin in self._manager.plugins
            if not any(isinstance(each, ProviderDeclaration) for each in plugin.declarations)
        ]
        aside = [
            PluginReport(
                name=each.name,
                kind=None,
                capabilities=None,
                configured=False,
                why=each.reason,
                plugin=each.name,
                origin=each.origin,
                state=PluginState.QUARANTINED if each.allowed else PluginState.NOT_ALLOWED,
            )
            for each in self._manager.setbacks
        ]
        return (*providers, *others, *aside)

    async def close(self) -> None:
        """Close every built provider, the last first. One that fails or hangs is logged and keeps no other from closing."""
        with self._lock:
            built = list(self._built.items())
            self._built.clear()
        for (kind, name), provider in reversed(built):
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await provider.close()
            except Exception as error:  # noqa: BLE001  a stranger's close must not keep the others open
                _log.warning("%s %s did not close: %s", kind.value, name, type(error).__name__)

    def _all(self, kind: type[D]) -> Sequence[D]:
        return tuple(each for plugin in self._manager.plugins for each in plugin.declarations if isinstance(each, kind))

    def _declaration(self, kind: ProviderKind, name: str) -> ProviderDeclaration:
        known = {each.name: each for each in self.declarations(kind)}
        if name in known:
            return known[name]
        for setback in self._manager.setbacks:
            if setback.name == name:
                raise Misconfigured(f"plugin {name} does not run: {setback.reason}", provider=name, operation="build")
        raise Misconfigured(f"no plugin gives {kind} {name!r}{suggestion(name, known)}", provider=name, operation="build")

    def _make(self, declaration: ProviderDeclaration) -> Provider:
        if missing := _missing_modules(declaration):
            raise _sdk_missing(declaration, missing[0])
        provider = self._call_factory(declaration, declaration)
        if absent := missing_members(declaration.kind, provider):
            message = f"its {declaration.kind} provider lacks {', '.join(absent)}"
            raise Misconfigured(message, provider=declaration.name, operation="build")
        return cast(Provider, provider)

    def _try_make(self, declaration: HttpMount | ListenerDeclaration | JobDeclaration, label: str) -> Any:
        if self._settings[declaration.name or ""].why_not:
            return None
        try:
            made = self._call_factory(declaration, None)
            if not callable(made):
                raise Misconfigured(f"its factory made {type(made).__name__}, which cannot be called")
        except PortError as error:
            _log.warning("plugin %s: %s is left out: %s", declaration.name, label, error.message)
            return None
        return made

    def _call_factory(
        self,
        declaration: ProviderDeclaration | HttpMount | ListenerDeclaration | JobDeclaration,
        sdk: ProviderDeclaration | None,
    ) -> object:
        """Raises `Misconfigured` for whatever goes wrong in the factory, naming only its type: the text may hold a key."""
        name = declaration.name or ""
        settings = self._settings[name]
        if settings.why_not:
            raise Misconfigured(settings.why_not, provider=name, operation="build")
        try:
            made: object = declaration.factory(settings.value, self._context(name))
        except PortError:
            raise
        except ModuleNotFoundError as error:
            is_ours = (error.name or "").startswith("madang.")
            raise _sdk_missing(sdk, error.name or "") if sdk and not is_ours else _broken(name, error) from error
        except Exception as error:
            raise _broken(name, error) from error
        if inspect.iscoroutine(made):
            made.close()
            raise Misconfigured("its factory is async: factories are synchronous", provider=name, operation="build")
        return made

    def _context(self, name: str) -> ProviderContext:
        self._deployment.data_dir.mkdir(parents=True, exist_ok=True)
        return ProviderContext(
            base_url=self._deployment.base_url.rstrip("/"),
            data_dir=self._deployment.data_dir,
            signing_key=derive_key(self._deployment.master_key, name),
            environment=self._deployment.environment,
        )

    def _report_provider(self, plugin: Plugin, declaration: ProviderDeclaration) -> PluginReport:
        why = self.why_not(declaration.kind, declaration.name)
        return PluginReport(
            name=declaration.name,
            kind=declaration.kind,
            capabilities=declaration.capabilities,
            configured=not why,
            why=why or plugin.warning,
            summary=declaration.summary,
            plugin=plugin.name,
            origin=plugin.origin,
            state=PluginState.NOT_CONFIGURED if why else PluginState.READY,
        )

    def _report_other(self, plugin: Plugin) -> PluginReport:
        sections = {section for each in plugin.declarations if (section := section_of(each))}
        why = "; ".join(filter(None, (self._settings[each].why_not for each in sorted(sections))))
        return PluginReport(
            name=plugin.name,
            kind=None,
            capabilities=None,
            configured=not why,
            why=why or plugin.warning,
            plugin=plugin.name,
            origin=plugin.origin,
            state=PluginState.NOT_CONFIGURED if why else PluginState.READY,
        )


def derive_key(master: Secret, name: str) -> Secret:
    """The key of one plugin: HKDF-Expand (RFC 5869, one block of SHA-256) of the master key, as 64 hexadecimal digits."""
    info = f"madang plugin {name}".encode()
    return Secret(hmac.digest(master.reveal().encode(), info + b"\x01", hashlib.sha256).hex())


def _resolve_all(
    plugins: Sequence[Plugin], given: Mapping[str, Mapping[str, Any]], variables: Mapping[str, str], reserved: Collection[str]
) -> dict[str, PluginSettings]:
    types: dict[str, type | None] = {}
    for declaration in (each for plugin in plugins for each in plugin.declarations):
        if not isinstance(declaration, CommandDeclaration) and declaration.name is not None:
            types[declaration.name] = declaration.settings
    return {
        name: resolve(name, settings, given.get(name, {}), variables, foreign=_foreign(name, types, variables, reserved))
        for name, settings in types.items()
    }


def _foreign(name: str, types: Mapping[str, type | None], variables: Mapping[str, str], reserved: Collection[str]) -> set[str]:
    """Variables that begin like this plugin's and belong to a plugin with a longer name, or to the deployment itself."""
    longer = tuple(variable_of(each, "") for each in types if each.startswith(f"{name}_"))
    own = {f"{PREFIX}{each}".upper() for each in reserved}
    return {each for each in variables if each.startswith(longer) or each.partition("__")[0] in own}


def _missing_modules(declaration: ProviderDeclaration) -> Sequence[str]:
    """Of `requires`; `a | b` is there when either is."""
    return [each for each in declaration.requires if not any(_is_installed(name.strip()) for name in each.split("|"))]


def _is_installed(module: str) -> bool:
    """Found without importing the packages that it is in."""
    top, *inner = module.split(".")
    spec, path = importlib.util.find_spec(top), top
    for name in inner:
        places = spec.submodule_search_locations if spec else None
        path = f"{path}.{name}"
        spec = PathFinder.find_spec(path, list(places)) if places else None
    return spec is not None


def _sdk_missing(declaration: ProviderDeclaration, module: str) -> Misconfigured:
    if declaration.extra is not None:
        return MissingExtra(declaration.extra, provider=declaration.name, operation="build")
    return Misconfigured(f"the module {module} is not installed", provider=declaration.name, operation="build")


def _broken(name: str, error: Exception) -> Misconfigured:
    return Misconfigured(f"its factory failed with {type(error).__name__}", provider=name, operation="build")
