"""Real PostgreSQL and Valkey for the tests: started once a run; each test that asks has databases of its own."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.valkey_server import EmbeddedValkey
from madang.adapters.postgres import migrations

TEMPLATE = "migrated"
SANDBOX_ROUTES: Mapping[str, list[str]] = {
    "text_model": ["sandbox"],
    "image_model": ["sandbox"],
    "payment": ["sandbox"],
    "sms": ["sandbox"],
    "email": ["sandbox"],
    "chat": [],
    "social": ["sandbox"],
    "storage": ["local"],
    "faces": [],
}
_FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
"""A test's database need not survive the machine, only its own server's death: `synchronous_commit` stays on."""

_numbers = itertools.count(1)


@contextmanager
def temporary_server_folder() -> Iterator[Path]:
    """For a PostgreSQL of a test's own, instead of `tmp_path`.

    As root it runs as another user, who must pass through the parents; every start of pytest closes those of `tmp_path`
    again, also under the servers of another run.
    """
    folder = Path(tempfile.mkdtemp(prefix="madang-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    with temporary_server_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    with temporary_server_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(stack_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(stack_folder, options=_FAST)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(stack_folder: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(stack_folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    """The name of a database at the newest migration, which nobody connects to: what each test's database is cloned from."""
    asyncio.run(_execute(postgres_server, f"CREATE DATABASE {TEMPLATE}"))
    migrations.upgrade(postgres_server.url(TEMPLATE))
    asyncio.run(_execute(postgres_server, f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"))
    return TEMPLATE


@pytest.fixture
async def database_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> AsyncIterator[str]:
    """A migrated database of this test's own, dropped afterwards whoever is still connected."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    await _execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template} STRATEGY file_copy")
    yield postgres_server.url(name)
    await _execute(postgres_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def empty_database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database without any migration."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    await _execute(postgres_server, f"CREATE DATABASE {name} STRATEGY file_copy")
    yield postgres_server.url(name)
    await _execute(postgres_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def redis_url(redis_server: EmbeddedValkey) -> AsyncIterator[str]:
    """A logical database of this test's own, empty."""
    url = redis_server.url(next(_numbers) % 64)
    client = redis.asyncio.from_url(url)
    try:
        await client.flushdb()
        yield url
    finally:
        await client.aclose()


@pytest.fixture
def make_settings(database_url: str, redis_url: str, tmp_path: Path) -> Callable[..., Any]:
    """`make_settings(lease_seconds=2)`: settings of a deployment on this test's stack, with sandbox routes named."""

    def make(**changes: Any) -> Any:
        from madang.entrypoints.settings import Settings

        values: dict[str, Any] = {
            "database_url": database_url,
            "redis_url": redis_url,
            "data_dir": tmp_path / "madang",
            "routes": dict(SANDBOX_ROUTES),
            "secret_key": "test-key-not-secret-test-key-not-secret",
            "sign_in_seconds": 0,
        }
        return Settings(**{**values, **changes})

    return make


@pytest.fixture
def open_deployment(make_settings: Callable[..., Any]) -> Callable[..., Any]:
    """`open_deployment(base_url="https://example.com")`: several of one test share their database and the world outside."""

    def open_it(**changes: Any) -> Any:
        from deployment import deployed

        return deployed(make_settings(**changes))

    return open_it


@pytest.fixture
async def deployment(open_deployment: Callable[..., Any]) -> AsyncIterator[Any]:
    async with open_deployment() as opened:
        yield opened


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
