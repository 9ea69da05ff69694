"""A plugin's settings: its frozen dataclass, built from `[plugins.<name>]` and `MADANG_<NAME>_<KEY>`, the environment winning.

Everything that is wrong is told at once, each by key and variable. An empty variable counts as not set.
"""

import dataclasses
import difflib
import json
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from madang.ports.secret import Secret

PREFIX: Final = "MADANG_"
REQUIRED: Final = "is required"


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """One thing wrong: the key as in `madang.toml` (`plugins.acme.port`), the variable that could set it, and a sentence."""

    key: str
    variable: str
    message: str

    def __str__(self) -> str:
        return f"{self.key} ({self.variable}): {self.message}"

    @property
    def need(self) -> str:
        """The same for a key that nobody has set yet: what is required of a single one needs no word."""
        return f"{self.key} ({self.variable})" if self.message == REQUIRED else str(self)


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """The outcome: a `value` (None also for a plugin without settings), or required keys that are `missing`, or `problems`."""

    value: object | None = None
    missing: Sequence[SettingProblem] = ()
    problems: Sequence[SettingProblem] = ()

    @property
    def why_not(self) -> str:
        """Why the plugin is not configured; empty when it is."""
        if self.problems:
            return "; ".join(map(str, self.problems))
        if self.missing:
            return "needs " + ", ".join(each.need for each in self.missing)
        return ""


def variable_of(name: str, key: str) -> str:
    """The environment variable of a plugin's setting."""
    return f"{PREFIX}{name}_{key}".upper()


def keys_of(settings: type | None) -> Sequence[str]:
    """The names that a settings type takes. Nothing for None."""
    if settings is None:
        return ()
    return tuple(each.name for each in dataclasses.fields(settings) if each.init)


def resolve(
    name: str, settings: type | None, given: Mapping[str, Any], variables: Mapping[str, str], *, foreign: Collection[str] = ()
) -> PluginSettings:
    """Build the settings of plugin `name` from the file's `given` and the environment's `variables`.

    `foreign` are variables with the plugin's prefix that belong to somebody else.
    """
    keys = keys_of(settings)
    problems = [_unknown(name, key, keys) for key in given if key not in keys]
    problems += _unknown_variables(name, keys, variables, foreign)
    if settings is None:
        return PluginSettings(problems=problems)
    hints = get_type_hints(settings, include_extras=True)
    values: dict[str, object] = {}
    missing = []
    for field in dataclasses.fields(settings):
        if not field.init:
            continue
        problem = SettingProblem(f"plugins.{name}.{field.name}", variable_of(name, field.name), REQUIRED)
        raw, is_set = _raw(problem.variable, field.name, hints[field.name], given, variables)
        if is_set:
            try:
                values[field.name] = _convert(raw, hints[field.name])
            except (msgspec.ValidationError, ValueError) as error:
                problems.append(dataclasses.replace(problem, message=str(error)))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            missing.append(problem)
    if problems or missing:
        return PluginSettings(missing=missing, problems=problems)
    built = _construct(name, settings, values)
    # A key may be required of some deployments only. Where nothing at all is set, nothing is wrong either.
    return built if values else PluginSettings(built.value, missing=built.problems)


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing when no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _construct(name: str, settings: type, values: Mapping[str, object]) -> PluginSettings:
    try:
        return PluginSettings(settings(**values))
    except (TypeError, ValueError) as error:
        problem = SettingProblem(f"plugins.{name}", f"{PREFIX}{name}_*".upper(), _without_secrets(str(error), values.values()))
        return PluginSettings(problems=(problem,))


def _raw(variable: str, key: str, hint: object, given: Mapping[str, Any], variables: Mapping[str, str]) -> tuple[object, bool]:
    """The value before conversion, and whether there is one."""
    if text := variables.get(variable, ""):
        return _structured(text, hint), True
    if key not in given or (given[key] == "" and _takes(hint, Secret)):
        return None, False
    return given[key], True


def _structured(text: str, hint: object) -> object:
    """A variable is text: for several values JSON, or words between commas."""
    if not any(_takes(hint, several) for several in (tuple, list, frozenset, set, dict)):
        return text
    if text.lstrip().startswith(("[", "{")):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return [word.strip() for word in text.split(",") if word.strip()]


def _takes(hint: object, kind: type) -> bool:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_takes(each, kind) for each in get_args(hint))
    return hint is kind or origin is kind


def _convert(raw: object, hint: Any) -> object:
    return msgspec.convert(raw, hint, strict=False, dec_hook=_decode)


def _decode(kind: type, raw: object) -> object:
    if kind in (Secret, Path) and isinstance(raw, str):
        return kind(raw)
    raise ValueError(f"Expected `str`, got `{type(raw).__name__}`")


def _unknown(name: str, key: str, keys: Sequence[str]) -> SettingProblem:
    return SettingProblem(f"plugins.{name}.{key}", variable_of(name, key), f"there is no such setting{suggestion(key, keys)}")


def _unknown_variables(
    name: str, keys: Sequence[str], variables: Mapping[str, str], foreign: Collection[str]
) -> list[SettingProblem]:
    prefix = f"{PREFIX}{name}_".upper()
    known = {variable_of(name, key) for key in keys}
    strays = [each for each in variables if each.startswith(prefix) and each not in known and each not in foreign]
    return [_unknown(name, stray.removeprefix(prefix).lower(), keys) for stray in sorted(strays)]


def _without_secrets(text: str, values: Iterable[object]) -> str:
    """A plugin's own complaint may quote what it was given."""
    for value in values:
        if isinstance(value, Secret) and value:
            text = text.replace(value.reveal(), "**********")
    return text
