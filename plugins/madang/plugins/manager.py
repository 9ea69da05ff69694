"""Plugins, loaded one at a time: one that is broken is set aside and named with its reason, and the rest runs."""

import importlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from madang.plugins.contract import SHIMS, Shim
from madang.plugins.declarations import (
    CommandDeclaration,
    Declaration,
    HttpMount,
    ProviderDeclaration,
)
from madang.plugins.hookspecs import PROJECT
from madang.plugins.inspection import RegistrationError, section_of
from madang.plugins.loading import LOAD_SECONDS, Loaded, load_within
from madang.plugins.settings import keys_of, suggestion, variable_of
from madang.ports import CONTRACT_VERSION
from madang.ports.errors import Misconfigured

_log: Final = logging.getLogger(__name__)
_OURS: Final = "madang"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that runs. `origin` says where it came from: `acmepay 1.2 (madang_acmepay)`, `module acme_sms`."""

    name: str
    origin: str
    declarations: Sequence[Declaration]
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Setback:
    """A plugin that does not run, and why. `allowed` False: the settings do not allow it, and it was not even imported."""

    name: str
    origin: str
    reason: str
    allowed: bool = True


class PluginManager:
    """Loads plugins and keeps what they declared, free of contradictions. Make a new one for every registry.

    `strict` raises `Misconfigured` where a plugin would be set aside. `reserved` are names that no plugin may take.
    `contract` and `shims` are for trying another version of the contract.
    """

    def __init__(
        self,
        *,
        strict: bool = False,
        reserved: Collection[str] = (),
        load_seconds: float = LOAD_SECONDS,
        contract: str = CONTRACT_VERSION,
        shims: Mapping[int, Shim] = SHIMS,
    ) -> None:
        self._strict = strict
        self._reserved = frozenset(reserved)
        self._load_seconds = load_seconds
        self._contract = contract
        self._shims = shims
        self._plugins: list[Plugin] = []
        self._setbacks: list[Setback] = []

    @property
    def plugins(self) -> Sequence[Plugin]:
        """In the order of loading: our own first, then by name, then modules."""
        return tuple(self._plugins)

    @property
    def setbacks(self) -> Sequence[Setback]:
        return tuple(self._setbacks)

    def load_entry_points(self, allowed: Collection[str] | None = None) -> None:
        """Load every installed plugin, or of those the ones named in `allowed`. Raises `Misconfigured` when strict."""
        owners = _owners(entry_points(group=PROJECT))
        found = sorted(owners, key=lambda point: _order(point, owners[point]))
        for point in found:
            origin = _origin(point, owners[point])
            if allowed is not None and point.name not in allowed:
                self._setbacks.append(
                    Setback(point.name, origin, "the setting plugins_allowed does not name it", allowed=False)
                )
            else:
                self.load(point.name, origin, point.load)
        installed = {point.name for point in found}
        for name in sorted(set(allowed or ()) - installed):
            self._set_aside(name, "setting plugins_allowed", f"no such plugin is installed{suggestion(name, installed)}")

    def load_modules(self, names: Iterable[str]) -> None:
        """Load plugins that are modules on the import path, named by the settings. Raises `Misconfigured` when strict."""
        for name in names:
            self.load(name, f"module {name}", partial(importlib.import_module, name))

    def load(self, name: str, origin: str, find: Callable[[], object]) -> None:
        """Load the one plugin that `find` answers. Raises `Misconfigured` when strict and it cannot run."""
        try:
            if any(name == each.name for each in self._plugins):
                raise RegistrationError(f"a plugin named {name!r} is loaded already")
            loaded = load_within(self._load_seconds, name, find, self._contract, self._shims)
            self._check_clashes(loaded)
        except Exception as error:  # noqa: BLE001  whatever a stranger's code raises
            self._set_aside(name, origin, _reason(error), error)
        except SystemExit as error:
            self._set_aside(name, origin, "it wanted to end the process", error)
        else:
            if loaded.warning:
                _log.warning("plugin %s (%s): %s", name, origin, loaded.warning)
            self._plugins.append(Plugin(name, origin, loaded.declarations, loaded.warning))

    def _set_aside(self, name: str, origin: str, reason: str, cause: BaseException | None = None) -> None:
        if self._strict:
            raise Misconfigured(f"plugin {name} ({origin}): {reason}", provider=name, operation="load") from cause
        _log.warning("plugin %s (%s) is set aside: %s", name, origin, reason)
        self._setbacks.append(Setback(name, origin, reason))

    def _check_clashes(self, loaded: Loaded) -> None:
        """Raises `RegistrationError` when a declaration contradicts one of another plugin, or of the same one."""
        taken = [(each, plugin.name) for plugin in self._plugins for each in plugin.declarations]
        own: list[Declaration] = []
        for declaration in loaded.declarations:
            if (section_of(declaration) or _key(declaration)) in self._reserved:
                raise RegistrationError(f"the name {section_of(declaration) or _key(declaration)!r} belongs to Madang itself")
            for other, owner in taken:
                _check_strangers(declaration, other, owner)
            for other in own:
                _check_siblings(declaration, other)
            own.append(declaration)


def _key(declaration: Declaration) -> str:
    """What may exist once among declarations of the same type."""
    match declaration:
        case ProviderDeclaration():
            return f"{declaration.kind} {declaration.name!r}"
        case HttpMount():
            return declaration.path
        case CommandDeclaration():
            return declaration.name
        case _:
            return f"{declaration.name}.{getattr(declaration, 'listener', None) or getattr(declaration, 'job', '')}"


def _check_siblings(declaration: Declaration, other: Declaration) -> None:
    if type(declaration) is type(other) and _key(declaration) == _key(other):
        raise RegistrationError(f"it registers {_key(declaration)} twice")
    if section_of(declaration) is None or section_of(declaration) != section_of(other):
        return
    types = {each.settings for each in (declaration, other) if not isinstance(each, CommandDeclaration)}
    if len(types) > 1:
        raise RegistrationError(f"{section_of(declaration)!r} has one settings type, and it declares two")


def _check_strangers(declaration: Declaration, other: Declaration, owner: str) -> None:
    if type(declaration) is type(other) and _key(declaration) == _key(other):
        raise RegistrationError(f"{_key(declaration)} is registered already by plugin {owner!r}")
    section, others = section_of(declaration), section_of(other)
    if section is None or others is None:
        return
    if section == others:
        raise RegistrationError(f"the name {section!r} belongs to plugin {owner!r}")
    for shared in sorted(_variables(declaration) & _variables(other)):
        raise RegistrationError(f"the variable {shared} would set {section!r} and {others!r} of plugin {owner!r}")


def _variables(declaration: Declaration) -> frozenset[str]:
    if isinstance(declaration, CommandDeclaration) or declaration.name is None:
        return frozenset()
    return _variables_of(declaration.name, declaration.settings)


@lru_cache(256)
def _variables_of(name: str, settings: type | None) -> frozenset[str]:
    """Each is compared with those of every other plugin."""
    return frozenset(variable_of(name, key) for key in keys_of(settings))


def _order(point: EntryPoint, owner: str) -> tuple[bool, str, str]:
    name = owner.partition(" ")[0]
    return name != _OURS, point.name, name


def _owners(points: Collection[EntryPoint]) -> Mapping[EntryPoint, str]:
    """The distribution and version that each comes from, empty where it comes from none. Its metadata is read once, however
    many plugins it has."""
    read: dict[int, str] = {}
    for point in points:
        if point.dist is not None and id(point.dist) not in read:
            read[id(point.dist)] = f"{point.dist.name} {point.dist.version}"
    return {point: read.get(id(point.dist), "") for point in points}


def _origin(point: EntryPoint, owner: str) -> str:
    return f"{owner} ({point.value})" if owner else point.value


def _reason(error: Exception) -> str:
    text = str(error).strip().replace("\n", " ")
    if isinstance(error, RegistrationError) or type(error).__module__.startswith("madang.plugins"):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
