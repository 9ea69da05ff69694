"""Every port is documented, frozen and of the same shape, so that a plugin author can rely on it."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import sys
import typing
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import madang.ports
from madang.plugins.inspection import PORTS
from madang.ports.provider import Provider, ProviderKind
from madang.ports.secret import Secret
from madang.ports.social import EmojiCounting, LengthRule, WeightRange

MODULES: list[ModuleType] = [
    importlib.import_module(f"madang.ports.{each.name}") for each in pkgutil.iter_modules(madang.ports.__path__)
]
CLASSES: list[type] = [
    each
    for module in MODULES
    for _, each in inspect.getmembers(module, inspect.isclass)
    if each.__module__ == module.__name__ and not each.__name__.startswith("_")
]
PROTOCOLS = [each for each in CLASSES if getattr(each, "_is_protocol", False)]
VALUES = [each for each in CLASSES if dataclasses.is_dataclass(each)]
METHODS = [
    pytest.param(each, name, id=f"{each.__name__}.{name}")
    for each in PROTOCOLS
    for name, member in vars(each).items()
    if not name.startswith("_") and inspect.isfunction(member)
]


def test_every_kind_of_provider_has_a_port_and_capabilities() -> None:
    assert set(PORTS) == set(ProviderKind)
    assert {each for each, _ in PORTS.values()} == set(PROTOCOLS) - {Provider}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_module_says_what_it_is_and_imports_the_standard_library_only(module: ModuleType) -> None:
    assert module.__doc__
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    imported = {each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    imported |= {name.name for each in ast.walk(tree) if isinstance(each, ast.Import) for name in each.names}
    strangers = {each for each in imported if each.partition(".")[0] not in sys.stdlib_module_names}
    assert all(each == "madang.ports" or each.startswith("madang.ports.") for each in strangers)


@pytest.mark.parametrize(("port", "method"), METHODS)
def test_every_method_of_a_port_is_documented(port: type, method: str) -> None:
    assert inspect.getdoc(vars(port)[method]), f"say what {port.__name__}.{method} answers and raises"


@pytest.mark.parametrize("port", [each for each in PROTOCOLS if each is not Provider], ids=lambda port: port.__name__)
def test_every_port_is_a_provider_and_states_its_capabilities(port: type) -> None:
    assert Provider in port.__mro__
    assert isinstance(vars(port)["capabilities"], property)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_every_value_is_frozen_and_has_slots(value: Any) -> None:
    assert value.__dataclass_params__.frozen
    assert "__slots__" in vars(value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_bodies_of_files_never_show_in_text(value: type) -> None:
    hints = typing.get_type_hints(value)
    shown = [each.name for each in dataclasses.fields(value) if each.repr and hints[each.name] in (bytes, bytes | None)]
    assert shown == []


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_tokens_and_codes_are_secrets(value: type) -> None:
    hints = typing.get_type_hints(value)
    tokens = [name for name in hints if name.endswith(("token", "verifier", "signing_key")) or name == "code"]
    assert all(hints[name] in (Secret, Secret | None) for name in tokens)


@pytest.mark.parametrize(
    "status",
    [each for each in CLASSES if issubclass(each, StrEnum) and each.__name__.endswith("Status")],
    ids=lambda status: status.__name__,
)
def test_every_remote_status_has_a_member_for_what_is_not_known(status: type[StrEnum]) -> None:
    assert {"pending", "accepted"} & {each.value for each in status}


def test_a_length_rule_weighs_as_the_platform_does() -> None:
    rule = LengthRule(
        280, default_weight=200, scale=100, ranges=(WeightRange(0, 4351, 100),), url_length=23, emoji=EmojiCounting.FIXED
    )
    assert [rule.weight_of(each) for each in "a가"] == [100, 200]
    assert sum(map(rule.weight_of, "마당 yard")) // rule.scale == 9
