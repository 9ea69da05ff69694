"""Amounts that somebody told of a payment and that are not ours: what the alert counts."""

from datetime import datetime
from typing import Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.core.kernel.ids import new_id
from madang.ports.money import Money

_ADD: Final = """
INSERT INTO amount_mismatches (id, payment_id, provider, amount, currency, seen_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (payment_id, amount, currency) DO UPDATE SET times = amount_mismatches.times + 1, seen_at = excluded.seen_at
"""


_LARGEST: Final = 2**63 - 1


class PostgresAmountMismatches:
    """Fulfils `AmountMismatchRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, payment_id: UUID, provider: str, told: Money, now: datetime) -> None:
        await self._connection.execute(_ADD, new_id(), payment_id, provider, min(told.amount, _LARGEST), told.currency, now)
