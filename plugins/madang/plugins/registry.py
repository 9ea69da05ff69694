"""Declarations by kind and name, with their settings: what is there, whether it is configured and why not, and the built providers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from madang.plugins.declarations import AsgiApp, CommandDeclaration, ProviderDeclaration
from madang.ports.provider import Provider, ProviderKind
from madang.ports.secret import Secret


@dataclass(frozen=True, slots=True)
class Deployment:
    """What every plugin's `ProviderContext` is made of. `master_key` never reaches a plugin: each gets a key derived for it."""

    base_url: str
    data_dir: Path
    master_key: Secret
    environment: str = "development"


class PluginState(StrEnum):
    READY = "ready"
    NOT_CONFIGURED = "not_configured"
    QUARANTINED = "quarantined"
    NOT_ALLOWED = "not_allowed"


@dataclass(frozen=True, slots=True)
class PluginReport:
    """One line of `madang plugins list`: a provider (with its kind), or a plugin that gave none (kind None) and why."""

    name: str
    kind: ProviderKind | None
    capabilities: object | None
    configured: bool
    why: str = ""
    summary: str = ""
    plugin: str = ""
    origin: str = ""
    state: PluginState = PluginState.READY


@dataclass(frozen=True, slots=True)
class MountedApp:
    """An application to mount at `path` in the API process."""

    path: str
    app: AsgiApp
    name: str


class PluginRegistry:
    """Surface only for now; the behaviour follows in the next commit."""

    @classmethod
    def load(
        cls,
        settings: Mapping[str, Mapping[str, Any]],
        deployment: Deployment,
        *,
        variables: Mapping[str, str] | None = None,
        modules: Sequence[str] = (),
        allowed: Collection[str] | None = None,
        strict: bool = False,
        entry_points: bool = True,
        reserved: Collection[str] = (),
    ) -> "PluginRegistry":
        raise NotImplementedError

    def declarations(self, kind: ProviderKind) -> Sequence[ProviderDeclaration]:
        raise NotImplementedError

    def build(self, kind: ProviderKind, name: str) -> Provider:
        raise NotImplementedError

    def mounts(self, names: Collection[str] | None = None) -> Sequence[MountedApp]:
        raise NotImplementedError

    def commands(self) -> Sequence[CommandDeclaration]:
        raise NotImplementedError

    def report(self) -> Sequence[PluginReport]:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
