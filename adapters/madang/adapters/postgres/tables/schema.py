"""The metadata that every table belongs to, and columns in the project's words."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    CHAR,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

INSTANT: Final = DateTime(timezone=True)
PERSONAL: Final = {"personal": True}
"""What a column says that holds something of a person: its table is then answered for in export and erasure."""


def _info(personal: bool) -> dict[str, bool] | None:
    return PERSONAL if personal else None


def one_of(column: str, values: Iterable[StrEnum] | Iterable[str]) -> CheckConstraint:
    """The column holds one of the domain's words."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=column)


def key_column(name: str = "id", comment: str | None = None) -> Column[Any]:
    return Column(name, Uuid, primary_key=True, comment=comment)


def instant(name: str, comment: str | None = None, *, null: bool = False, now: bool = False) -> Column[Any]:
    return Column(name, INSTANT, nullable=null, server_default=func.now() if now else None, comment=comment)


def words(
    name: str, comment: str | None = None, *, null: bool = False, default: str | None = None, personal: bool = False
) -> Column[Any]:
    return Column(name, Text, nullable=null, server_default=default, comment=comment, info=_info(personal))


def document(name: str, comment: str | None = None, *, null: bool = False, personal: bool = False) -> Column[Any]:
    return Column(name, JSONB, nullable=null, comment=comment, info=_info(personal))


def count(name: str, comment: str | None = None) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=text("0"), comment=comment)


def money() -> tuple[Column[Any], Column[Any], CheckConstraint]:
    return (
        Column("amount", BigInteger, nullable=False, comment="in the currency's minor unit"),
        Column("currency", CHAR(3), nullable=False, comment="ISO 4217"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    )


def sealed(name: str, comment: str | None = None, *, purpose: str, null: bool = True) -> Column[Any]:
    """A personal field, encrypted by `PersonalDataCipher` under this purpose: what `madang keys rotate` seals anew."""
    return Column(name, LargeBinary, nullable=null, comment=comment or "encrypted", info={**PERSONAL, "sealed": purpose})


def keyed_hash(name: str, comment: str, *, of: str, purpose: str, null: bool = True) -> Column[Any]:
    """What finds a sealed field `of` the same table: a keyed hash under this purpose, made anew with it."""
    return Column(name, LargeBinary, nullable=null, comment=comment, info={**PERSONAL, "hash_of": of, "purpose": purpose})


def unsealed(name: str, why: str, comment: str | None = None, *, null: bool = False, personal: bool = False) -> Column[Any]:
    """Bytes that are no ciphertext of the master key, and why they need not be: the rotation of keys leaves them alone."""
    return Column(name, LargeBinary, nullable=null, comment=comment, info={"personal": personal, "unsealed": why})


def person(name: str = "user_id", comment: str | None = None, *, null: bool = False) -> Column[Any]:
    """Whose row it is: personal by itself."""
    return Column(name, Uuid, nullable=null, comment=comment, info=PERSONAL)
