"""A provider's payments as a whole, for reconciliation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.adapters.postgres.billing.payments import COLUMNS, payment_in
from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import select
from madang.core.billing.model import Payment
from madang.core.billing.reconciling import Place

_NAMED: Final = select("payments", COLUMNS, "provider = $1 AND (id = ANY ($2::uuid[]) OR reference = ANY ($3::text[]))")
_OPENED: Final = select(
    "payments",
    COLUMNS,
    "provider = $1 AND created_at < $2 AND (created_at, id) >= ($3, $4::uuid) ORDER BY created_at, id LIMIT $5",
)
"""One comparison, from the beginning or from behind the page before: with a choice between them each page reads all of them."""
_LAST: Final = 2**128 - 1


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
        moment, first = (since, UUID(int=0)) if after is None else (after[0], UUID(int=min(after[1].int + 1, _LAST)))
        rows = await self._connection.fetch(_OPENED, provider, until, moment, first, limit)
        return [payment_in(row) for row in rows]
