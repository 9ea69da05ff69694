"""Amounts that somebody told of a payment and that are not ours: what the alert counts."""

from datetime import datetime
from typing import Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected
from madang.core.kernel.ids import new_id
from madang.ports.money import Money

_ADD: Final = """
INSERT INTO amount_mismatches (id, payment_id, provider, amount, currency, seen_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (payment_id, amount, currency) DO UPDATE SET times = amount_mismatches.times + 1, seen_at = excluded.seen_at
"""
_COUNT_WITH_LAST: Final = """
WITH kept AS (SELECT id, amount, currency, seen_at FROM amount_mismatches WHERE payment_id = $1)
UPDATE amount_mismatches SET times = times + 1, seen_at = $2
WHERE (SELECT count(*) FROM kept) >= $3
  AND NOT EXISTS (SELECT FROM kept WHERE amount = $4 AND currency = $5)
  AND id = (SELECT id FROM kept ORDER BY seen_at DESC, id DESC LIMIT 1)
"""
"""Nothing, while there are fewer than so many, or for an amount that is among them."""


_LARGEST: Final = 2**63 - 1


class PostgresAmountMismatches:
    """Fulfils `AmountMismatchRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, payment_id: UUID, provider: str, told: Money, now: datetime, *, at_most: int | None = None) -> None:
        amount, currency = min(told.amount, _LARGEST), told.currency
        if at_most is not None and affected(
            await self._connection.execute(_COUNT_WITH_LAST, payment_id, now, at_most, amount, currency)
        ):
            return
        await self._connection.execute(_ADD, new_id(), payment_id, provider, amount, currency, now)
