"""A provider's payments as a whole, for reconciliation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.payments import COLUMNS, payment_in
from madang.adapters.postgres.statements import select
from madang.core.billing.model import Payment
from madang.core.billing.reconciling import Place

_NAMED: Final = select("payments", COLUMNS, "provider = $1 AND (id = ANY ($2::uuid[]) OR reference = ANY ($3::text[]))")
_OPENED: Final = select(
    "payments",
    COLUMNS,
    "provider = $1 AND created_at >= $2 AND created_at < $3 "
    "AND ($4::timestamptz IS NULL OR (created_at, id) > ($4, $5::uuid)) ORDER BY created_at, id LIMIT $6",
)


class PostgresPaymentBooks:
    """Fulfils `PaymentBooks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def named(self, provider: str, ids: Sequence[UUID], references: Sequence[str]) -> Sequence[Payment]:
        rows = await self._connection.fetch(_NAMED, provider, list(ids), list(references))
        return [payment_in(row) for row in rows]

    async def opened(
        self, provider: str, since: datetime, until: datetime, *, after: Place | None, limit: int
    ) -> Sequence[Payment]:
        moment, last = after or (None, None)
        rows = await self._connection.fetch(_OPENED, provider, since, until, moment, last, limit)
        return [payment_in(row) for row in rows]
