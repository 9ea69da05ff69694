"""A deployment for the length of one demonstration, in a folder that is thrown away."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from madang.entrypoints.cli.deployment import CliError
from madang.entrypoints.supervisor.addresses import free_port
from madang.entrypoints.supervisor.first_run import CONFIGURATION, SANDBOX_CONFIGURATION
from madang.entrypoints.supervisor.lineage import for_child
from madang.entrypoints.supervisor.readiness import ask
from madang.entrypoints.supervisor.supervisor import COMMAND

_READY_WITHIN = 90.0
_STOPPED_WITHIN = 45.0


@dataclass(frozen=True, slots=True)
class OwnStack:
    """A running deployment: where it is served, and the command line for it."""

    base_url: str
    folder: Path = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)

    async def command(self, *words: str) -> None:
        """Run `madang WORDS`. Raises `CliError` with what it said when it fails."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *words,
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise CliError(f"madang {' '.join(words)}: {said.decode(errors='replace').strip()}")


@asynccontextmanager
async def own_stack(
    log: Path, tell: Callable[[str], None], providers: Mapping[str, str] | None = None
) -> AsyncIterator[OwnStack]:
    """A `madang up` that uses no setting of this folder or environment: the sandbox stands for everything, or what the
    variables in `providers` say."""
    folder = Path(tempfile.mkdtemp(prefix="madang-demo-"))
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    try:
        if providers is None:
            (folder / CONFIGURATION).write_text(SANDBOX_CONFIGURATION, encoding="utf-8")
        environment = for_child({**_environment(port, base_url), **(providers or {})})
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                "up",
                cwd=folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            await _until_ready(process, port, log, tell)
            yield OwnStack(base_url, folder, environment)
        finally:
            await _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(port: int, base_url: str) -> dict[str, str]:
    """Nothing of the caller's deployment gets in by itself: the demonstration must not order from a real provider unasked."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}
    return {**inherited, "MADANG_PORT": str(port), "MADANG_BASE_URL": base_url, "MADANG_LOG_FORMAT": "json"}


async def _until_ready(process: asyncio.subprocess.Process, port: int, log: Path, tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    answer = await ask("127.0.0.1", port)
    while not answer.ready:
        if process.returncode is not None:
            raise CliError(f"the demonstration's own deployment did not start; its log: {log}")
        if time.monotonic() > deadline:
            raise CliError(f"the demonstration's own deployment is not ready: {json.dumps(answer.detail)}; its log: {log}")
        tell(_last_step(log))
        await asyncio.sleep(0.1)
        answer = await ask("127.0.0.1", port)


def _last_step(log: Path) -> str:
    """What the supervisor said last, without the children's JSON lines."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.endswith("…")]
    return lines[-1].rstrip(" …") if lines else "starting"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOPPED_WITHIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
