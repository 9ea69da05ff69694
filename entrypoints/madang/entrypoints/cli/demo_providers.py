"""Providers of an operator's own for a demonstration, in the place of the sandbox; only its checkout stays."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, cast

from madang.entrypoints.cli.deployment import CliError

if TYPE_CHECKING:
    from madang.entrypoints.settings import Settings
    from madang.plugins.registry import PluginRegistry
    from madang.ports.storage import Storage

SANDBOX: Final = "sandbox"
_OF_PROVIDERS: Final = ("routes", "routing", "plugins", "plugin_modules", "plugins_allowed")
_NEEDED: Final = ("text_model", "image_model", "storage", "sms")
_PREFIX: Final = "MADANG_"


@dataclass(frozen=True, slots=True)
class ChosenProviders:
    """`environment` is all that a process of the demonstration hears of them."""

    settings: "Settings" = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)

    @property
    def routes(self) -> Mapping[str, Sequence[str]]:
        return self.settings.routes

    @property
    def sends_sms(self) -> bool:
        """Whether an SMS may leave this machine."""
        return any(name != SANDBOX for name in self.routes["sms"])

    async def forget(self, portrait_id: str) -> int:
        """Delete the portrait's files: the deployment that would purge them is gone. Returns how many there were. Raises
        `CliError` when some stay, and the storage's own errors."""
        from madang.ports.provider import ProviderKind

        [name, *_] = self.routes["storage"]
        if name == "local":
            return 0
        with TemporaryDirectory(prefix="madang-demo-") as folder:
            registry = _registry(self.settings, self.environment, Path(folder))
            try:
                storage = cast("Storage", registry.build(ProviderKind.STORAGE, name))
                return await _emptied(storage, f"portraits/{portrait_id}/")
            finally:
                await registry.close()


async def _emptied(storage: "Storage", prefix: str) -> int:
    keys = [each.key for each in (await storage.list(prefix)).objects]
    if keys and (await storage.delete_many(keys)).failed:
        raise CliError(f"not all files could be deleted: look into {storage.name} under {prefix}")
    return len(keys)


def chosen_providers(path: Path) -> ChosenProviders:
    """Those of a `madang.toml` and of this environment. Nothing else of either gets in: no database, no master key.

    Raises `CliError` for a route that the demonstration cannot go, and pydantic's `ValidationError`.
    """
    settings = _read(path)
    environment = {**_plugins_variables(settings), **_variables(settings)}
    _check(settings, _registry(settings, environment, settings.data_dir), path)
    return ChosenProviders(settings, environment)


def _read(path: Path) -> "Settings":
    from pydantic_settings import SettingsConfigDict

    from madang.entrypoints.settings import Settings

    class Named(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    return Named()


def _variables(settings: "Settings") -> Mapping[str, str]:
    told = settings.model_dump(mode="json", include=set(_OF_PROVIDERS), exclude_none=True)
    return {f"{_PREFIX}{name}".upper(): json.dumps(value) for name, value in told.items()}


def _plugins_variables(settings: "Settings") -> Mapping[str, str]:
    """`MADANG_<NAME>_<KEY>`: what is no setting of the deployment itself."""
    own = type(settings).model_fields
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX).lower().partition("__")[0] not in own
    }


def _registry(settings: "Settings", environment: Mapping[str, str], data_dir: Path) -> "PluginRegistry":
    from madang.plugins.registry import Deployment, PluginRegistry
    from madang.ports.secret import Secret

    return PluginRegistry.load(
        settings.plugins,
        Deployment(settings.base_url, data_dir, Secret(token_urlsafe(32))),
        variables=environment,
        modules=settings.plugin_modules,
        allowed=settings.plugins_allowed,
        reserved=list(type(settings).model_fields),
    )


def _check(settings: "Settings", registry: "PluginRegistry", path: Path) -> None:
    if settings.routes["payment"] != (SANDBOX,):
        raise CliError(f"the demonstration pays at the sandbox's checkout: set routes.payment to {[SANDBOX]} in {path}")
    if empty := [kind for kind in _NEEDED if not settings.routes[kind]]:
        raise CliError(f"{path} names no provider for {', '.join(empty)}")
    reports = {(str(report.kind), report.name): report for report in registry.report() if report.kind}
    for place in ((kind, name) for kind, names in settings.routes.items() for name in names):
        report = reports.get(place)
        if report is None or not report.configured:
            raise CliError(f"{' '.join(place)}: {report.why if report else 'there is no such plugin'}")
