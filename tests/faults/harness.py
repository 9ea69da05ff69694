"""Real processes for the fault tests: start a worker or a relay of a given composition, kill it, and wait for the end.

A composition is named `module:function`. The function takes no arguments, reads the process's environment and returns an async
context manager of a container (what `madang.entrypoints.worker.run_worker` takes). To kill at a boundary, it wraps its outbox
and its providers (`faults.boundaries`).
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import asyncpg

from faults.boundaries import DIE_AT, NOTES

TESTS = Path(__file__).parent.parent
READY = "ready"
PATIENCE = 60.0

Role = Literal["worker", "relay"]


@dataclass
class Running:
    """A process; leaving the block kills it if it still runs. `log` holds what it said."""

    role: Role
    composition: str
    environment: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _reader: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "faults.process",
                self.role,
                self.composition,
                env={**os.environ, "PYTHONPATH": str(TESTS), **self.environment},
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()
        if self._reader is not None:
            await self._reader

    async def ready(self) -> None:
        """Until it has been composed and begins to work (or has died)."""
        async with asyncio.timeout(PATIENCE):
            await self._ready.wait()

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Ask it to end in order; its exit code."""
        return await self._end(signal.SIGTERM)

    async def died(self) -> int:
        """Until it has ended by itself; `-9` for a process that killed itself."""
        assert self.process is not None
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.decode().strip() == READY:
                self._ready.set()
        self._ready.set()


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

    def worker(self, *, die_at: int = 0, **environment: str) -> Running:
        return self._process("worker", {**environment, DIE_AT: str(die_at)})

    def relay(self, **environment: str) -> Running:
        return self._process("relay", environment)

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
