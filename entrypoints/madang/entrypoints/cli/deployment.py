"""The deployment that a command works on: its settings, logs, registry and container."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from madang.entrypoints.container import Container
    from madang.entrypoints.settings import Settings
    from madang.plugins.registry import PluginRegistry

T = TypeVar("T")


class CliError(Exception):
    """A command cannot do what was asked; the message is one sentence with what to do."""


def load_settings() -> "Settings":
    """Of this folder and environment. Raises pydantic's `ValidationError`, which is told by key and variable."""
    from madang.entrypoints.settings import Settings

    return Settings()


def require_database(settings: "Settings") -> str:
    """The address of the database, also of the embedded one that `madang up` runs in this folder at this moment."""
    if settings.database_url:
        return str(settings.database_url)
    from madang.adapters.embedded.postgres_server import EmbeddedPostgres

    server = EmbeddedPostgres(settings.data_dir)
    if not server.is_running:
        raise CliError(f"no database: `madang up` does not run in {settings.data_dir}, and MADANG_DATABASE_URL is not set")
    return server.url()


def require_redis(settings: "Settings") -> str:
    """The address of Redis, also of the embedded Valkey."""
    if settings.redis_url:
        return str(settings.redis_url)
    from madang.adapters.embedded.valkey_server import EmbeddedValkey

    server = EmbeddedValkey(settings.data_dir)
    if not server.is_running:
        raise CliError(f"no Redis: `madang up` does not run in {settings.data_dir}, and MADANG_REDIS_URL is not set")
    return server.url()


def connected_settings() -> "Settings":
    """The settings with the addresses of the embedded servers filled in. Raises `CliError` when neither is there."""
    settings = load_settings()
    return settings.model_copy(update={"database_url": require_database(settings), "redis_url": require_redis(settings)})


@asynccontextmanager
async def deployment() -> AsyncIterator["Container"]:
    """The container of this folder's deployment, for a command that looks or mends."""
    from madang.entrypoints.container import open_container
    from madang.entrypoints.logs import configure_logs

    settings = connected_settings()
    configure_logs(level="warning", log_format=settings.log_format, process="cli")
    async with open_container(settings) as container:
        yield container


def on_deployment(work: "Callable[[Container], Awaitable[T]]") -> T:
    """Open the container, do the work, close it."""

    async def run() -> T:
        async with deployment() as container:
            return await work(container)

    return asyncio.run(run())


def load_registry(reserved_commands: Collection[str] = ()) -> "PluginRegistry":
    """The plugins of this deployment, without any connection."""
    from madang.entrypoints.container import load_plugins

    return load_plugins(load_settings(), reserved=reserved_commands)
