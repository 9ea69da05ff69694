"""Every hook: what comes through it, and that it is tested and documented."""

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from madang.plugins import (
    CommandDeclaration,
    HttpMount,
    JobDeclaration,
    ListenerDeclaration,
    PluginEvent,
    hookspecs,
)
from madang.plugins.inspection import HOOKS
from madang.plugins.registry import PluginRegistry
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderKind
from plugin_samples import EchoSms, plugin, sms

GUIDE = Path(__file__).parents[3] / "docs" / "plugins.md"
SPECS = {name: each for name, each in inspect.getmembers(hookspecs, inspect.isfunction) if hasattr(each, "madang_spec")}

Registries = Callable[..., PluginRegistry]


def test_register_providers_gives_a_provider_by_kind_and_name(registry_of: Registries) -> None:
    registry = registry_of(echo=plugin(register_providers=lambda register: register(sms(summary="Echo"))))

    assert [each.name for each in registry.declarations(ProviderKind.SMS)] == ["echo"]
    assert isinstance(registry.build(ProviderKind.SMS, "echo"), EchoSms)


def test_register_http_gives_an_application_with_its_path(registry_of: Registries) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    made_with: list[ProviderContext] = []

    def make(settings: object, context: ProviderContext) -> Any:
        made_with.append(context)
        return app

    registry = registry_of(acme=plugin(register_http=lambda register: register(HttpMount("/acme", make))))

    assert [(each.path, each.app, each.name) for each in registry.mounts()] == [("/acme", app, "acme")]
    assert registry.mounts(names=["another"]) == ()
    assert made_with[0].base_url == "http://127.0.0.1:8000"


def test_register_commands_gives_a_command_that_is_imported_when_it_is_resolved(registry_of: Registries) -> None:
    command = CommandDeclaration("acme", "Talk to Acme.", "a_module_that_is_not_there:command")
    registry = registry_of(acme=plugin(register_commands=lambda register: register(command)))

    assert registry.commands() == (command,)
    with pytest.raises(ModuleNotFoundError):
        registry.commands()[0].resolve()
    assert CommandDeclaration("acme", "", "json:dumps").resolve()(1) == "1"


async def test_register_listeners_gives_a_callable_for_an_event(registry_of: Registries) -> None:
    heard: list[PluginEvent] = []

    def make(settings: object, context: ProviderContext) -> Any:
        async def hear(event: PluginEvent) -> None:
            heard.append(event)

        return hear

    declaration = ListenerDeclaration("billing.payment_changed", "tell", make)
    (listener,) = registry_of(acme=plugin(register_listeners=lambda register: register(declaration))).listeners()
    event = PluginEvent("1", "billing.payment_changed", "payment:1")
    await listener.call(event)

    assert (listener.name, listener.event, heard) == ("acme.tell", "billing.payment_changed", [event])


async def test_register_jobs_gives_a_callable_with_its_interval(registry_of: Registries) -> None:
    runs: list[str] = []

    def make(settings: object, context: ProviderContext) -> Any:
        async def run() -> None:
            runs.append(context.environment)

        return run

    declaration = JobDeclaration("pull", timedelta(minutes=5), make)
    (job,) = registry_of(acme=plugin(register_jobs=lambda register: register(declaration))).jobs()
    await job.call()

    assert (job.name, job.every, runs) == ("acme.pull", timedelta(minutes=5), ["test"])


def test_there_are_no_hooks_but_the_five() -> None:
    assert set(SPECS) == set(HOOKS)


@pytest.mark.parametrize("hook", sorted(SPECS))
def test_each_hook_is_synchronous_and_only_takes_register(hook: str) -> None:
    assert not inspect.iscoroutinefunction(SPECS[hook])
    assert list(inspect.signature(SPECS[hook]).parameters) == ["register"]


@pytest.mark.parametrize("hook", sorted(SPECS))
def test_each_hook_has_a_test(hook: str) -> None:
    assert any(name.startswith(f"test_{hook}_") for name in dir(sys.modules[__name__])), f"write test_{hook}_… in this module"


@pytest.mark.parametrize("hook", sorted(SPECS))
def test_each_hook_has_a_heading_in_the_guide_with_the_same_arguments(hook: str) -> None:
    arguments = ", ".join(inspect.signature(SPECS[hook]).parameters)
    assert f"### {hook}({arguments})\n" in GUIDE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("hook", "declared"), sorted(HOOKS.items()))
def test_the_guide_names_the_fields_of_each_declaration_in_order(hook: str, declared: type) -> None:
    section = GUIDE.read_text(encoding="utf-8").partition(f"### {hook}(")[2].partition("\n#")[0]
    match = re.search(rf"{declared.__name__}\(([^)]*)\)", section)
    assert match is not None
    assert re.split(r",\s*", match[1]) == [each.name for each in fields(declared)]


def test_the_guide_has_no_heading_for_a_hook_that_is_gone() -> None:
    assert set(re.findall(r"^### (register_\w+)\(", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)) == set(SPECS)
