"""Disputes of payments in PostgreSQL: one row for each payment, as its dispute stands last."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import select, upsert
from madang.core.billing.disputes import Dispute, DisputeStatus

_COLUMNS: Final = ("payment_id", "provider", "status", "taken", "opened_at", "changed_at", "answered_at")
_OF_PAYMENT: Final = select("payment_disputes", _COLUMNS, "payment_id = $1")
_WAITING: Final = select("payment_disputes", _COLUMNS, "status = 'reversed' AND answered_at IS NULL ORDER BY changed_at")
_SAVE: Final = upsert("payment_disputes", _COLUMNS, key=("payment_id",), keep=("opened_at",))


class PostgresDisputes:
    """Fulfils `DisputeRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of_payment(self, payment_id: UUID) -> Dispute | None:
        row = await self._connection.fetchrow(_OF_PAYMENT, payment_id)
        return None if row is None else _dispute(row)

    async def waiting(self) -> Sequence[Dispute]:
        return [_dispute(row) for row in await self._connection.fetch(_WAITING)]

    async def save(self, dispute: Dispute) -> None:
        values = (dispute.payment_id, dispute.provider, dispute.status.value, dispute.taken)
        await self._connection.execute(_SAVE, *values, dispute.opened_at, dispute.changed_at, dispute.answered_at)


def _dispute(row: asyncpg.Record) -> Dispute:
    return Dispute(**{**row, "status": DisputeStatus(row["status"])})
