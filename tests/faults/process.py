"""What a process of a fault test does: what `madang serve`, `worker` or `relay` does, on a test's composition.

It is forked from a server that has imported everything already (`multiprocessing`'s fork server): a process of its own with
its own connections, there in a twentieth of the time that a new interpreter needs.
"""

import asyncio
import importlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Literal

import uvloop

from madang.entrypoints.http.serve import run_http
from madang.entrypoints.logs import configure_logs
from madang.entrypoints.worker import run_relay, run_worker

Role = Literal["api", "worker", "relay"]

_COMMANDS = ("main", "doctor", "examination", "jobs", "keys", "redrive", "plugins", "database", "openapi", "users")
FORKS: Final = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "pytest",
        "uvloop",
        "PIL.WebPImagePlugin",
        "madang.entrypoints.container",
        "madang.entrypoints.http.serve",
        "madang.entrypoints.worker",
        *(
            f"madang.entrypoints.cli.{name}"
            for name in ("main", "doctor", "examination", "jobs", "keys", "redrive", "plugins", "database", "openapi", "users")
        ),
        "madang.adapters.postgres.migrations",
        "sqlalchemy.dialects.postgresql.asyncpg",
        "faults.preloaded",
        "madang.adapters.local.storage",
        "madang.plugins.builtin.sandbox",
        *(f"madang.adapters.sandbox.{port}" for port in ("image_model", "pages", "payment", "sms", "text_model")),
    ]
)
_WORK: Final[Mapping[Role, Callable[[Any, asyncio.Event], Awaitable[None]]]] = {
    "api": run_http,
    "worker": run_worker,
    "relay": run_relay,
}


def live(role: Role, composition: str, environment: Mapping[str, str], log: Path, ready: "Connection[str, str]") -> None:
    """Until it is asked to stop, or killed. Says so on `ready` once it has been composed and begins to work."""
    os.environ.update(environment)
    os.chdir(log.parent)
    _speak_into(log)
    configure_logs(level="info", log_format="json", process=role)
    logging.getLogger("arq").setLevel(logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(role, composition, ready))


async def _work(role: Role, composition: str, ready: "Connection[str, str]") -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    module, _, function = composition.partition(":")
    compose: Any = getattr(importlib.import_module(module), function)
    async with compose() as container:
        ready.send(role)
        await _WORK[role](container, stop)


def _speak_into(log: Path) -> None:
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(written, stream)
    os.close(written)
