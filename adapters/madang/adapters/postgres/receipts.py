"""Deletion receipts in PostgreSQL."""

from typing import Any, Final

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.documents import to_deleted_objects
from madang.adapters.postgres.statements import select, upsert
from madang.core.portraits.model import DeletionReceipt

_COLUMNS: Final = ("id", "subject", "due_at", "deleted_at", "objects", "row_counts", "digest", "verified_at")
_BY_SUBJECT: Final = select("deletion_receipts", _COLUMNS, "subject = $1")
_SAVE: Final = upsert("deletion_receipts", _COLUMNS, key=["subject"])


class PostgresReceipts:
    """Fulfils `ReceiptRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def by_subject(self, subject: str) -> DeletionReceipt | None:
        row = await self._connection.fetchrow(_BY_SUBJECT, subject)
        return None if row is None else to_receipt(row)

    async def save(self, receipt: DeletionReceipt) -> None:
        await self._connection.execute(_SAVE, *_values(receipt))


def to_receipt(row: asyncpg.Record) -> DeletionReceipt:
    return DeletionReceipt(
        id=row["id"],
        subject=row["subject"],
        due_at=row["due_at"],
        deleted_at=row["deleted_at"],
        objects=to_deleted_objects(row["objects"]),
        rows=row["row_counts"],
        digest=row["digest"],
        verified_at=row["verified_at"],
    )


def _values(receipt: DeletionReceipt) -> tuple[Any, ...]:
    return (
        receipt.id,
        receipt.subject,
        receipt.due_at,
        receipt.deleted_at,
        receipt.objects,
        receipt.rows,
        receipt.digest,
        receipt.verified_at,
    )
