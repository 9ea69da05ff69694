"""What both sides of a comparison stand on: the embedded PostgreSQL and Valkey, one database, the same rows."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import jwt

from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.valkey_server import EmbeddedValkey
from madang.adapters.postgres import migrations
from madang.core.kernel.ids import new_id

PEERS_KEY = "bench-key-not-secret-bench-key-not-secret"
ROWS = 10_000
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Stack:
    """Addresses of the servers, and a folder that is thrown away."""

    database_url: str
    redis_url: str
    folder: Path


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    postgres, valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
    try:
        postgres.start()
        valkey.start()
        migrations.upgrade(postgres.url())
        yield Stack(postgres.url(), valkey.url(), folder)
    finally:
        valkey.stop()
        postgres.stop()


async def fill_portraits(database_url: str, rows: int = ROWS) -> Sequence[UUID]:
    """Paid jobs in the middle of their work, each with three pictures of which one is made."""
    now = datetime.now(UTC)
    later = now + timedelta(hours=20)
    ids = [(new_id(), new_id()) for _ in range(rows)]
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.executemany(
                "INSERT INTO payments (id, purpose, subject, amount, currency, provider, status, checkout_url, "
                "paid_at, created_at, updated_at, expires_at) "
                "VALUES ($1, 'portraits', $2, 9900, 'KRW', 'sandbox', 'paid', $3, $4, $4, $4, $5)",
                [(payment, f"portrait:{portrait}", f"/sandbox/checkout/{payment}", now, later) for portrait, payment in ids],
            )
            await connection.executemany(
                "INSERT INTO portraits (id, account, status, payment_id, amount, currency, locale, created_at, updated_at, "
                "expires_at) VALUES ($1, $2, 'processing', $3, 9900, 'KRW', 'ko', $4, $4, $5)",
                [(portrait, portrait.hex, payment, now, later) for portrait, payment in ids],
            )
            await connection.executemany(
                "INSERT INTO portrait_pictures (portrait_id, index, seed, status) VALUES ($1, $2, $3, $4)",
                [(portrait, n, 1000 + n, "made" if n == 0 else "waiting") for portrait, _ in ids for n in range(3)],
            )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return [portrait for portrait, _ in ids]


def peer_token(portrait_id: UUID) -> str:
    """What the peers take for signed in: the same claims and the same algorithm as ours."""
    now = int(time.time())
    claims = {"iss": "bench", "aud": "portrait", "sub": str(portrait_id), "iat": now, "exp": now + 3600, "jti": new_id().hex}
    return jwt.encode(claims, PEERS_KEY, algorithm="HS256")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(
    command: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path = ROOT
) -> Iterator["subprocess.Popen[bytes]"]:
    """A child with its output in a file; ended, and if it does not listen killed, at the end."""
    with log.open("ab") as output:
        child = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for_port(port: int, child: "subprocess.Popen[bytes]", log: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"no server on port {port}: {log.read_text(errors='replace')[-2000:]}")


def python(*words: str) -> list[str]:
    return [sys.executable, *words]
