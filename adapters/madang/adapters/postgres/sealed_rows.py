"""Every sealed column of the database, as its table declares it, for the rotation of keys.

Not for the processes that serve: it takes the declared tables, and with them SQLAlchemy.
"""

# ruff: noqa: S608 – table and column names come from the declared tables

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import postgresql

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.statements import affected
from madang.adapters.postgres.tables import metadata
from madang.core.operations.key_rotation import SealedField, SealedRow, SealedTable


def sealed_tables(tables: MetaData = metadata) -> Sequence[SealedTable]:
    """Those with a column that `sealed()` has declared, each with the hash that `keyed_hash()` has declared of it."""
    found = [SealedTable(table.name, _fields(table)) for table in tables.sorted_tables]
    return [table for table in found if table.fields]


def _fields(table: Table) -> Sequence[SealedField]:
    hashes = {column.info["hash_of"]: column for column in table.columns if "hash_of" in column.info}
    found = []
    for column in table.columns:
        if "sealed" not in column.info:
            continue
        hashed = hashes.get(column.name)
        by = () if hashed is None else (hashed.name, hashed.info["purpose"])
        found.append(SealedField(column.name, column.info["sealed"], *by))
    return tuple(found)


class PostgresSealedRows:
    """Fulfils `SealedRows`. Every statement is a transaction of its own."""

    def __init__(self, database: Database, tables: MetaData = metadata) -> None:
        self._database = database
        self._keys = {name: _key_of(table) for name, table in tables.tables.items()}
        self._tables = sealed_tables(tables)

    @property
    def tables(self) -> Sequence[SealedTable]:
        return self._tables

    async def counts(self, table: SealedTable, *, head_length: int) -> Mapping[bytes, int]:
        found: dict[bytes, int] = {}
        for field in table.fields:
            statement = (
                f"SELECT substring({field.column} FROM 1 FOR {head_length:d}) AS head, count(*) AS number "
                f"FROM {table.name} WHERE {field.column} IS NOT NULL GROUP BY 1"
            )
            for row in await self._database.fetch(statement):
                found[row["head"]] = found.get(row["head"], 0) + row["number"]
        return found

    async def older(self, table: SealedTable, *, head: bytes, after: tuple[Any, ...] | None, limit: int) -> Sequence[SealedRow]:
        key = list(self._keys[table.name])
        under_another = " OR ".join(f"substring({field.column} FROM 1 FOR {len(head):d}) <> $1" for field in table.fields)
        places = ", ".join(f"${number}" for number in range(3, len(key) + 3))
        further = "" if after is None else f"AND ({', '.join(key)}) > ({places})"
        statement = (
            f"SELECT {', '.join([*key, *table.columns])} FROM {table.name} WHERE ({under_another}) {further} "
            f"ORDER BY {', '.join(key)} LIMIT $2"
        )
        rows = await self._database.fetch(statement, head, limit, *(after or ()))
        return [
            SealedRow(tuple(row[column] for column in key), {column: row[column] for column in table.columns}) for row in rows
        ]

    async def replace(self, table: SealedTable, rows: Sequence[tuple[SealedRow, Mapping[str, bytes | None]]]) -> int:
        key = self._keys[table.name]
        values: list[list[Any]] = [[row.key[place] for row, _ in rows] for place in range(len(key))]
        for column in table.columns:
            values += [[row.values[column] for row, _ in rows], [anew[column] for _, anew in rows]]
        return affected(await self._database.execute(_replacing(table, key), *values))


def _key_of(table: Table) -> Mapping[str, str]:
    """The columns of the primary key with their types."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects carry no types
    return {column.name: column.type.compile(dialect=dialect) for column in table.primary_key.columns}


def _replacing(table: SealedTable, key: Mapping[str, str]) -> str:
    """One statement for a batch. It waits for nobody, so it cannot deadlock: rows that somebody holds are passed over."""
    names = [*key, *(f"{way}_{column}" for column in table.columns for way in ("old", "new"))]
    kinds = [*key.values(), *(["bytea"] * 2 * len(table.columns))]
    given = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, 1))
    same = " AND ".join(f"kept.{column} = held.{column} AND given.{column} = held.{column}" for column in key)
    unchanged = " AND ".join(f"kept.{column} IS NOT DISTINCT FROM given.old_{column}" for column in table.columns)
    keys = ", ".join(key)
    return f"""
WITH given AS MATERIALIZED (SELECT * FROM unnest({given}) AS given ({", ".join(names)})),
held AS MATERIALIZED (
    SELECT {keys} FROM {table.name} WHERE ({keys}) IN (SELECT {keys} FROM given) FOR UPDATE SKIP LOCKED
)
UPDATE {table.name} AS kept SET {", ".join(f"{column} = given.new_{column}" for column in table.columns)}
FROM given, held WHERE {same} AND {unchanged}
"""
