"""The plain statements of one table, put together once from its column names. No value ever becomes part of a statement."""

# ruff: noqa: S608 – table and column names are constants of this package

from collections.abc import Mapping, Sequence
from typing import Any


def select(table: str, columns: Sequence[str], where: str, *, lock: bool = False) -> str:
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {where}{' FOR UPDATE' if lock else ''}"


def insert(table: str, columns: Sequence[str], *, on_conflict: str = "") -> str:
    """Values `$1 …` in the order of the columns."""
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) {on_conflict}".rstrip()


def update(table: str, columns: Sequence[str], *, key: str = "id", where: str = "") -> str:
    """Values in the order of the columns; the row is found by `key`, which is one of them."""
    changes = ", ".join(f"{column} = ${number}" for number, column in enumerate(columns, 1) if column != key)
    found = f"{key} = ${list(columns).index(key) + 1}"
    return f"UPDATE {table} SET {changes} WHERE {found}{f' AND {where}' if where else ''}"


def upsert(table: str, columns: Sequence[str], *, key: Sequence[str], keep: Sequence[str] = ()) -> str:
    """Insert, or where the key is taken replace everything but the key and what is to `keep`."""
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in {*key, *keep})
    return insert(table, columns, on_conflict=f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}")


def matching(wanted: Mapping[str, Any], *, after: int, along: str = "") -> tuple[str, list[Any]]:
    """The condition for those columns whose value is not None, and the values: `$1` … `$after` are the statement's own.

    Another statement for each choice of filters: one with `$1 IS NULL OR …` is planned for any value and reads the whole table.
    The rows of one value of the column `along` are read by its index, and sorted by it first: as a range, because an order by
    what equals one value is none to PostgreSQL, which would look for few rows among all of them.
    """
    named = {column: value for column, value in wanted.items() if value is not None}
    conditions = [
        f"{column} BETWEEN ${number} AND ${number}" if column == along else f"{column} = ${number}"
        for number, column in enumerate(named, after + 1)
    ]
    return " AND ".join(conditions) or "true", list(named.values())


def affected(status: str) -> int:
    """Rows that a statement touched, from PostgreSQL's command tag (`UPDATE 1`)."""
    return int(status.rpartition(" ")[2])
