"""The registry builds each provider once, says what is missing, and closes what it built."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from madang.plugins import HttpMount
from madang.plugins.manager import PluginManager
from madang.plugins.registry import Deployment, PluginRegistry, PluginState, derive_key
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, MissingExtra, Unavailable
from madang.ports.provider import Provider, ProviderKind
from madang.ports.secret import Secret
from plugin_samples import EchoSms, giving, plugin, sms

Registries = Callable[..., PluginRegistry]


def _needs_a_module(settings: Any, context: ProviderContext) -> Provider:
    import acme_sdk_that_is_not_there  # type: ignore[import-not-found]

    return acme_sdk_that_is_not_there.Sms()  # type: ignore[no-any-return]


def _leaks(settings: Any, context: ProviderContext) -> Provider:
    raise RuntimeError("test-key-not-secret")


def _is_down(settings: Any, context: ProviderContext) -> Provider:
    raise Unavailable("down")


def _lacks_a_module_of_ours(settings: Any, context: ProviderContext) -> Provider:
    raise ModuleNotFoundError("No module named 'madang.adapters.acme'", name="madang.adapters.acme")


class Half:
    name = "echo"

    async def close(self) -> None: ...


def test_a_provider_is_built_once_with_its_context(registry_of: Registries, deployment: Deployment) -> None:
    registry = registry_of(echo=giving(sms()))
    built = registry.build(ProviderKind.SMS, "echo")

    assert built is registry.build(ProviderKind.SMS, "echo")
    assert isinstance(built, EchoSms)
    assert built.context.base_url == "http://127.0.0.1:8000"
    assert built.context.environment == "test"
    assert built.context.data_dir.is_dir()


def test_each_plugin_has_a_signing_key_of_its_own_that_every_process_derives_alike() -> None:
    master = Secret("test-key-not-secret")
    assert derive_key(master, "a") == derive_key(master, "a")
    assert len({derive_key(master, "a"), derive_key(master, "b"), derive_key(Secret("other"), "a"), master}) == 4


def test_nothing_is_built_before_it_is_asked_for(registry_of: Registries) -> None:
    registry = registry_of(echo=giving(sms(factory=_leaks)))
    assert registry.report()[0].configured


@pytest.mark.parametrize(
    ("declaration", "error", "message"),
    [
        (sms(factory=_needs_a_module, extra="acme"), MissingExtra, r'install it with: pip install "madang\[acme\]"'),
        (sms(factory=_needs_a_module), Misconfigured, "the module acme_sdk_that_is_not_there is not installed"),
        (sms(requires=("no_such_sdk",), extra="acme"), MissingExtra, r"madang\[acme\]"),
        (sms(factory=_lacks_a_module_of_ours, extra="acme"), Misconfigured, "its factory failed with ModuleNotFoundError"),
        (sms(factory=_leaks), Misconfigured, "its factory failed with RuntimeError"),
        (sms(factory=_is_down), Unavailable, "down"),
        (
            sms(factory=lambda settings, context: None),
            Misconfigured,
            "its sms provider lacks capabilities, check, close, fetch",
        ),
        (sms(factory=lambda settings, context: Half()), Misconfigured, "lacks capabilities, check, fetch, find, send"),
        (sms(factory=lambda settings, context: _close_me()), Misconfigured, "its factory is async"),
    ],
)
def test_a_provider_that_cannot_be_built_says_why_and_shows_no_secret(
    registry_of: Registries, declaration: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        registry_of(echo=giving(declaration)).build(ProviderKind.SMS, "echo")
    assert "test-key-not-secret" not in str(raised.value)


async def _close_me() -> None: ...


def test_a_name_that_no_plugin_gives_is_refused_with_the_one_that_was_probably_meant(registry_of: Registries) -> None:
    with pytest.raises(Misconfigured, match=r"no plugin gives sms 'ecko' \(did you mean 'echo'\?\)"):
        registry_of(echo=giving(sms())).build(ProviderKind.SMS, "ecko")


def test_a_plugin_that_was_set_aside_is_refused_with_the_reason(deployment: Deployment) -> None:
    manager = PluginManager()
    manager.load("broken", "test", object)
    registry = PluginRegistry(manager, {"broken": {"key": "x"}}, deployment, {})

    with pytest.raises(Misconfigured, match="plugin broken does not run: it implements no hook"):
        registry.build(ProviderKind.SMS, "broken")
    assert registry.problems() == ()
    (report,) = registry.report()
    assert (report.name, report.kind, report.state, report.configured) == ("broken", None, PluginState.QUARANTINED, False)


def test_a_missing_sdk_is_reported_without_importing_anything(registry_of: Registries) -> None:
    before = set(sys.modules)
    (report,) = registry_of(echo=giving(sms(requires=("no_such_sdk",), extra="acme"))).report()

    assert (report.configured, report.state) == (False, PluginState.NOT_CONFIGURED)
    assert report.why == 'install it with: pip install "madang[acme]"'
    assert "no_such_sdk" not in set(sys.modules) - before


@pytest.mark.parametrize(
    ("requires", "is_there"),
    [
        (("wsgiref.simple_server",), True),
        (("wsgiref.no_such_module",), False),
        (("no_such_sdk.client",), False),
        (("json.no_such.module",), False),
        (("no_such_sdk | wsgiref.simple_server",), True),
        (("no_such_sdk|wsgiref.no_such_module",), False),
        (("wsgiref", "no_such_sdk"), False),
        (("google.genai | google.generativeai",), True),
    ],
)
def test_an_sdk_is_looked_for_within_its_package_and_one_of_several_will_do(
    registry_of: Registries, requires: tuple[str, ...], is_there: bool
) -> None:
    before = set(sys.modules)
    (report,) = registry_of(echo=giving(sms(requires=requires))).report()
    assert report.configured is is_there
    assert not {"wsgiref", "wsgiref.simple_server", "google.genai", "google.generativeai"} & (set(sys.modules) - before)


def test_a_mount_that_cannot_be_built_is_left_out(registry_of: Registries) -> None:
    mount = HttpMount("/acme", _leaks)  # type: ignore[arg-type]
    registry = registry_of(acme=plugin(register_http=lambda register: register(mount)))
    assert registry.mounts() == ()


async def test_closing_closes_each_built_provider_once_and_a_failing_one_keeps_no_other_open(registry_of: Registries) -> None:
    class Stuck(EchoSms):
        async def close(self) -> None:
            raise RuntimeError("it is stuck")

    registry = registry_of(echo=giving(sms()), stuck=giving(sms("stuck", factory=Stuck)), idle=giving(sms("idle")))
    echo = registry.build(ProviderKind.SMS, "echo")
    registry.build(ProviderKind.SMS, "stuck")
    await registry.close()
    await registry.close()

    assert isinstance(echo, EchoSms)
    assert echo.closed == 1
