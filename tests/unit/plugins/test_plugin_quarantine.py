"""A broken plugin is set aside as a whole and named with its reason; the rest runs."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from madang.plugins import CommandDeclaration, HttpMount, JobDeclaration, ListenerDeclaration, ProviderDeclaration, hookimpl
from madang.plugins.inspection import RegistrationError
from madang.plugins.manager import PluginManager
from madang.ports.email import EmailCapabilities
from madang.ports.errors import Misconfigured
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsCapabilities
from plugin_samples import EchoSms, giving, plugin, sms


@dataclass
class Thawed:
    key: str = ""


@dataclass(frozen=True)
class One:
    pay_key: str = ""


@dataclass(frozen=True)
class Two:
    key: str = ""


@dataclass(frozen=True)
class Unreadable:
    key: "NoSuchType"  # type: ignore[name-defined]  # noqa: F821  that is what the test is about


async def _async_factory(settings: Any, context: Any) -> Any: ...


def _fail(register: Callable[[object], None]) -> None:
    register(sms("first"))
    raise RuntimeError("half way")


def _swallow(register: Callable[[object], None]) -> None:
    register(sms("first"))
    try:
        register("garbage")
    except RegistrationError:
        return


class Asynchronous:
    @hookimpl
    async def register_providers(self, register: Any) -> None: ...


class WrongArguments:
    @hookimpl
    def register_providers(self, register: Any, settings: Any) -> None: ...


class Misspelt:
    @hookimpl
    def register_provider(self, register: Any) -> None: ...


def _exit() -> object:
    raise SystemExit(3)


def _missing() -> object:
    raise ModuleNotFoundError("No module named 'acme_sdk'")


def load(manager: PluginManager, name: str, each: object) -> None:
    manager.load(name, "test", each if callable(each) and each in (_exit, _missing) else lambda: each)


def registering(hook: str, declaration: object) -> Any:
    return plugin(**{hook: lambda register: register(declaration)})


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (_missing, "ModuleNotFoundError: No module named 'acme_sdk'"),
        (_exit, "it wanted to end the process"),
        (object(), "it implements no hook of Madang"),
        (None, "it implements no hook of Madang"),
        (Asynchronous(), "its hook register_providers is async"),
        (WrongArguments(), "settings"),
        (Misspelt(), "register_provider"),
        (plugin(register_providers=_fail), "RuntimeError: half way"),
        (plugin(register_providers=_swallow), "register_providers takes ProviderDeclaration, not str"),
        (giving(None), "register_providers takes ProviderDeclaration, not NoneType"),
        (giving(sms(), sms()), "it registers sms 'echo' twice"),
        (giving(sms("Echo!")), "'Echo!': a provider's name is lower-case"),
        (giving(sms(settings=Thawed)), "settings Thawed must be frozen"),
        (giving(sms(settings=dict)), "settings must be a frozen dataclass or None"),
        (giving(sms(settings=Unreadable)), "the types of Unreadable cannot be read"),
        (giving(sms(factory="EchoSms")), "factory must be callable"),
        (giving(sms(factory=_async_factory)), "factory must be synchronous"),
        (giving(sms(requires="httpx")), "requires must be a tuple"),
        (giving(ProviderDeclaration("sms", "echo", None, SmsCapabilities(), EchoSms)), "kind is a ProviderKind"),  # type: ignore[arg-type]
        (
            giving(ProviderDeclaration(ProviderKind.SMS, "echo", None, EmailCapabilities(), EchoSms)),
            "sms 'echo': capabilities must be a SmsCapabilities",
        ),
        (registering("register_http", sms()), "register_http takes HttpMount, not ProviderDeclaration"),
        (registering("register_http", HttpMount("acme/", EchoSms)), "a mount's path starts with a slash"),  # type: ignore[arg-type]
        (registering("register_http", HttpMount("/api/v1/acme", EchoSms)), "/api belongs to Madang itself"),  # type: ignore[arg-type]
        (registering("register_commands", CommandDeclaration("Acme", "", "a:b")), "a command's name"),
        (registering("register_commands", CommandDeclaration("acme", "", "a.b")), "a command's target"),
        (registering("register_commands", CommandDeclaration("up", "", "a:b")), "the name 'up' belongs to Madang itself"),
        (registering("register_listeners", ListenerDeclaration("paid", "tell", EchoSms)), "an event's name"),  # type: ignore[arg-type]
        (registering("register_jobs", JobDeclaration("pull", timedelta(0), EchoSms)), "every is a timedelta of a second"),  # type: ignore[arg-type]
    ],
)
def test_a_broken_plugin_is_set_aside_as_a_whole_and_the_rest_runs(
    broken: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    manager = PluginManager(reserved=["up"])
    with caplog.at_level(logging.WARNING):
        load(manager, "broken", broken)
        load(manager, "sound", giving(sms("sound")))

    assert [each.name for each in manager.plugins] == ["sound"]
    (setback,) = manager.setbacks
    assert setback.name == "broken"
    assert reason in setback.reason
    assert "broken" in caplog.text
    assert reason in caplog.text


def test_a_plugin_that_hangs_is_given_up_and_what_it_registers_later_is_refused() -> None:
    release, refused = threading.Event(), threading.Event()

    def hang(register: Callable[[object], None]) -> None:
        register(sms("early"))
        release.wait(60)
        try:
            register(sms("late"))
        except RegistrationError:
            refused.set()

    manager = PluginManager(load_seconds=2)
    load(manager, "slow", plugin(register_providers=hang))
    load(manager, "sound", giving(sms("sound")))
    release.set()

    assert refused.wait(60)
    assert [each.name for each in manager.plugins] == ["sound"]
    assert manager.setbacks[0].reason == "it was still loading after 2 s"


@pytest.mark.parametrize(
    ("intruder", "reason"),
    [
        (giving(sms("echo")), "sms 'echo' is registered already by plugin 'first'"),
        (registering("register_http", HttpMount("/acme", EchoSms)), "/acme is registered already by plugin 'first'"),  # type: ignore[arg-type]
        (registering("register_http", HttpMount("/b", EchoSms, name="echo")), "the name 'echo' belongs to plugin 'first'"),  # type: ignore[arg-type]
        (giving(sms("echo_pay", Two)), "the variable MADANG_ECHO_PAY_KEY would set 'echo_pay' and 'echo' of plugin 'first'"),
    ],
)
def test_what_one_plugin_has_no_other_takes(intruder: object, reason: str, manager: PluginManager) -> None:
    def first(register: Callable[[object], None]) -> None:
        register(sms("echo", One))

    mount = HttpMount("/acme", EchoSms, One)  # type: ignore[arg-type]
    load(manager, "first", plugin(register_providers=first, register_http=lambda register: register(mount)))
    load(manager, "intruder", intruder)

    assert [each.reason for each in manager.setbacks] == [reason]


def test_one_name_has_one_settings_type(manager: PluginManager) -> None:
    mount = HttpMount("/acme", EchoSms, Two)  # type: ignore[arg-type]
    load(
        manager,
        "acme",
        plugin(register_providers=lambda register: register(sms("acme", One)), register_http=lambda register: register(mount)),
    )
    assert manager.setbacks[0].reason == "'acme' has one settings type, and it declares two"


def test_a_mount_of_a_plugin_with_several_names_must_say_whose_settings_it_reads(manager: PluginManager) -> None:
    hooks = {
        "register_providers": lambda register: [register(each) for each in (sms("a"), sms("b"))],
        "register_http": lambda register: register(HttpMount("/acme", EchoSms)),  # type: ignore[arg-type]
    }
    load(manager, "acme", plugin(**hooks))
    assert "must say whose settings it reads" in manager.setbacks[0].reason


def test_a_strict_manager_raises_where_another_would_set_aside() -> None:
    with pytest.raises(Misconfigured, match=r"plugin broken \(test\): RuntimeError: half way"):
        load(PluginManager(strict=True), "broken", plugin(register_providers=_fail))


def test_two_managers_share_nothing() -> None:
    first, second = PluginManager(), PluginManager()
    load(first, "echo", giving(sms()))
    assert second.plugins == ()
