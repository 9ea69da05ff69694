"""A plugin's settings come from the file and the environment, and whatever is wrong is told at once, by key and variable."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.plugins.manager import PluginManager
from madang.plugins.registry import Deployment, PluginRegistry
from madang.plugins.settings import resolve, variable_of
from madang.ports.errors import Misconfigured
from madang.ports.provider import ProviderKind
from madang.ports.secret import Secret
from plugin_samples import EchoSms, giving, sms

Registries = Callable[..., PluginRegistry]


@dataclass(frozen=True)
class Acme:
    api_key: Secret
    account: str
    port: int = 443
    ratio: float = 1.0
    tls: bool = True
    senders: tuple[str, ...] = ()
    proxy: str | None = None
    token: Secret | None = None


@dataclass(frozen=True)
class Free:
    latency: float = 0.0


@dataclass(frozen=True)
class Judging:
    api_key: Secret

    def __post_init__(self) -> None:
        raise ValueError(f"the key {self.api_key.reveal()} has the wrong form")


@dataclass(frozen=True)
class KeyUnlessLocal:
    api_key: Secret | None = None
    local: bool = False

    def __post_init__(self) -> None:
        if self.api_key is None and not self.local:
            raise ValueError("api_key is required unless local")


def test_values_come_from_the_file_and_the_environment_wins() -> None:
    outcome = resolve(
        "acme",
        Acme,
        {"api_key": "test-key", "account": "from the file", "port": 80, "senders": ["one"]},
        {"MADANG_ACME_ACCOUNT": "from the environment", "MADANG_ACME_RATIO": "0.5", "MADANG_ACME_TLS": "false"},
    )
    assert outcome.value == Acme(Secret("test-key"), "from the environment", 80, 0.5, False, ("one",))
    assert outcome.why_not == ""


@pytest.mark.parametrize(("text", "senders"), [("one", ("one",)), ("one, two", ("one", "two")), ('["a,b", "c"]', ("a,b", "c"))])
def test_several_values_in_a_variable_are_words_between_commas_or_json(text: str, senders: tuple[str, ...]) -> None:
    outcome = resolve("acme", Acme, {"api_key": "k", "account": "a"}, {"MADANG_ACME_SENDERS": text})
    assert isinstance(outcome.value, Acme)
    assert outcome.value.senders == senders


def test_an_empty_variable_counts_as_not_set() -> None:
    outcome = resolve("acme", Acme, {"api_key": "", "account": "a", "port": 1}, {"MADANG_ACME_PORT": ""})
    assert [each.key for each in outcome.missing] == ["plugins.acme.api_key"]


def test_everything_that_is_wrong_is_told_at_once_by_key_and_variable() -> None:
    outcome = resolve(
        "acme",
        Acme,
        {"api_key": 12, "account": "a", "port": "many", "acount": "b"},
        {"MADANG_ACME_RATIO": "half", "MADANG_ACME_SENDRES": "x", "MADANG_OTHER_KEY": "y"},
    )
    assert {str(each) for each in outcome.problems} == {
        "plugins.acme.api_key (MADANG_ACME_API_KEY): Expected `str`, got `int`",
        "plugins.acme.port (MADANG_ACME_PORT): Expected `int`, got `str`",
        "plugins.acme.ratio (MADANG_ACME_RATIO): Expected `float`, got `str`",
        "plugins.acme.acount (MADANG_ACME_ACOUNT): there is no such setting (did you mean 'account'?)",
        "plugins.acme.sendres (MADANG_ACME_SENDRES): there is no such setting (did you mean 'senders'?)",
    }


def test_a_missing_required_setting_is_no_problem_but_the_plugin_is_not_configured(registry_of: Registries) -> None:
    registry = registry_of(acme=giving(sms("acme", Acme)))
    (report,) = registry.report()

    assert registry.problems() == ()
    assert not report.configured
    assert report.why == "needs plugins.acme.api_key (MADANG_ACME_API_KEY), plugins.acme.account (MADANG_ACME_ACCOUNT)"
    with pytest.raises(Misconfigured, match="MADANG_ACME_API_KEY"):
        registry.build(ProviderKind.SMS, "acme")


def test_a_key_that_only_some_deployments_need_is_missing_where_nothing_is_set_and_wrong_where_something_is() -> None:
    unset = resolve("acme", KeyUnlessLocal, {}, {})
    assert unset.problems == ()
    assert unset.why_not == "needs plugins.acme (MADANG_ACME_*): api_key is required unless local"
    assert resolve("acme", KeyUnlessLocal, {"local": False}, {}).problems
    assert resolve("acme", KeyUnlessLocal, {"local": True}, {}).value == KeyUnlessLocal(local=True)


def test_a_plugins_own_complaint_does_not_show_its_secret() -> None:
    outcome = resolve("acme", Judging, {"api_key": "test-key-not-secret"}, {})
    assert outcome.why_not == "plugins.acme (MADANG_ACME_*): the key ********** has the wrong form"


def test_variables_of_the_deployment_itself_are_nobodys_mistake(deployment: Deployment) -> None:
    manager = PluginManager()
    manager.load("data", "test", lambda: giving(sms("data", Free)))
    variables = {"MADANG_DATA_DIR": "/srv", "MADANG_DATA_LATENCY": "0.5"}

    assert PluginRegistry(manager, {}, deployment, variables, reserved=["data_dir"]).problems() == ()
    assert len(PluginRegistry(manager, {}, deployment, variables).problems()) == 1


def test_a_variable_belongs_to_the_longest_name_that_it_begins_with(registry_of: Registries) -> None:
    registry = registry_of(
        variables={"MADANG_ACME_PAY_LATENCY": "0.5"}, acme=giving(sms("acme", Free)), pay=giving(sms("acme_pay", Free))
    )
    assert registry.problems() == ()
    built = registry.build(ProviderKind.SMS, "acme_pay")
    assert isinstance(built, EchoSms)
    assert built.settings == Free(0.5)


def test_a_section_of_no_plugin_is_named_with_the_one_that_was_probably_meant(registry_of: Registries) -> None:
    registry = registry_of(settings={"acne": {"latency": 1}}, acme=giving(sms("acme", Free)))
    assert [str(each) for each in registry.problems()] == [
        "plugins.acne (MADANG_ACNE_*): there is no plugin of that name (did you mean 'acme'?)"
    ]


def test_a_strict_registry_raises_all_problems_of_all_plugins_at_once(deployment: Deployment) -> None:
    settings: dict[str, dict[str, Any]] = {"acme": {}, "sandbox": {"latencey": 1, "seed": "x"}, "local": {"rot": "y"}}
    with pytest.raises(Misconfigured) as raised:
        PluginRegistry.load(settings, deployment, variables={}, strict=True)
    for key in ("plugins.acme ", "plugins.sandbox.latencey", "plugins.sandbox.seed", "plugins.local.rot"):
        assert key in str(raised.value)


@given(port=st.integers(-(2**40), 2**40), ratio=st.floats(allow_nan=False, allow_infinity=False), tls=st.booleans())
def test_a_number_means_the_same_in_the_file_and_in_the_environment(port: int, ratio: float, tls: bool) -> None:
    required: dict[str, Any] = {"api_key": "k", "account": "a"}
    values = {"port": port, "ratio": ratio, "tls": tls}
    variables = {variable_of("acme", key): str(value).lower() for key, value in values.items()}

    assert resolve("acme", Acme, required | values, {}).value == resolve("acme", Acme, required, variables).value
