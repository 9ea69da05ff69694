"""Load one plugin and collect what it declares, within a time limit, and all or nothing."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any, Final

import pluggy

from madang.plugins import hookspecs
from madang.plugins.contract import Shim, judge
from madang.plugins.declarations import CommandDeclaration, Declaration, ProviderDeclaration
from madang.plugins.inspection import HOOKS, RegistrationError, inspect_declaration

LOAD_SECONDS: Final = 10.0
"""How long importing a plugin and calling its hooks may take: declaring is light."""


class LoadingHangs(Exception):
    """The plugin was still loading when its time was over."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a plugin declared, and what the operator should know about it."""

    declarations: Sequence[Declaration]
    warning: str = ""


def load_within(seconds: float, name: str, find: Callable[[], object], contract: str, shims: Mapping[int, Shim]) -> Loaded:
    """Find the plugin and let it declare, in a thread that is left alone when the time is over.

    Raises what the plugin raises, `RegistrationError`, `ContractRefused` and `LoadingHangs`. What a plugin registers after its
    time is refused, so that nothing of it comes in late.
    """
    collector = _Collector()
    outcome: list[Loaded | BaseException] = []

    def load() -> None:
        try:
            outcome.append(_load(name, find(), collector, contract, shims))
        except BaseException as error:  # noqa: BLE001  a plugin may even call sys.exit()
            outcome.append(error)

    thread = Thread(target=load, name=f"load plugin {name}", daemon=True)
    thread.start()
    thread.join(seconds)
    collector.close()
    if not outcome:
        raise LoadingHangs(f"it was still loading after {seconds:g} s")
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


def _load(name: str, plugin: object, collector: "_Collector", contract: str, shims: Mapping[int, Shim]) -> Loaded:
    terms = judge(getattr(plugin, "MADANG_CONTRACT", None), contract, shims)
    collector.shim = terms.shim
    hooks = _hooks_of(plugin, name)
    for hook in HOOKS:
        getattr(hooks, hook)(register=collector.registrar(hook))
    return Loaded(_with_sections(name, collector.declarations()), terms.warning)


def _hooks_of(plugin: object, name: str) -> pluggy.HookRelay:
    """A pluggy manager of the plugin's own: what it breaks is its own. Raises pluggy's `PluginValidationError`."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name)
    manager.check_pending()
    callers = manager.get_hookcallers(plugin) or []
    if not callers:
        raise RegistrationError(f"it implements no hook of Madang ({', '.join(HOOKS)})")
    for caller in callers:
        if any(inspect.iscoroutinefunction(each.function) for each in caller.get_hookimpls()):
            raise RegistrationError(f"its hook {caller.name} is async: hooks are synchronous, and only register")
    return manager.hook


def _with_sections(plugin: str, declarations: Sequence[Declaration]) -> Sequence[Declaration]:
    """Give every declaration the name of the settings that its factory receives."""
    names = {each.name for each in declarations if isinstance(each, ProviderDeclaration)} or {plugin.rpartition(".")[2]}
    return [_with_section(each, names) for each in declarations]


def _with_section(declaration: Declaration, names: set[str]) -> Declaration:
    if isinstance(declaration, ProviderDeclaration | CommandDeclaration) or declaration.name is not None:
        return declaration
    if len(names) > 1:
        kind = type(declaration).__name__
        raise RegistrationError(
            f"the plugin declares {', '.join(sorted(names))}: its {kind} must say whose settings it reads (name=)"
        )
    return replace(declaration, name=next(iter(names)))


class _Collector:
    """Takes what a plugin registers until it is closed, and does not forget what it refused."""

    def __init__(self) -> None:
        self.shim: Shim | None = None
        self._declarations: list[Declaration] = []
        self._refused: RegistrationError | None = None
        self._is_open = True

    def registrar(self, hook: str) -> Callable[[Any], None]:
        def register(declaration: Any) -> None:
            if not self._is_open:
                raise RegistrationError("the time to register is over")
            try:
                whole = inspect_declaration(declaration if self.shim is None else self.shim(declaration), hook)
            except (RegistrationError, ValueError) as error:
                self._refused = RegistrationError(str(error))
                raise self._refused from error
            self._declarations.append(whole)

        return register

    def declarations(self) -> Sequence[Declaration]:
        """All that was registered. Raises the refusal that a plugin may have swallowed: it would be there by half."""
        if self._refused is not None:
            raise self._refused
        return tuple(self._declarations)

    def close(self) -> None:
        self._is_open = False
