"""One child process: started, its output collected, started again when it dies, drained when it must stop."""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from madang.entrypoints.supervisor.gate import Gate
from madang.entrypoints.supervisor.lineage import for_child
from madang.entrypoints.supervisor.restarts import Restarts

logger = structlog.stdlib.get_logger("madang.supervisor")
CONFIGURED_WRONGLY = 2
"""The exit code by which a command says that trying again cannot help."""
_LINE_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run. `drain` is how many seconds it has to finish its work after SIGTERM: longer than the thirty that
    the API gives to running requests before it cuts them off in order."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    drain: float = 40.0
    most_deaths: int = 6


class ChildFailed(Exception):
    """The process dies again and again, or says itself that it cannot run as configured: a person must look."""


class Child:
    """`run` until `stop`; what it writes goes to `output(name, line)`."""

    def __init__(self, spec: ChildSpec, gate: Gate, output: Callable[[str, str], None]) -> None:
        self.spec = spec
        self._gate = gate
        self._output = output
        self._restarts = Restarts(most=spec.most_deaths)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._last_line = ""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def run(self) -> None:
        """Raises `ChildFailed` when it cannot be kept alive."""
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._once()
            if self._stopping.is_set():
                return
            if code == CONFIGURED_WRONGLY:
                raise ChildFailed(f"`madang {self.spec.name}` cannot run as configured: {self._last_line}")
            delay = self._restarts.delay_after(time.monotonic() - started)
            if delay is None:
                times = f"died {self._restarts.deaths} times in a row, the last time with exit code {code}"
                raise ChildFailed(f"`madang {self.spec.name}` {times}: {self._last_line}")
            logger.warning("child died, starting it again", child=self.spec.name, exit_code=code, delay=delay)
            await self._pause(delay)

    async def stop(self) -> None:
        """SIGTERM, time to drain, then SIGKILL."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.spec.drain):
                await process.wait()
        except TimeoutError:
            logger.error("child did not drain in time and is killed", child=self.spec.name, seconds=self.spec.drain)
            with suppress(ProcessLookupError):  # it has ended just now
                process.kill()
            await process.wait()

    def kill(self) -> None:
        """At once, without draining: what it had in hand is due again when its leases end."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _once(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            *self.spec.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=for_child({**self.spec.environment, **self._gate.variables()}),
            pass_fds=self._gate.descriptors(),
            start_new_session=True,
            limit=_LINE_LIMIT,
        )
        if self._stopping.is_set():  # whoever told it to stop found no process yet
            self._process.kill()
        if self._process.stdout is not None:
            await self._collect(self._process.stdout)
        return await self._process.wait()

    async def _collect(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                continue  # a line beyond the limit is dropped, the next ones are not
            if not line:
                return
            text = line.decode(errors="replace").rstrip("\n")
            self._last_line = text.removeprefix("madang: ")
            self._output(self.spec.name, text)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
