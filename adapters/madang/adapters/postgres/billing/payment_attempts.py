"""Tries to be paid, in PostgreSQL."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.billing.attempts import AttemptOperation, AttemptStatus, PaymentAttempt
from madang.core.kernel.errors import NotFound

_COLUMNS: Final = (
    "id",
    "payment_id",
    "number",
    "provider",
    "operation",
    "status",
    "created_at",
    "updated_at",
    "reference",
    "code",
    "failure",
)
_OF_PAYMENT: Final = select("payment_attempts", _COLUMNS, "payment_id = $1 ORDER BY number")
_ADD: Final = insert("payment_attempts", _COLUMNS)
_UPDATE: Final = update("payment_attempts", _COLUMNS)


class PostgresPaymentAttempts:
    """Fulfils `AttemptRepository`; `update` raises `NotFound` when there is no such row."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of_payment(self, payment_id: UUID) -> Sequence[PaymentAttempt]:
        return [_attempt(row) for row in await self._connection.fetch(_OF_PAYMENT, payment_id)]

    async def add(self, attempt: PaymentAttempt) -> None:
        await self._connection.execute(_ADD, *_values(attempt))

    async def update(self, attempt: PaymentAttempt) -> None:
        if not affected(await self._connection.execute(_UPDATE, *_values(attempt))):
            raise NotFound("no such attempt")


def _attempt(row: asyncpg.Record) -> PaymentAttempt:
    told = {**row, "operation": AttemptOperation(row["operation"]), "status": AttemptStatus(row["status"])}
    return PaymentAttempt(**told)


def _values(attempt: PaymentAttempt) -> tuple[Any, ...]:
    return (
        attempt.id,
        attempt.payment_id,
        attempt.number,
        attempt.provider,
        attempt.operation.value,
        attempt.status.value,
        attempt.created_at,
        attempt.updated_at,
        attempt.reference,
        attempt.code,
        attempt.failure,
    )
