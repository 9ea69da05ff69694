"""A plugin says which contract it was built for, and runs, runs through a shim, or is refused."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from madang.plugins import Declaration, ProviderDeclaration
from madang.plugins.contract import SHIMS
from madang.plugins.manager import PluginManager
from madang.ports import CONTRACT_VERSION
from plugin_samples import plugin, sms


def speaking(contract: object) -> Any:
    def register_providers(register: Callable[[object], None]) -> None:
        register(sms())

    return plugin(contract, register_providers=register_providers)


def rename(declaration: Declaration) -> Declaration:
    assert isinstance(declaration, ProviderDeclaration)
    return replace(declaration, summary="through the shim")


def load(declared: object, contract: str = CONTRACT_VERSION, **shims: Any) -> PluginManager:
    manager = PluginManager(contract=contract, shims=shims.get("shims", SHIMS))
    manager.load("acme", "test", lambda: speaking(declared))
    return manager


@pytest.mark.parametrize("declared", [None, "1.0"])
def test_a_plugin_for_this_contract_runs_without_a_word(declared: object) -> None:
    (loaded,) = load(declared).plugins
    assert loaded.warning == ""


def test_a_plugin_for_the_previous_major_runs_through_a_shim_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        (loaded,) = load("1.4", "2.0", shims={1: rename}).plugins

    (declaration,) = loaded.declarations
    assert isinstance(declaration, ProviderDeclaration)
    assert declaration.summary == "through the shim"
    assert "plugin acme (test): it is built for contract 1.4 and runs through a shim to 2.0" in caplog.text


def test_a_plugin_that_says_nothing_was_built_for_the_first_contract() -> None:
    assert load(None, "2.0", shims={1: rename}).plugins[0].warning != ""
    assert load(None, "3.0", shims={2: rename}).plugins == ()


def test_a_plugin_of_the_drafts_before_the_first_contract_still_runs() -> None:
    assert "runs through a shim to 1.0" in load("0.9").plugins[0].warning


@pytest.mark.parametrize(
    ("declared", "spoken", "reason"),
    [
        ("1.0", "3.0", "it is built for contract 1.0, which is too old for 3.0: update the plugin"),
        ("2.0", "1.0", "it is built for contract 2.0, this Madang speaks 1.0: update Madang"),
        ("one", "1.0", "MADANG_CONTRACT is 'one', and must be a string like \"1.0\""),
        (1.0, "1.0", 'MADANG_CONTRACT is 1.0, and must be a string like "1.0"'),
    ],
)
def test_any_other_plugin_is_refused_with_a_sentence(declared: object, spoken: str, reason: str) -> None:
    manager = load(declared, spoken, shims={2: rename})
    assert manager.plugins == ()
    assert [each.reason for each in manager.setbacks] == [reason]


def test_a_plugin_for_a_newer_minor_runs_and_its_operator_is_told() -> None:
    assert load("1.7").plugins[0].warning == "it is built for contract 1.7, this Madang speaks 1.0: what is newer is not used"
