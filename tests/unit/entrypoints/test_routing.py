"""Routes: in their order, built when asked for, and an empty one says what to set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from madang.entrypoints.providers.routing import RoutedProviders, plugins_in_use
from madang.plugins.manager import PluginManager
from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports.errors import Misconfigured
from madang.ports.secret import Secret
from plugin_samples import EchoSms, giving, sms

ASKED: dict[str, Callable[[RoutedProviders], object]] = {
    "text_model": lambda providers: providers.text_models(),
    "image_model": lambda providers: providers.image_models(),
    "payment": lambda providers: providers.payment_gateways(),
    "sms": lambda providers: providers.sms_senders(),
    "storage": lambda providers: providers.storage(),
}


@pytest.fixture
def built() -> list[str]:
    return []


@pytest.fixture
def registry(tmp_path: Path, built: list[str]) -> PluginRegistry:
    """Two senders, and one that needs a setting which nobody gave."""

    def maker(name: str) -> Callable[[Any, Any], EchoSms]:
        def make(settings: Any, context: Any) -> EchoSms:
            built.append(name)
            return EchoSms(settings, context, name)

        return make

    plugin = giving(*(sms(name, factory=maker(name)) for name in ("first", "second")))
    manager = PluginManager(strict=True)
    manager.load("senders", "test", lambda: plugin)
    return PluginRegistry(manager, {}, Deployment("http://127.0.0.1", tmp_path, Secret("test-key-not-secret"), "test"), {})


@pytest.mark.parametrize("routes", [{}, {"text_model": (), "image_model": (), "payment": (), "sms": (), "storage": ()}])
@pytest.mark.parametrize("kind", ASKED)
def test_an_empty_route_is_misconfigured_and_names_the_key_and_the_variable(
    registry: PluginRegistry, kind: str, routes: dict[str, tuple[str, ...]]
) -> None:
    with pytest.raises(Misconfigured) as told:
        ASKED[kind](RoutedProviders(registry, routes))
    assert f"routes.{kind}" in told.value.message
    assert f"MADANG_ROUTES__{kind.upper()}" in told.value.message


def test_without_a_face_detector_there_is_none(registry: PluginRegistry) -> None:
    assert RoutedProviders(registry, {}).face_detector() is None


@pytest.mark.parametrize("route", [("first", "second"), ("second", "first"), ("second",)])
def test_the_order_of_the_route_is_kept(registry: PluginRegistry, route: tuple[str, ...]) -> None:
    assert [sender.name for sender in RoutedProviders(registry, {"sms": route}).sms_senders()] == list(route)


def test_a_provider_is_built_when_it_is_first_asked_for_and_once(registry: PluginRegistry, built: list[str]) -> None:
    providers = RoutedProviders(registry, {"sms": ("first", "second")})
    assert built == []
    assert providers.sms_sender("second") is providers.sms_senders()[1]
    assert sorted(built) == ["first", "second"]


def test_a_route_that_fails_over_goes_on_without_a_provider_that_cannot_be_built(registry: PluginRegistry) -> None:
    with structlog.testing.capture_logs() as lines:
        found = RoutedProviders(registry, {"sms": ("absent", "second")}).sms_senders()
    assert [sender.name for sender in found] == ["second"]
    assert [(line["log_level"], line["provider"]) for line in lines] == [("error", "absent")]


def test_a_payment_is_never_taken_elsewhere_because_a_gateway_cannot_be_built(registry: PluginRegistry) -> None:
    with pytest.raises(Misconfigured, match="absent"):
        RoutedProviders(registry, {"payment": ("absent", "second")}).payment_gateways()


def test_a_name_of_an_old_row_is_found_without_a_route(registry: PluginRegistry) -> None:
    assert RoutedProviders(registry, {}).sms_sender("first").name == "first"


def test_a_name_that_nobody_gives_is_misconfigured(registry: PluginRegistry) -> None:
    for asked in (
        lambda: RoutedProviders(registry, {"sms": ("frist",)}).sms_senders(),
        lambda: RoutedProviders(registry, {}).sms_sender("frist"),
    ):
        with pytest.raises(Misconfigured, match="frist"):
            asked()


def test_the_plugins_in_use_are_those_that_are_named_and_no_others() -> None:
    routes = {"sms": ("solapi", "sandbox"), "storage": ("local",), "payment": ()}
    assert plugins_in_use(routes, ["listener"]) == {"solapi", "sandbox", "local", "listener"}
    assert plugins_in_use({}, []) == frozenset()
