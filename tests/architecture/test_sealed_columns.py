"""No bytes lie in the database of which nobody has said whether they are encrypted, and for what."""

import pytest
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text

from madang.adapters.postgres.tables import metadata
from madang.adapters.postgres.tables.schema import sealed, unsealed

WAYS = ("sealed", "hash_of", "unsealed")


def undeclared(tables: MetaData) -> list[str]:
    """Columns of bytes that nobody declared, and hashes of a field that is not there."""
    found = []
    for table in tables.tables.values():
        for column in table.columns:
            ways = [way for way in WAYS if column.info.get(way)]
            hashed = column.info.get("hash_of")
            dangling = hashed is not None and (hashed not in table.columns or "sealed" not in table.columns[hashed].info)
            if (isinstance(column.type, LargeBinary) and len(ways) != 1) or dangling:
                found.append(f"{table.name}.{column.name}")
    return found


def test_every_column_of_bytes_says_whether_a_rotation_of_keys_must_seal_it_anew() -> None:
    assert undeclared(metadata) == [], "declare it with sealed(), keyed_hash() or unsealed() of postgres/tables/schema.py"


def test_what_is_sealed_says_for_which_purpose_and_what_is_not_says_why() -> None:
    said = [column.info.get(way) for table in metadata.tables.values() for column in table.columns for way in WAYS]
    assert all(isinstance(word, str) and word for word in said if word is not None)
    assert len([word for word in said if word]) > 10


@pytest.mark.parametrize("column", [Column("secret", LargeBinary), Column("h", LargeBinary, info={"hash_of": "nothing"})])
def test_a_column_that_nobody_declared_is_found(column: Column[bytes]) -> None:
    tables = MetaData()
    Table("samples", tables, column, sealed("email", purpose="a.b"), unsealed("digest", "of random bytes"), Column("t", Text))
    assert undeclared(tables) == [f"samples.{column.name}"]
