"""The supervisor with stand-ins for API, relay and worker, on real servers: what it starts, revives, stops and refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.entrypoints.supervisor.addresses import free_port
from madang.entrypoints.supervisor.restarts import LONGEST_DELAY, Restarts
from operator_shell import alive

_CHILD = """
import http.server, os, pathlib, signal, sys, time
from madang.entrypoints.supervisor.lineage import end_with_parent
from madang.entrypoints.supervisor.gate import pass_gate
end_with_parent()
name, notes = sys.argv[1], pathlib.Path(os.environ["NOTES"])
def note(what):
    with notes.open("a") as file:
        file.write(f"{name} {what} {os.getpid()}\\n")
def stop(*_):
    note("draining")
    time.sleep(float(os.environ.get("DRAIN", "0")) if name == "worker" else 0)
    note("stopped")
    os._exit(0)
if name != "prepare":
    pass_gate()
signal.signal(signal.SIGTERM, stop)
note("started")
print(f"{name} says hello", flush=True)
if name == os.environ.get("BROKEN"):
    sys.exit(int(os.environ.get("CODE", "3")))
if name == "prepare":
    assert os.environ["MADANG_DATABASE_URL"] and os.environ["MADANG_REDIS_URL"]
    sys.exit(0)
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *_): pass
if name == "serve":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Ready).serve_forever()
while True:
    time.sleep(1)
"""

_SUPERVISOR = """
import asyncio, json, os, pathlib, sys
from madang.entrypoints.logs import configure_logs
from madang.entrypoints.supervisor.supervisor import Deployment, Supervisor
configure_logs(log_format="json", stream=open(os.devnull, "w"))
folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
deployment = Deployment(folder, "127.0.0.1", port, f"http://127.0.0.1:{port}", most_deaths=3,
                        command=(sys.executable, sys.argv[3]))
def say(kind, *words):
    print(json.dumps([kind, *words]), flush=True)
supervisor = Supervisor(deployment, tell=lambda what: say("tell", what), output=lambda *line: say("line", *line),
                        ready=lambda pids: say("ready", dict(pids)))
try:
    asyncio.run(supervisor.run())
except Exception as error:
    say("error", type(error).__name__, str(error))
    sys.exit(1)
"""


class Supervised:
    """A supervisor in a process of its own, and what it says."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.notes = folder / "notes.txt"
        self.said: list[list[object]] = []
        child = folder / "child.py"
        child.write_text(_CHILD)
        port = environment.pop("PORT", str(free_port()))
        command = [sys.executable, "-c", _SUPERVISOR, str(folder / "data"), port, str(child)]
        variables = {**os.environ, "NOTES": str(self.notes), "PORT": port, **environment}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.said.append(json.loads(line))

    def heard(self, kind: str) -> list[object] | None:
        return next((words for words in self.said if words[0] == kind), None)

    def until(self, happened: Callable[[], object], seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, f"it did not happen; said: {self.said}"
            time.sleep(0.02)

    def until_ready(self) -> dict[str, int]:
        self.until(lambda: self.heard("ready") or self.process.poll() is not None)
        ready = self.heard("ready")
        assert ready is not None, self.said
        pids = ready[1]
        assert isinstance(pids, dict)
        return pids

    def until_all_run(self) -> dict[str, int]:
        """As `until_ready`, and until each has told that it started: only the API is asked whether it is ready."""
        pids = self.until_ready()
        for name in ("serve", "relay", "worker"):
            self.until(lambda name=name: ["line", name, f"{name} says hello"] in self.said)  # type: ignore[misc]
        return pids

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def names(self, *, but: int = 0) -> list[str]:
        """Of its living children; one that ends while it is looked at has none."""
        found = []
        for each in alive(self.family()):
            with suppress(psutil.NoSuchProcess):
                found += [each.name()] if each.pid != but else []
        return found

    def noted(self, pattern: str) -> list[str]:
        return re.findall(pattern, self.notes.read_text(), flags=re.MULTILINE) if self.notes.exists() else []

    def answers_no_database(self) -> bool:
        return not EmbeddedPostgres(self.folder / "data").is_running

    def end(self, signal_number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(signal_number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(150)
        self._listener.join(60)
        return code


@pytest.fixture
def supervise(server_folder: Path) -> Iterator[Callable[..., Supervised]]:
    started: list[Supervised] = []

    def start(folder: Path = server_folder, **environment: str) -> Supervised:
        started.append(Supervised(folder, **environment))
        return started[-1]

    yield start
    for supervised in started:
        if supervised.process.poll() is None:
            supervised.end()
        supervised.ended()


def test_it_starts_everything_and_stops_it_in_order_without_leaving_a_process(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise()
    pids = supervised.until_all_run()
    assert set(pids) == {"PostgreSQL", "Valkey", "serve", "relay", "worker"}
    family = supervised.family()
    assert set(pids.values()) <= {process.pid for process in family}
    assert supervised.end(signal.SIGINT) == 0
    assert alive(family) == []
    assert supervised.noted(r"^(\w+) stopped") == ["serve", "relay", "worker"]


def test_what_dies_comes_back(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise()
    pids = supervised.until_all_run()
    for name in ("worker", "serve", "PostgreSQL", "Valkey"):
        os.kill(pids[name], signal.SIGKILL)
    supervised.until(lambda: len(supervised.noted(r"^worker started")) == 2 and len(supervised.noted(r"^serve started")) == 2)
    supervised.until(lambda: set(supervised.names()) >= {"postgres", "valkey-server"})
    assert len(supervised.noted(r"^relay started")) == 1
    assert supervised.end() == 0


def test_others_are_brought_back_while_postgresql_recovers(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise()
    pids = supervised.until_ready()
    supervised.until(lambda: supervised.noted(r"^worker started"))
    slow = supervised.folder / "data" / "postgres" / "cluster" / "postgresql.auto.conf"
    owner = slow.stat()
    slow.unlink()
    os.mkfifo(slow)  # whoever starts PostgreSQL now waits until somebody writes into it
    os.chown(slow, owner.st_uid, owner.st_gid)
    os.kill(pids["PostgreSQL"], signal.SIGKILL)
    supervised.until(lambda: "postgres" in supervised.names(but=pids["PostgreSQL"]))
    os.kill(pids["worker"], signal.SIGKILL)
    supervised.until(lambda: len(supervised.noted(r"^worker started")) == 2)
    assert supervised.answers_no_database()
    slow.write_text("")
    supervised.until(lambda: not supervised.answers_no_database())
    assert supervised.end() == 0


def test_a_postgresql_that_cannot_come_back_at_once_is_tried_again(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise()
    pids = supervised.until_ready()
    left = psutil.Process(pids["PostgreSQL"]).children()[0]
    left.suspend()  # it holds the shared memory of the server that is killed: another refuses to start meanwhile
    os.kill(pids["PostgreSQL"], signal.SIGKILL)
    log = supervised.folder / "data" / "postgres" / "server.log"
    supervised.until(lambda: "is still in use" in log.read_text())
    left.resume()
    supervised.until(lambda: not supervised.answers_no_database())
    assert supervised.process.poll() is None
    assert supervised.end() == 0


def test_a_process_that_flaps_ends_everything_with_a_sentence(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise(BROKEN="relay")
    supervised.until(supervised.family)
    family = supervised.family()
    assert supervised.ended() == 1
    error = supervised.heard("error")
    assert error is not None
    assert error[1] == "ChildFailed"
    assert "`madang relay` died 3 times in a row, the last time with exit code 3" in str(error[2])
    assert alive(family) == []


def test_a_process_that_cannot_run_as_configured_is_not_tried_again(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise(BROKEN="serve", CODE="2")
    assert supervised.ended() == 1
    assert "`madang serve` cannot run as configured: serve says hello" in str(supervised.heard("error"))
    assert len(supervised.noted(r"^serve started")) == 1


def test_a_database_that_cannot_be_prepared_is_told_and_nothing_is_started(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise(BROKEN="prepare")
    assert supervised.ended() == 1
    assert "the database could not be prepared: prepare says hello" in str(supervised.heard("error"))
    assert supervised.noted(r"^serve started") == []


def test_no_orphan_outlives_a_supervisor_that_was_killed(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise()
    supervised.until_ready()
    family = supervised.family()
    supervised.end(signal.SIGKILL)
    supervised.until(lambda: not alive(family))


def test_a_second_one_in_the_same_folder_is_refused_with_a_sentence(supervise: Callable[..., Supervised]) -> None:
    first = supervise()
    pids = first.until_ready()
    second = supervise()
    assert second.ended() == 1
    assert f"runs in {first.folder / 'data'} already (process {first.process.pid})" in str(second.heard("error"))
    assert all(psutil.pid_exists(pid) for pid in pids.values())


def test_a_port_that_is_taken_is_told_before_anything_is_started(supervise: Callable[..., Supervised]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        supervised = supervise(PORT=str(taken.getsockname()[1]))
        assert supervised.ended() == 1
    assert "is taken by another program: choose another with MADANG_PORT" in str(supervised.heard("error"))
    assert not (supervised.folder / "data" / "postgres").exists()


def test_a_data_folder_that_cannot_be_used_is_told_with_the_variable_that_names_it(
    supervise: Callable[..., Supervised], server_folder: Path
) -> None:
    (server_folder / "data").write_text("a file")
    supervised = supervise()
    assert supervised.ended() == 1
    assert "choose another with MADANG_DATA_DIR" in str(supervised.heard("error"))


def test_a_second_signal_does_not_wait_for_work_to_be_drained(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise(DRAIN="600")
    supervised.until_ready()
    supervised.until(lambda: supervised.noted(r"^worker started"))
    family = supervised.family()
    supervised.process.send_signal(signal.SIGTERM)
    supervised.until(lambda: supervised.noted(r"^worker draining"))
    assert supervised.end() == 0
    assert supervised.noted(r"^worker stopped") == []
    assert alive(family) == []


def test_delays_double_up_to_a_limit_and_start_afresh_after_a_long_life() -> None:
    restarts = Restarts(settled_after=30, most=100)
    delays = [restarts.delay_after(1) for _ in range(8)]
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, LONGEST_DELAY, LONGEST_DELAY]
    assert restarts.delay_after(31) == 0.2
    assert restarts.delay_after(1) == 0.4
