"""Running the `madang` program itself, in processes of its own, as an operator does."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from faults.process import FORKS
from madang.entrypoints.cli.main import main
from madang.entrypoints.supervisor.addresses import free_port

COMMAND = (sys.executable, "-m", "madang.entrypoints.cli")
Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""`run("doctor", "--json", folder=…, MADANG_…=…)`: one command, to its end."""


def clean_environment(**changes: str) -> Mapping[str, str]:
    """This process's environment without anybody's deployment in it."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}, **changes}


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    """Not any more, when it ends while it is looked at."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Up:
    """A `madang up` in a folder, with what it wrote."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.environment = clean_environment(MADANG_PORT=str(self.port), **environment)
        self._log = folder / "up.log"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "up"], cwd=folder, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of its children."""
        whole = self.output.rpartition("\n")[0]  # the last one may still be written
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def until(self, happened: Callable[[], object], seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert self.process.poll() is None, self.output[-3000:]
            assert time.monotonic() < deadline, self.output[-3000:]
            time.sleep(0.05)

    def is_ready(self) -> bool:
        return self.status("/health/ready") == 200

    def status(self, path: str, **headers: str) -> int | None:
        try:
            return httpx.get(self.base_url + path, headers=headers, timeout=60, trust_env=False).status_code
        except httpx.HTTPError:
            return None

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, command: str) -> psutil.Process | None:
        """The child that runs `madang <command>`."""
        return next((process for process in alive(self.family()) if _runs(process, command)), None)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(150)


def run_command(*arguments: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """One command in that folder, to its end, in a process of its own that is forked with everything imported already."""
    with tempfile.TemporaryDirectory() as written:
        said = Path(written, "stdout"), Path(written, "stderr")
        process = FORKS.Process(target=_command, args=(arguments, folder, dict(clean_environment(**environment)), said))
        process.start()
        try:
            process.join(120)
            assert process.exitcode is not None, f"madang {arguments} runs for more than two minutes"
            output, errors = (path.read_text() for path in said)
            return subprocess.CompletedProcess(arguments, process.exitcode, output, errors)
        finally:
            process.kill()
            process.join()
            process.close()


def _command(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], said: Sequence[Path]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["madang", *arguments]
    for stream, path in zip((1, 2), said, strict=True):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(opened, stream)
        os.close(opened)
    main()


def _runs(process: psutil.Process, command: str) -> bool:
    """Not any more, when it ends while it is looked at."""
    try:
        return process.cmdline()[-1:] == [command]
    except psutil.NoSuchProcess:
        return False
