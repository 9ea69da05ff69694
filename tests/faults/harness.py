"""Real processes for the fault tests: start an API, a worker or a relay of a given composition, kill it, wait for its end.

A composition is named `module:function`. The function takes no arguments, reads the process's environment and returns an async
context manager of a container (what `madang.entrypoints.worker.run_worker` takes). To kill at a boundary, it wraps its outbox
and its providers (`faults.boundaries`).
"""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import psutil

from faults.boundaries import DIE_AT, NOTES
from faults.process import FORKS, Role, live

PATIENCE = 150.0
"""Seconds, also on a machine that does much else: below what a test may take, so that what was waited for is told."""
_LOOK_EVERY = 0.02


@dataclass
class Running:
    """A process; leaving the block kills it if it still runs. `log` holds what it said."""

    role: Role
    composition: str
    environment: Mapping[str, str]
    log: Path
    _process: ForkServerProcess | None = None
    _readiness: Any = None

    async def __aenter__(self) -> Self:
        self._readiness, ready = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(
            target=live, args=(self.role, self.composition, dict(self.environment), self.log, ready), daemon=True
        )
        self._process.start()
        ready.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()
        self.process.close()
        self._readiness.close()

    @property
    def process(self) -> ForkServerProcess:
        assert self._process is not None
        return self._process

    async def ready(self) -> None:
        """Until it has been composed and begins to work (or has died)."""
        async with asyncio.timeout(PATIENCE):
            while not self._readiness.poll():
                await asyncio.sleep(_LOOK_EVERY)

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Ask it to end in order; its exit code."""
        return await self._end(signal.SIGTERM)

    async def died(self) -> int:
        """Until it has ended by itself; `-9` for a process that killed itself."""
        async with asyncio.timeout(PATIENCE):
            while self.process.is_alive():
                await asyncio.sleep(_LOOK_EVERY)
        assert self.process.exitcode is not None
        return self.process.exitcode

    async def stopped(self) -> None:
        """Until it has stopped itself at a boundary."""
        async with asyncio.timeout(PATIENCE):
            while psutil.Process(self.process.pid).status() != psutil.STATUS_STOPPED:
                await asyncio.sleep(_LOOK_EVERY)

    def go_on(self) -> None:
        """Wake a process that stopped itself at a boundary."""
        self._send(signal.SIGCONT)

    async def _end(self, number: signal.Signals) -> int:
        if self.process.is_alive():
            self._send(number)
        return await self.died()

    def _send(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)


@dataclass(frozen=True)
class Deployment:
    """One database, one Redis, one composition; `environment` is what its processes see besides."""

    composition: str
    database_url: str
    redis_url: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> Path:
        return self.folder / "boundaries.txt"

    def worker(self, *, die_at: int | str = 0, **environment: str) -> Running:
        return self._process("worker", {**environment, DIE_AT: str(die_at)})

    def relay(self, **environment: str) -> Running:
        return self._process("relay", environment)

    def api(self, **environment: str) -> Running:
        return self._process("api", environment)

    def _process(self, role: Role, environment: Mapping[str, str]) -> Running:
        ours = {"MADANG_DATABASE_URL": self.database_url, "MADANG_REDIS_URL": self.redis_url, NOTES: str(self.notes)}
        return Running(role, self.composition, {**ours, **self.environment, **environment}, self.folder / f"{role}.log")

    async def until_empty(self, *, seconds: float = PATIENCE, patient_until: str | None = None) -> None:
        """Until no message waits or is leased; those due later than `patient_until` (an interval) from now do not count."""
        await until(
            self.database_url,
            "SELECT NOT EXISTS (SELECT 1 FROM messages WHERE state IN ('waiting', 'leased')"
            " AND ($1::text IS NULL OR due_at < now() + $1::text::interval))",
            patient_until,
            seconds=seconds,
        )


async def until(database_url: str, question: str, *values: object, seconds: float = PATIENCE) -> None:
    """Until the database answers the question with true, through restarts of the database."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = await asyncpg.connect(database_url, timeout=5)
            try:
                while not await connection.fetchval(question, *values):
                    if time.monotonic() > deadline:
                        raise AssertionError(f"not true within {seconds:g} s: {question}")
                    await asyncio.sleep(0.02)
                return
            finally:
                connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
