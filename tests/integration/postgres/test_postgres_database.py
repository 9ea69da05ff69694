"""Addresses in every form, and a pool that outlives its server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from embedded_stack import temporary_server_folder
from integration.postgres import samples
from integration.postgres.conftest import TOPICS
from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.postgres import migrations
from madang.adapters.postgres.database import Database, normalised
from madang.adapters.postgres.failures import CommitOutcomeUnknown
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork
from madang.core.kernel.events import Subscriptions
from madang.ports.errors import Misconfigured, OutcomeUnknown, Unavailable


@pytest.fixture(scope="module")
def mortal_server() -> Iterator[EmbeddedPostgres]:
    """A server of this module's own, to be stopped and started."""
    with temporary_server_folder() as folder:
        server = EmbeddedPostgres(folder, options={"fsync": "off"})
        server.start()
        migrations.upgrade(server.url())
        yield server
        server.stop()


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("postgresql://user:pw@db.example:5432/madang", "postgresql://user:pw@db.example:5432/madang"),
        ("postgres://user@db.example/madang", "postgresql://user@db.example/madang"),
        ("postgresql+asyncpg://user@db.example/madang?ssl=require", "postgresql://user@db.example/madang?sslmode=require"),
        ("postgresql://u@one:5432,two:5433,three/madang", "postgresql://u@one:5432,two:5433,three/madang"),
        ("postgresql://u@[::1]:5433/madang", "postgresql://u@[::1]:5433/madang"),
        ("postgresql://postgres@/madang?host=/run/postgresql", "postgresql://postgres@/madang?host=/run/postgresql"),
        (
            "postgresql://u@db.example/m?sslmode=verify-full&sslrootcert=/etc/ca.pem&channel_binding=require&connect_timeout=3",
            "postgresql://u@db.example/m?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        ),
    ],
)
def test_an_address_is_understood_in_the_forms_that_people_write(written: str, understood: str) -> None:
    assert normalised(written) == understood


@pytest.mark.parametrize(
    "address",
    [
        "",
        "madang",
        "user:test-key-not-secret@127.0.0.1/madang",
        "mysql://user:test-key-not-secret@127.0.0.1/madang",
        "postgresql://user:test-key-not-secret/more@127.0.0.1/madang",
        "postgresql://user:test-key-not-secret#more@127.0.0.1/madang",
        "postgresql://user:test-key-not-secret?more@127.0.0.1/madang",
        "postgresql://user:[test-key-not-secret@127.0.0.1/madang",
        "postgresql://user:test-key-not-secret\u2100@127.0.0.1/madang",
    ],
)
def test_anything_else_is_a_wrong_setting_and_is_not_repeated(address: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        normalised(address)
    assert "test-key-not-secret" not in str(refused.value)


async def test_a_database_that_does_not_exist_is_a_wrong_setting(database_url: str) -> None:
    with pytest.raises(Misconfigured):
        await Database.connect(database_url.replace("/test_", "/absent_"))


async def test_a_server_that_is_not_there_is_unavailable_once_patience_is_over(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await Database.connect(f"postgresql://postgres@/madang?host={tmp_path}", start_patience=0.2)


async def test_documents_are_read_and_written_as_values(database: Database) -> None:
    value = {"words": '마당 \u2028 "quoted"', "list": [1, None, True, {"a": "b"}]}
    row = await database.fetchrow("SELECT $1::jsonb AS value, jsonb_typeof($1::jsonb) AS kind", value)
    assert row is not None
    assert (row["value"], row["kind"]) == (value, "object")


async def test_a_further_connection_does_not_ask_again_what_an_array_is(database: Database) -> None:
    questions: list[str] = []
    asked = "SELECT $1::uuid[], $2::timestamptz[]"
    async with database.connection() as first, database.connection() as second:
        await first.fetchrow(asked, [], [])
        second.add_query_logger(lambda logged: questions.append(logged.query))
        found = await second.fetchrow(asked, [UUID(int=7)], [])
    assert questions == [asked]
    assert tuple(found or ()) == ([UUID(int=7)], [])


async def test_no_transaction_is_left_open_on_a_connection_that_comes_back(database_url: str) -> None:
    database = await Database.connect(database_url, pool_size=1)
    connection = await database.begin()
    await connection.execute("CREATE TABLE left_behind (n int)")
    await database.release(connection)
    row = await database.fetchrow("SELECT to_regclass('left_behind') AS found")
    assert row is not None
    assert row["found"] is None
    await database.close()


async def test_the_pool_recovers_when_every_connection_was_cut(database: Database) -> None:
    await asyncio.gather(*(database.fetchrow("SELECT pg_sleep(0.05)") for _ in range(10)))
    await _cut_all(database)
    rows = await asyncio.gather(*(database.fetchrow("SELECT 1 AS one") for _ in range(10)))
    assert [row["one"] for row in rows if row] == [1] * 10


async def test_a_unit_of_work_opens_on_a_new_connection_when_its_own_was_cut(database: Database) -> None:
    await asyncio.gather(*(database.fetchrow("SELECT pg_sleep(0.05)") for _ in range(10)))
    await _cut_all(database)
    payment = samples.a_payment()
    async with _unit(database) as uow:
        await uow.payments.add(payment)
    async with _unit(database) as uow:
        assert await uow.payments.get(payment.id) == payment


async def test_a_connection_cut_inside_a_unit_of_work_means_surely_not_done(database: Database) -> None:
    payment = samples.a_payment()
    with pytest.raises(Unavailable):
        async with _unit(database) as uow:
            await uow.payments.add(payment)
            await _cut_all(database)
            await uow.payments.get(payment.id)
    async with _unit(database) as uow:
        assert await uow.payments.get(payment.id) is None


async def test_a_connection_cut_before_the_commit_was_sent_means_surely_not_done(database: Database) -> None:
    async def cut(connection: Any) -> None:
        await _cut_all(database)

    with pytest.raises(Unavailable):
        async with _unit(database, cut) as uow:
            await uow.payments.add(samples.a_payment())


async def test_a_connection_cut_during_the_commit_means_outcome_unknown(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(_SLOW_COMMIT)

    async def store() -> None:
        async with _unit(database) as uow:
            await uow.payments.add(samples.a_payment())

    storing = asyncio.create_task(store())
    while not await _is_committing(database):
        await asyncio.sleep(0.02)
    await _cut_all(database)
    with pytest.raises(CommitOutcomeUnknown) as unknown:
        await storing
    assert isinstance(unknown.value, OutcomeUnknown)


async def test_the_pool_outlives_a_restart_of_the_server(mortal_server: EmbeddedPostgres) -> None:
    database = await Database.connect(mortal_server.url(), pool_size=4, patience=30)
    await asyncio.gather(*(database.fetchrow("SELECT pg_sleep(0.05)") for _ in range(4)))
    await asyncio.to_thread(mortal_server.stop)
    during = [asyncio.create_task(_store(database)) for _ in range(8)]
    await asyncio.sleep(0.3)
    mortal_server.start()
    stored = await asyncio.gather(*during)
    rows = await database.fetch("SELECT id FROM payments")
    assert {row["id"] for row in rows} >= set(stored)
    await database.close()


async def test_a_server_that_stays_away_is_unavailable_and_welcome_again(mortal_server: EmbeddedPostgres) -> None:
    database = await Database.connect(mortal_server.url(), pool_size=2, patience=0.2)
    await asyncio.to_thread(mortal_server.stop)
    with pytest.raises(Unavailable):
        await database.fetchrow("SELECT 1")
    with pytest.raises(Unavailable):
        async with _unit(database):
            pass
    mortal_server.start()
    assert await database.fetchrow("SELECT 1") is not None
    await database.close()


_SLOW_COMMIT = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON payments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle();
"""


async def _is_committing(database: Database) -> bool:
    statement = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND wait_event = 'PgSleep'"
    )
    return await database.fetchrow(statement) is not None


async def _store(database: Database) -> object:
    payment = samples.a_payment()
    async with _unit(database) as uow:
        await uow.payments.add(payment)
    return payment.id


def _unit(database: Database, *last_checks: Any) -> PostgresUnitOfWork:
    return PostgresUnitOfWork(database, topics=TOPICS, subscriptions=Subscriptions(), before_commit=last_checks)


async def _cut_all(database: Database) -> None:
    """Every session of the database but the one that asks for it."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
