"""Starting, recognising and stopping a server process."""

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from madang.adapters.embedded.errors import EmbeddedServerError

_TRAMPOLINE = Path(__file__).with_name("trampoline.py")
_LOG_LIMIT = 10 * 1024 * 1024
_STEP = 0.02


@dataclass(frozen=True, slots=True)
class RunAs:
    """The system user of a server process."""

    name: str
    uid: int
    gid: int

    @classmethod
    def me(cls) -> "RunAs":
        uid = os.geteuid()
        try:
            return cls(pwd.getpwuid(uid).pw_name, uid, os.getegid())
        except KeyError:
            return cls(str(uid), uid, os.getegid())

    @classmethod
    def named(cls, name: str) -> "RunAs | None":
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(name, entry.pw_uid, entry.pw_gid)


def launch(
    program: Sequence[str], *, log: Path, user: RunAs, directory: Path, stop_with_parent: signal.Signals | None
) -> "subprocess.Popen[bytes]":
    """Start a server in a session of its own (Ctrl-C is for its owner, who stops it in order).

    With `stop_with_parent` the kernel sends that signal when the calling *thread* ends: it is asked for in the main
    thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        stop_with_parent = None
    _keep_small(log)
    command = [sys.executable, "-I", "-S", str(_TRAMPOLINE), str(user.uid), str(user.gid)]
    command += [str(int(stop_with_parent or 0)), str(os.getpid()), *program]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
        )


def _keep_small(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".old.log"))


def runs(pid: int | None, program: str) -> bool:
    """Whether the process is there and is that program: a pid from a file may long belong to someone else."""
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.name() == program
    except psutil.Error:
        return False


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Ask again and again, at most that long; the last answer."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return condition()
        time.sleep(_STEP)
    return True


def stop(
    pid: int, program: str, steps: Sequence[tuple[signal.Signals, float]], child: "subprocess.Popen[bytes] | None" = None
) -> None:
    """Send each signal in turn and wait that many seconds for the process to go."""

    def gone() -> bool:
        if child is not None and child.pid == pid:
            return child.poll() is not None
        return not runs(pid, program)

    for signal_number, seconds in steps:
        if gone():
            return
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return
        if wait_until(gone, seconds=seconds):
            return
    raise EmbeddedServerError(f"{program} (process {pid}) does not stop")


def reap(child: "subprocess.Popen[bytes] | None") -> None:
    """Take note of the end of a server that is not serving any more, before another takes its place."""
    if child is None:
        return
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
