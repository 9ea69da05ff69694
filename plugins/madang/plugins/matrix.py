"""Who can do what: a document made of the capabilities that Madang's own plugins declare, and of nothing else."""

import dataclasses
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from madang.plugins import builtin
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.manager import PluginManager
from madang.ports.money import Cost
from madang.ports.provider import ProviderKind

COMMAND: Final = "madang providers matrix > docs/providers.md"
_HEADER: Final = f"""# Providers, and what each can do

<!-- Made by `{COMMAND}` from the capabilities in the code, and compared with them by a test. Do not edit. -->

A row is a capability as the port's contract names it (`madang.ports.<kind>`), a column a provider that comes with Madang.
Callers ask for these before they call; what a provider cannot do it refuses as `Unsupported`. `madang plugins list --json`
tells the same of the plugins that are installed in a deployment, others' included.
"""
_NAMES: Final[Mapping[ProviderKind, str]] = {
    ProviderKind.TEXT_MODEL: "Text models",
    ProviderKind.IMAGE_MODEL: "Image models",
    ProviderKind.PAYMENT: "Payment",
    ProviderKind.STORAGE: "Storage",
    ProviderKind.SMS: "SMS",
    ProviderKind.EMAIL: "E-mail",
    ProviderKind.CHAT: "Chat",
    ProviderKind.SOCIAL: "Social",
    ProviderKind.HOSTING: "Hosting",
    ProviderKind.IDENTITY: "Identity",
    ProviderKind.FACES: "Faces",
}
_EMPTY: Final = {"currencies": "any", "issuers": "by its settings"}
"""What it means that these name nothing."""
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def first_party() -> Sequence[ProviderDeclaration]:
    """Every provider that comes with Madang, whether its SDK is installed or not, by name. Raises `Misconfigured` for a plugin
    of ours that does not load."""
    manager = PluginManager(strict=True)
    manager.load_modules(f"{builtin.__name__}.{module.name}" for module in pkgutil.iter_modules(builtin.__path__))
    declared = [each for plugin in manager.plugins for each in plugin.declarations if isinstance(each, ProviderDeclaration)]
    return sorted(declared, key=lambda declaration: declaration.name)


def document(declarations: Sequence[ProviderDeclaration]) -> str:
    """The document as Markdown: a table for each kind that somebody serves, in the order of the kinds."""
    sections = [_section(kind, [each for each in declarations if each.kind is kind]) for kind in ProviderKind]
    return "\n".join([_HEADER, *filter(None, sections)])


def _section(kind: ProviderKind, declared: Sequence[ProviderDeclaration]) -> str:
    if not declared:
        return ""
    abilities = [dict(_flattened(each.capabilities)) for each in declared]
    names = dict.fromkeys(name for each in abilities for name in each)
    rows = [
        _row("", *(each.name for each in declared)),
        _row("---", *("---" for _ in declared)),
        _row("what it is", *(each.summary for each in declared)),
        _row("install", *(f"`madang[{each.extra}]`" if each.extra else "`madang`" for each in declared)),
        *(_row(f"`{name}`", *(_shown(each.get(name)) or _EMPTY.get(name, "–") for each in abilities)) for name in names),
    ]
    return f"## {_NAMES[kind]} (`{kind.value}`)\n\n" + "\n".join(rows) + "\n"


def _flattened(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a capabilities value; those of one within it behind its name and a point."""
    for field in dataclasses.fields(value):
        inner, name = getattr(value, field.name), f"{path}{field.name}"
        if dataclasses.is_dataclass(inner) and not isinstance(inner, Cost):
            yield from _flattened(inner, f"{name}.")
        else:
            yield name, inner


def _shown(value: Any) -> str:
    """Empty for what holds nothing."""
    if value is None or isinstance(value, bool):
        return "yes" if value else "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{_shown(key)}: {_shown(value[key])}" for key in value)
    if isinstance(value, AbstractSet):
        return ", ".join(sorted(map(_shown, value)))
    if isinstance(value, tuple | list):
        return ", ".join(map(_shown, value))
    return _plain(value)


def _plain(value: Any) -> str:
    match value:
        case Enum():
            return str(value.value)
        case timedelta():
            return _time(value)
        case Cost():
            return f"{value.micros / 1_000_000:g} {value.currency}"
        case int():
            return f"{value:,}"
        case _ if dataclasses.is_dataclass(value):
            return " ".join(_shown(inner) for _, inner in _flattened(value))
        case _:
            return str(value)


def _time(span: timedelta) -> str:
    seconds = span.total_seconds()
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds % size == 0), (1, "s"))
    return f"{seconds / size:g} {unit}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
