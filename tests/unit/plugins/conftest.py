"""Registries of made plugins, and real packages installed into a folder of the test."""

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from madang.plugins.manager import PluginManager
from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports.secret import Secret


def _itself(plugin: object) -> object:
    return plugin


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment("http://127.0.0.1:8000/", tmp_path / "data", Secret("test-key-not-secret"), "test")


@pytest.fixture
def manager() -> PluginManager:
    return PluginManager(load_seconds=5)


@pytest.fixture
def registry_of(deployment: Deployment) -> Callable[..., PluginRegistry]:
    """A registry of these plugins by name, with settings and variables."""

    def make(
        settings: Mapping[str, Any] | None = None, variables: Mapping[str, str] | None = None, **plugins: Any
    ) -> PluginRegistry:
        manager = PluginManager(strict=True)
        for name, each in plugins.items():
            manager.load(name, "test", partial(_itself, each))
        return PluginRegistry(manager, settings or {}, deployment, variables or {})

    return make


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install a distribution for this test: its files by path, and its entry points."""
    site = tmp_path / "site"
    before = set(sys.modules)

    def install_distribution(name: str, files: Mapping[str, str], entry_points: Mapping[str, str]) -> Path:
        for path, text in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text, encoding="utf-8")
        info = site / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = [f"{key} = {value}" for key, value in entry_points.items()]
        (info / "entry_points.txt").write_text("[madang]\n" + "\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(site)
        return site

    yield install_distribution
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "") or "").startswith(str(site)):
            del sys.modules[module]
