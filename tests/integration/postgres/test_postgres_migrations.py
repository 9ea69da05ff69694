"""The migrations lead exactly to the declared tables, there and back, also when two processes run them at once."""

import asyncio
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from madang.adapters.postgres import migrations
from madang.adapters.postgres.tables import metadata
from madang.ports.errors import Misconfigured

_CATALOGUE = """
SELECT 'constraint' AS kind, conname AS name, conrelid::regclass::text AS of, pg_get_constraintdef(oid) AS definition
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass
UNION ALL
SELECT 'index', indexname, tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
UNION ALL
SELECT 'column', column_name, table_name,
       concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default,
                 col_description(table_name::regclass, ordinal_position))
  FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
UNION ALL
SELECT 'table', relname, '', concat_ws(' ', array_to_string(reloptions, ','), obj_description(oid))
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
"""


async def test_the_migrations_lead_to_the_declared_tables(database_url: str) -> None:
    assert await _on(database_url, lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)) == []


async def test_checks_indexes_comments_and_defaults_agree_too(database_url: str, empty_database_url: str) -> None:
    await _on(empty_database_url, metadata.create_all, commit=True)
    await _execute(empty_database_url, "CREATE TABLE alembic_version (version_num text)")
    assert await _catalogue(database_url) == await _catalogue(empty_database_url)


async def test_up_down_and_up_again_ends_where_it_began(empty_database_url: str, database_url: str) -> None:
    assert await asyncio.to_thread(migrations.current, empty_database_url) is None
    await asyncio.to_thread(migrations.upgrade, empty_database_url)
    assert await asyncio.to_thread(migrations.current, empty_database_url) == migrations.latest()
    await asyncio.to_thread(migrations.downgrade, empty_database_url, migrations.BASE)
    assert await _catalogue(empty_database_url) == set()
    assert await asyncio.to_thread(migrations.current, empty_database_url) is None
    await asyncio.to_thread(migrations.upgrade, empty_database_url)
    assert await _catalogue(empty_database_url) == await _catalogue(database_url)


async def test_progress_names_each_step_once(empty_database_url: str) -> None:
    heard: list[migrations.MigrationStep] = []
    applied = await asyncio.to_thread(migrations.upgrade, empty_database_url, progress=heard.append)
    assert heard == list(applied)
    assert [step.number for step in heard] == list(range(1, heard[0].total + 1))
    assert all(step.summary for step in heard)
    assert await asyncio.to_thread(migrations.upgrade, empty_database_url, progress=heard.append) == []


async def test_two_processes_that_migrate_at_once_take_turns(empty_database_url: str) -> None:
    runs = [asyncio.to_thread(migrations.upgrade, empty_database_url) for _ in range(4)]
    applied = await asyncio.gather(*runs)
    assert sorted(len(steps) for steps in applied)[:3] == [0, 0, 0]
    assert max(len(steps) for steps in applied) >= 1


def test_a_foreign_address_is_refused_without_being_repeated() -> None:
    with pytest.raises(Misconfigured) as refused:
        migrations.current("mysql://user:test-key-not-secret@127.0.0.1/madang")
    assert "test-key-not-secret" not in str(refused.value)


async def _catalogue(url: str) -> set[tuple[str, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return {tuple(row.values()) for row in await connection.fetch(_CATALOGUE)}
    finally:
        await connection.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _on(url: str, work: Any, *, commit: bool = False) -> Any:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(work)
            if commit:
                await connection.commit()
            return found
    finally:
        await engine.dispose()
