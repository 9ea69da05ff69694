"""The examples of the guide for operators with real providers, loaded as a deployment would load them."""

import re
from pathlib import Path

import pytest

from madang.entrypoints.container import load_plugins
from madang.entrypoints.settings import FILE, Settings
from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports.provider import ProviderKind
from madang.ports.secret import Secret
from source_tree import ROOT

GUIDE = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^```toml\n(?P<file>.*?)^```\n(?P<after>.*?)(?=^```|\Z)", re.MULTILINE | re.DOTALL)
SETS = {"openai": ("openai", "replicate", "s3", "solapi"), "gemini": ("gemini", "gemini", "r2", "twilio")}


def example(text_model: str) -> tuple[str, list[str]]:
    """The file, and the variables that are exported below it."""
    [section] = re.findall(r"^## With real providers\n(.*?)(?=^## )", GUIDE, re.MULTILINE | re.DOTALL)
    [found] = [each for each in EXAMPLE.finditer(section) if f'text_model = ["{text_model}"]' in each["file"]]
    return found["file"], re.findall(r"^    export (\w+)=…$", found["after"], re.MULTILINE)


@pytest.mark.parametrize("text_model", SETS)
def test_the_example_and_its_variables_configure_every_provider_that_it_names(
    text_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, variables = example(text_model)
    (tmp_path / FILE).write_text(file, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for variable in variables:
        monkeypatch.setenv(variable, "test-key-not-secret-test-key-not-secret")
    settings = Settings()
    kinds = (ProviderKind.TEXT_MODEL, ProviderKind.IMAGE_MODEL, ProviderKind.STORAGE, ProviderKind.SMS)
    assert tuple(settings.routes[kind] for kind in kinds) == tuple((name,) for name in SETS[text_model])
    registry = load_plugins(settings)
    assert registry.problems() == ()
    configured = {(report.kind, report.name) for report in registry.report() if report.configured}
    assert {(kind, name) for kind in ProviderKind for name in settings.routes[kind]} <= configured


@pytest.mark.parametrize("text_model", SETS)
def test_each_variable_of_the_example_is_needed(text_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, variables = example(text_model)
    (tmp_path / FILE).write_text(file, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    keys = {name: "test-key-not-secret" for name in variables if name != "MADANG_SECRET_KEY"}
    for name in keys:
        others = {other: key for other, key in keys.items() if other != name}
        registry = PluginRegistry.load(Settings().plugins, deployment(tmp_path), variables=others)
        aside = {report.name for report in registry.report() if report.name in SETS[text_model] and not report.configured}
        assert aside == {name.split("_")[1].lower()}


def deployment(folder: Path) -> Deployment:
    return Deployment("https://portraits.example.com", folder, Secret("test-key-not-secret-test-key-not-secret"))
