"""Settings come from madang.toml and from variables, which win; what is wrong is named, and what is secret never shown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from madang.entrypoints.providers.routing import plugins_in_use
from madang.entrypoints.settings import Settings
from madang.ports.errors import Misconfigured
from madang.ports.provider import ProviderKind

SECRET = "test-key-not-secret-test-key-not-secret"


@pytest.fixture(autouse=True)
def _an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str) -> Settings:
    Path("madang.toml").write_text(text, encoding="utf-8")
    return Settings()


def with_variables(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_an_empty_folder_has_defaults_that_work_on_this_machine() -> None:
    settings = Settings()
    assert settings.products == ("portraits",)
    assert (settings.host, settings.port, settings.base_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert (settings.timezone, settings.environment) == ("Asia/Seoul", "development")
    assert settings.database_url is None
    assert settings.redis_url is None


def test_the_file_is_read_and_a_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("madang.toml").write_text('port = 9000\nhost = "::1"\n[limits]\norder = "3/minute"\n')
    settings = with_variables(monkeypatch, {"MADANG_PORT": "9100"})
    assert (settings.port, settings.host, settings.limits) == (9100, "::1", {"order": "3/minute"})


def test_what_the_code_gives_wins_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("madang.toml").write_text("port = 9000\n")
    monkeypatch.setenv("MADANG_PORT", "9100")
    assert Settings(port=9200).port == 9200


def test_a_route_by_variable_replaces_that_route_and_leaves_the_files_others(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("madang.toml").write_text('[routes]\nsms = ["solapi"]\npayment = ["toss", "paypal"]\n')
    settings = with_variables(monkeypatch, {"MADANG_ROUTES__SMS": '["sandbox", "solapi"]'})
    assert settings.routes["sms"] == ("sandbox", "solapi")
    assert settings.routes["payment"] == ("toss", "paypal")
    assert settings.routes["image_model"] == ()


def test_a_limit_by_variable_is_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("madang.toml").write_text('[limits]\norder = "3/minute"\naccess = "5/minute"\n')
    settings = with_variables(monkeypatch, {"MADANG_LIMITS__ORDER": "9/minute"})
    assert settings.limits == {"order": "9/minute", "access": "5/minute"}


def test_lists_by_variable_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"MADANG_CORS_ORIGINS": '["https://shop.example.com"]', "MADANG_TRUSTED_PROXIES": '["10.0.0.0/8", "::1"]'}
    settings = with_variables(monkeypatch, variables)
    assert settings.cors_origins == ("https://shop.example.com",)
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")


def test_every_kind_has_a_route_and_the_sandbox_is_in_none_unless_it_is_named() -> None:
    settings = Settings()
    assert settings.routes == {kind.value: (("local",) if kind is ProviderKind.STORAGE else ()) for kind in ProviderKind}
    assert plugins_in_use(settings.routes, settings.plugins) == {"local"}
    named = written('[routes]\nsms = ["sandbox"]\n')
    assert [kind for kind, names in named.routes.items() if "sandbox" in names] == ["sms"]


def test_a_storage_that_is_named_replaces_the_local_one() -> None:
    assert written('[routes]\nstorage = ["s3"]\n').routes["storage"] == ("s3",)


WRONG: dict[str, Any] = {
    "port": 0,
    "products": ["portraits", "portrait"],
    "base_url": "shop.example.com",
    "timezone": "Asia/Soul",
    "cors_origins": ["*"],
    "trusted_proxies": ["10.0.0.0/99"],
    "log_level": "loud",
    "log_format": "xml",
    "lease_seconds": 0,
    "sweep_seconds": -1,
    "short_concurrency": 0,
    "long_concurrency": 100_000,
    "database_pool": 1,
    "secret_key": "short",
    "older_secret_keys": ["short"],
    "strict_plugins": "perhaps",
    "routes": {"smss": ["sandbox"]},
    "limits": ["3/minute"],
    "plugins": {"sandbox": 3},
    "plugin_modules": 7,
    "database": "postgresql://x",
}


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_value_names_its_key(key: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        Settings(**{key: WRONG[key]})
    assert {problem["loc"][0] for problem in wrong.value.errors()} == {key}


def test_all_wrong_values_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as wrong:
        Settings(**WRONG)
    assert {problem["loc"][0] for problem in wrong.value.errors()} == set(WRONG)


@pytest.mark.parametrize(
    ("routes", "words"), [({"smss": ["a"]}, "no kind of provider smss"), ({"sms": ["a", "b", "a"]}, "named twice for sms")]
)
def test_a_wrong_route_says_what_is_wrong_with_it(routes: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings(routes=routes)


def test_a_file_that_is_no_toml_is_told_by_its_name() -> None:
    with pytest.raises(Misconfigured, match=r"madang\.toml is not TOML"):
        written("port = = 3")
    Path("madang.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"madang\.toml"):
        Settings()


def test_a_key_that_nobody_knows_in_the_file_is_named() -> None:
    with pytest.raises(ValidationError) as wrong:
        written("databas_url = 'x'\n")
    assert [problem["loc"] for problem in wrong.value.errors()] == [("databas_url",)]


def test_no_secret_shows_when_settings_are_printed() -> None:
    settings = Settings(
        secret_key=SECRET,
        older_secret_keys=[SECRET + "-older"],
        database_url="postgresql://someone:fake-password@127.0.0.1/madang",
        redis_url="redis://:fake-password@127.0.0.1/0",
        plugins={"acme": {"api_key": "fake-password"}},
    )
    shown = f"{settings!r} {settings} {settings.model_dump()['secret_key']}"
    assert "test-key" not in shown
    assert "fake-password" not in shown
    assert "base_url" in shown


def test_no_secret_shows_when_settings_are_refused() -> None:
    with pytest.raises(ValidationError) as wrong:
        Settings(
            secret_key="fake-password", plugins={"acme": "fake-password"}, redis_url=["fake-password"], port="fake-password"
        )
    assert "fake-password" not in str(wrong.value)
    assert "secret_key" in str(wrong.value)


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.port = 1


def test_a_base_address_has_no_slash_at_its_end() -> None:
    assert Settings(base_url="https://shop.example.com/").base_url == "https://shop.example.com"
