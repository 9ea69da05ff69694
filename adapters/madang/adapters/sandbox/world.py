"""The remote side of every simulated provider: one SQLite file that all processes share and that outlives them.

A real provider does not forget when our worker is killed; neither does this. SQLite in WAL mode takes writers from several
processes, each in a short transaction, and a process that dies in one leaves nothing of it.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

BUSY_SECONDS: Final = 20.0

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS knobs (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, operation TEXT NOT NULL, key TEXT, fault TEXT,
    process INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS payments (
    reference TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, payment_id TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, description TEXT NOT NULL,
    success_url TEXT NOT NULL, cancel_url TEXT NOT NULL, webhook_url TEXT, locale TEXT NOT NULL,
    status TEXT NOT NULL, refunded INTEGER NOT NULL DEFAULT 0, method TEXT, failure TEXT, events INTEGER NOT NULL
    DEFAULT 0, created_at REAL NOT NULL, expires_at REAL, paid_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS payments_by_time ON payments (created_at, reference);
CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, reference TEXT NOT NULL, amount INTEGER NOT NULL, reason TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS stored_methods (
    reference TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, customer TEXT NOT NULL, success_url TEXT NOT NULL,
    cancel_url TEXT NOT NULL, locale TEXT NOT NULL, status TEXT NOT NULL, client_key TEXT UNIQUE, keep_key TEXT,
    token TEXT UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT PRIMARY KEY, event_id TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, url TEXT NOT NULL,
    body TEXT NOT NULL, state TEXT NOT NULL, due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, lease_until
    REAL, last_answer TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS predictions (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
    count INTEGER NOT NULL, width INTEGER, height INTEGER, input TEXT, status TEXT NOT NULL, created_at REAL NOT NULL,
    ready_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS inputs (
    sha256 TEXT PRIMARY KEY, data BLOB NOT NULL, expires_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT,
    text TEXT NOT NULL, details TEXT NOT NULL, status TEXT NOT NULL, sent_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS social_accounts (
    id TEXT PRIMARY KEY, handle TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0,
    expires_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS social_codes (
    code TEXT PRIMARY KEY, challenge TEXT NOT NULL, redirect_uri TEXT NOT NULL, handle TEXT NOT NULL, expires_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS social_preparations (
    reference TEXT PRIMARY KEY, account TEXT NOT NULL, post TEXT, expires_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS messages_by_channel ON messages (channel, sent_at);
"""


def world_path(data_dir: Path) -> Path:
    return data_dir / "sandbox" / "world.sqlite3"


class World:
    """One process's door to the world. Work is a function of the connection; it runs in one thread, one transaction each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-world")

    @property
    def path(self) -> Path:
        return self._path

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction: all of it is kept, or, when it raises, nothing."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self.run_now, work)

    def run_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same from a thread that may block."""
        with self._lock:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return result

    async def close(self) -> None:
        """Close the file; the world itself stays. Closing it again does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close_now)
        self._executor.shutdown(wait=False)

    def _close_now(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect(self._path)
        return self._connection


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    # What has been thrown away (photographs) is overwritten in the file, not only unlinked.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute("COMMIT")
    return connection
