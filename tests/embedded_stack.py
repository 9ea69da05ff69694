"""Real PostgreSQL and Valkey for the tests: started once a run; each test that asks has databases of its own."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.valkey_server import EmbeddedValkey
from madang.adapters.postgres import migrations

TEMPLATE = "migrated"
FOLDER_OF_SERVERS = "MADANG_TEST_SERVERS"
"""Names the folder of servers that run already, to which the tests are guests."""
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

_NOBODY_ELSE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE = """
SELECT concat_ws(' ',
    (SELECT count(*) || '-' || sum(attrelid::bigint * attnum) || '-' || sum(xmin::text::bigint) FROM pg_attribute
     WHERE attrelid >= 16384),
    (SELECT count(*) || '-' || sum(oid::bigint) FROM pg_constraint WHERE oid >= 16384),
    (SELECT count(*) || '-' || sum(oid::bigint) || '-' || string_agg(tgenabled::text, '' ORDER BY oid) FROM pg_trigger
     WHERE NOT tgisinternal),
    (SELECT count(*) || '-' || sum(oid::bigint) || '-' || sum(xmin::text::bigint) FROM pg_proc WHERE oid >= 16384))
"""
"""Changes with every change of the schema that a test can make."""
_EMPTY_ALL = """
SELECT 'SET session_replication_role = replica; ' || coalesce(string_agg('DELETE FROM ' || oid::regclass || ';', ' '), '')
FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname <> 'alembic_version'
  AND pg_relation_size(oid) > 0
"""
"""As a replica, a database runs no trigger: neither those that keep the audit trail nor those of foreign keys. A table without
a page never had a row."""


class MigratedDatabases:
    """Databases like the template. One that a test has left is emptied for the next test, which takes a tenth of the time of
    another clone; one whose tables, columns, constraints or triggers have changed is dropped."""

    def __init__(self, server: EmbeddedPostgres, template: str) -> None:
        self._server = server
        self._template = template
        self._clean: list[str] = []
        self._shape: str | None = None

    def url(self, name: str) -> str:
        return self._server.url(name)

    async def take(self) -> str:
        if self._clean:
            return self._clean.pop()
        name = f"test_{os.getpid()}_{next(_numbers)}"
        await _execute(self._server, f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        if self._shape is None:
            await self._learn(name)
        return name

    async def give_back(self, name: str) -> None:
        if await self._emptied(name):
            self._clean.append(name)
        else:
            await _execute(self._server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def drop_all(self) -> None:
        for name in self._clean:
            await _execute(self._server, f"DROP DATABASE {name} WITH (FORCE)")

    async def _learn(self, name: str) -> None:
        connection = await asyncpg.connect(self.url(name))
        try:
            self._shape = await connection.fetchval(_SHAPE)
        finally:
            await connection.close()

    async def _emptied(self, name: str) -> bool:
        try:
            connection = await asyncpg.connect(self.url(name))
        except asyncpg.PostgresError:
            return False
        try:
            await connection.execute(_NOBODY_ELSE)
            if await connection.fetchval(_SHAPE) != self._shape:
                return False
            await connection.execute(await connection.fetchval(_EMPTY_ALL))
            return True
        finally:
            await connection.close()


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
    if FOLDER_OF_SERVERS in os.environ:
        yield Path(os.environ[FOLDER_OF_SERVERS])
        return
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
    if postgres_server.is_owner:
        migrate_template(postgres_server)
    return TEMPLATE


def migrate_template(server: EmbeddedPostgres) -> None:
    asyncio.run(_execute(server, f"CREATE DATABASE {TEMPLATE}"))
    migrations.upgrade(server.url(TEMPLATE))
    asyncio.run(_execute(server, f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"))


@pytest.fixture(scope="session")
def databases(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[MigratedDatabases]:
    databases = MigratedDatabases(postgres_server, migrated_template)
    yield databases
    if not postgres_server.is_owner:
        asyncio.run(databases.drop_all())


@pytest.fixture
async def database_url(databases: MigratedDatabases) -> AsyncIterator[str]:
    """A migrated database that is this test's own meanwhile, emptied afterwards whoever is still connected."""
    name = await databases.take()
    yield databases.url(name)
    await databases.give_back(name)


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


@contextmanager
def running_servers() -> Iterator[Path]:
    """For several runs, one after another: each finds the template there."""
    with temporary_server_folder() as folder, ExitStack() as started:
        postgres, valkey = EmbeddedPostgres(folder, options=_FAST), EmbeddedValkey(folder)
        for server in (postgres, valkey):
            server.start()
            started.callback(server.stop)
        migrate_template(postgres)
        yield folder


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
