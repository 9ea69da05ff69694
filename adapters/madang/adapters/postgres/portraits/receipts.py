"""Deletion receipts in PostgreSQL."""

from datetime import datetime
from typing import Any, Final

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.documents import to_deleted_objects
from madang.adapters.postgres.statements import affected, select, upsert
from madang.core.operations.deletion import DeletionReceipt

RECEIPT: Final = ("id", "subject", "due_at", "deleted_at", "objects", "row_counts", "digest", "verified_at")
_BY_SUBJECT: Final = select("deletion_receipts", RECEIPT, "subject = $1")
_SAVE: Final = upsert("deletion_receipts", RECEIPT, key=["subject"])
_PRUNE: Final = """
DELETE FROM deletion_receipts WHERE id = ANY (ARRAY(
    SELECT id FROM deletion_receipts WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""


class PostgresReceipts:
    """Fulfils `ReceiptRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def by_subject(self, subject: str) -> DeletionReceipt | None:
        row = await self._connection.fetchrow(_BY_SUBJECT, subject)
        return None if row is None else to_receipt(row)

    async def save(self, receipt: DeletionReceipt) -> None:
        await self._connection.execute(_SAVE, *_values(receipt))

    async def prune(self, before: datetime, *, limit: int) -> int:
        return affected(await self._connection.execute(_PRUNE, before, limit))


def to_receipt(row: asyncpg.Record, *, prefix: str = "") -> DeletionReceipt:
    """`prefix` is how the row names the columns when it holds others too."""
    return DeletionReceipt(
        id=row[f"{prefix}id"],
        subject=row[f"{prefix}subject"],
        due_at=row[f"{prefix}due_at"],
        deleted_at=row[f"{prefix}deleted_at"],
        objects=to_deleted_objects(row[f"{prefix}objects"]),
        rows=row[f"{prefix}row_counts"],
        digest=row[f"{prefix}digest"],
        verified_at=row[f"{prefix}verified_at"],
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
