"""The supervisor: servers, migrations, API, relay and worker, from nothing to ready, and back to nothing.

Order of starting: PostgreSQL, Valkey, preparation (migrations, starting catalogue), then API, relay and worker at once; these
load their code meanwhile.
Order of stopping: the API takes no more, the relay wakes nobody, the worker drains; then Valkey, then PostgreSQL.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from madang.adapters.embedded.ownership import OwnerLock
from madang.core.kernel.cancellation import end_tasks
from madang.entrypoints.supervisor.addresses import is_taken
from madang.entrypoints.supervisor.children import Child, ChildSpec
from madang.entrypoints.supervisor.first_run import make_data_folder
from madang.entrypoints.supervisor.gate import Gate
from madang.entrypoints.supervisor.lineage import for_child
from madang.entrypoints.supervisor.readiness import ask
from madang.entrypoints.supervisor.servers import Servers

logger = structlog.stdlib.get_logger("madang.supervisor")
COMMAND = (sys.executable, "-m", "madang.entrypoints.cli")
_READY_EVERY = 0.1
_READY_WITHIN = 60.0


class CannotStart(Exception):
    """The deployment cannot be started here and now; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the supervisor must know of the settings.

    `children` are names of commands, in the order of stopping; one that dies `most_deaths` times in a row ends everything.
    """

    data_dir: Path
    host: str
    port: int
    base_url: str
    database_url: str | None = None
    redis_url: str | None = None
    children: Sequence[str] = ("serve", "relay", "worker")
    command: Sequence[str] = COMMAND
    most_deaths: int = 6
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class Supervisor:
    """`run` from start to stop.

    `tell` hears what happens, in words; `output` hears the children's lines; `ready` is called once, with the pids by name.
    """

    def __init__(
        self,
        deployment: Deployment,
        *,
        tell: Callable[[str], None],
        output: Callable[[str, str], None],
        ready: Callable[[Mapping[str, int | None]], None],
    ) -> None:
        self._deployment = deployment
        self._tell = tell
        self._output = output
        self._ready = ready
        self._servers = Servers(deployment.data_dir, database_url=deployment.database_url, redis_url=deployment.redis_url)
        self._children: list[Child] = []
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises `CannotStart`, `ChildFailed` or `EmbeddedServerError`, with everything stopped."""
        lock = self._take_the_folder()
        self._listen_to_signals()
        try:
            await self._start_and_watch()
        finally:
            self._stop_servers()
            lock.release()

    def _take_the_folder(self) -> OwnerLock:
        lock = OwnerLock(self._deployment.data_dir / "supervisor.lock")
        try:
            make_data_folder(self._deployment.data_dir)
            is_ours = lock.acquire()
        except OSError as error:
            raise CannotStart(
                f"the data folder {self._deployment.data_dir} cannot be written to ({error.strerror}): "
                "give this user the folder, or choose another with MADANG_DATA_DIR"
            ) from error
        if not is_ours:
            raise CannotStart(
                f"madang runs in {self._deployment.data_dir} already (process {lock.holder()}): "
                "stop it first, or set MADANG_DATA_DIR and MADANG_PORT for a second one"
            )
        if is_taken(self._deployment.host, self._deployment.port):
            lock.release()
            raise CannotStart(
                f"port {self._deployment.port} on {self._deployment.host} is taken by another program: "
                "choose another with MADANG_PORT"
            )
        return lock

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _start_and_watch(self) -> None:
        database_url, redis_url = await self._servers.start(self._tell, self._stop)
        environment = {
            **self._deployment.environment,
            "MADANG_DATABASE_URL": database_url,
            "MADANG_REDIS_URL": redis_url,
            "MADANG_DATA_DIR": str(self._deployment.data_dir.absolute()),
        }
        gate = Gate()
        try:
            if not self._stop.is_set():
                await self._run_children(environment, gate)
        finally:
            gate.open()

    async def _run_children(self, environment: Mapping[str, str], gate: Gate) -> None:
        command = self._deployment.command
        specs = [
            ChildSpec(name, (*command, name), environment, most_deaths=self._deployment.most_deaths)
            for name in self._deployment.children
        ]
        self._children = [Child(spec, gate, self._output) for spec in specs]
        tasks = [asyncio.create_task(self._prepare(environment, gate), name="prepare")]
        tasks += [asyncio.create_task(child.run(), name=child.spec.name) for child in self._children]
        tasks += [asyncio.create_task(watched.watch(), name=watched.name) for watched in self._servers.watched]
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await _first_failure_or(stopping, tasks)
        finally:
            await self._stop_children()
            await end_tasks(*tasks, stopping)

    async def _prepare(self, environment: Mapping[str, str], gate: Gate) -> None:
        """Migrate in a process of its own (what that needs stays out of this one's memory), then let the children go on."""
        self._tell("migrating the database")
        process = await asyncio.create_subprocess_exec(
            *self._deployment.command,
            "prepare",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=for_child(environment),
            start_new_session=True,
        )
        try:
            said, _ = await process.communicate()
        finally:
            await _end(process)
        lines = said.decode(errors="replace").strip().splitlines()
        if process.returncode != 0:
            reason = lines[-1].removeprefix("madang: ") if lines else f"exit code {process.returncode}"
            raise CannotStart(f"the database could not be prepared: {reason}")
        for line in lines:
            self._output("prepare", line)
        gate.open()
        await self._say_when_ready()

    async def _say_when_ready(self) -> None:
        self._tell("starting API, relay and worker")
        deadline = asyncio.get_running_loop().time() + _READY_WITHIN
        complained = False
        while not (answer := await ask(self._deployment.host, self._deployment.port)).ready:
            if not complained and asyncio.get_running_loop().time() > deadline:
                logger.error("still not ready", seconds=_READY_WITHIN, detail=answer.detail)
                complained = True
            await asyncio.sleep(_READY_EVERY)
        pids: dict[str, int | None] = {watched.name: watched.server.pid for watched in self._servers.watched}
        self._ready({**pids, **{child.spec.name: child.pid for child in self._children}})

    async def _stop_children(self) -> None:
        """One after another; a second signal does not wait for anybody."""
        for child in self._children:
            stopping = asyncio.create_task(child.stop())
            hurry = asyncio.create_task(self._hurry.wait())
            await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
            if self._hurry.is_set():
                child.kill()
            await stopping
            hurry.cancel()

    def _stop_servers(self) -> None:
        if self._servers.watched:
            self._tell("stopping the servers")
        self._servers.stop()


async def _first_failure_or(stopping: asyncio.Task[Any], tasks: Sequence[asyncio.Task[Any]]) -> None:
    pending = {stopping, *tasks}
    while not stopping.done():
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task is not stopping and (error := task.exception()) is not None:
                raise error


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()
