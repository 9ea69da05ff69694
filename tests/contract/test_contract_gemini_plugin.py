"""Which SDK the Gemini plugin speaks through, what it is told, and what it shows of that."""

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from madang.adapters.gemini.capabilities import TEXT, as_configured
from madang.adapters.gemini.settings import GENAI, LEGACY, GeminiSettings, sdk_of
from madang.adapters.gemini.speaking import speaker_of
from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports.errors import MissingExtra
from madang.ports.provider import ProviderKind
from madang.ports.secret import Secret

KEY = Secret("test-key-not-secret")
PLUGIN = "madang.plugins.builtin.gemini"


@pytest.fixture
def only_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Of everything within `google`, these packages alone are there."""

    def install(*names: str) -> None:
        namespace = ModuleType("google")
        namespace.__path__ = [str(tmp_path / "google")]
        namespace.__spec__ = ModuleSpec("google", None, is_package=True)
        namespace.__spec__.submodule_search_locations = namespace.__path__
        monkeypatch.setitem(sys.modules, "google", namespace)
        for name in names:
            (tmp_path / "google" / name).mkdir(parents=True)
            (tmp_path / "google" / name / "__init__.py").write_text("raise RuntimeError('nobody imports this')")

    return install


def registry(tmp_path: Path, **settings: Any) -> PluginRegistry:
    deployment = Deployment("http://127.0.0.1:8000", tmp_path, Secret("the-deployments-master-key"), "test")
    given = {"gemini": {"api_key": "test-key-not-secret", **settings}}
    return PluginRegistry.load(given, deployment, variables={}, modules=[PLUGIN], entry_points=False)


@pytest.mark.parametrize(
    ("installed", "sdk"),
    [(("genai",), GENAI), (("generativeai",), LEGACY), (("genai", "generativeai"), GENAI), ((), GENAI)],
)
def test_the_newer_sdk_is_spoken_through_unless_only_the_old_one_is_there(
    only_installed: Callable[..., None], installed: tuple[str, ...], sdk: str
) -> None:
    only_installed(*installed)
    assert sdk_of(GeminiSettings(KEY)) == sdk
    assert as_configured(GeminiSettings(KEY)).seed is (sdk == GENAI)
    for chosen in (GENAI, LEGACY):
        assert sdk_of(GeminiSettings(KEY, sdk=chosen)) == chosen


@pytest.mark.parametrize(
    ("installed", "texts", "pictures"),
    [(("genai",), True, True), (("generativeai",), True, False), ((), False, False)],
)
def test_either_sdk_will_do_for_texts_and_only_the_newer_for_pictures(
    only_installed: Callable[..., None], tmp_path: Path, installed: tuple[str, ...], texts: bool, pictures: bool
) -> None:
    only_installed(*installed)
    reports = {report.kind: report for report in registry(tmp_path).report()}
    assert reports[ProviderKind.TEXT_MODEL].configured is texts
    assert reports[ProviderKind.IMAGE_MODEL].configured is pictures
    for report in reports.values():
        assert report.configured or report.why == 'install it with: pip install "madang[gemini]"'


@pytest.mark.parametrize(("sdk", "extra"), [(GENAI, "gemini"), (LEGACY, "gemini-legacy")])
def test_an_sdk_that_was_chosen_and_is_not_there_names_its_extra(
    only_installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch, sdk: str, extra: str
) -> None:
    imported = ("google.", "madang.adapters.gemini.legacy", "madang.adapters.gemini.genai")
    for module in [each for each in sys.modules if each.startswith(imported)]:
        monkeypatch.delitem(sys.modules, module)
    only_installed()
    with pytest.raises(MissingExtra) as missing:
        speaker_of(GeminiSettings(KEY, sdk=sdk))
    assert missing.value.extra == extra


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": "http://gemini.example"}, "base_url"),
        ({"base_url": "https://user:pass@gemini.example"}, "base_url"),
        ({"base_url": "https://gemini.example/?key=1"}, "base_url"),
        ({"base_url": "gemini.example"}, "base_url"),
        ({"api_key": "two\nlines"}, "api_key"),
        ({"model": "../../v1/files"}, "model"),
        ({"image_model": "a b"}, "image_model"),
        ({"sdk": "openai"}, "google-generativeai"),
        ({"thinking_tokens": -1}, "thinking_tokens"),
        ({"keep_pictures": 1.0}, "keep_pictures"),
        ({"modle": "x"}, "model"),
    ],
)
def test_a_wrong_setting_is_told_by_its_name_and_without_the_key(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    problems = registry(tmp_path, **settings).problems()
    assert problems
    told = " ".join(map(str, problems))
    assert message in told
    assert "test-key-not-secret" not in told
    assert "two" not in told


def test_models_may_be_named_with_their_collection_and_other_hosts_on_loopback_need_no_tls() -> None:
    for base_url in ("http://127.0.0.1:9", "http://localhost:9/mirror", "http://[::1]:9", "https://proxy.example/gemini"):
        assert GeminiSettings(KEY, model="tunedModels/mine-1", image_model="models/x", base_url=base_url).base_url == base_url


def test_the_settings_show_no_key_and_the_capabilities_are_the_declared_ones(tmp_path: Path) -> None:
    settings = GeminiSettings(KEY, proxy=Secret("http://user:pass@127.0.0.1:9"))
    assert "test-key-not-secret" not in repr(settings)
    assert "pass" not in repr(settings)
    [declared] = [each for each in registry(tmp_path).declarations(ProviderKind.TEXT_MODEL) if each.name == "gemini"]
    assert declared.capabilities == TEXT == as_configured(settings)
