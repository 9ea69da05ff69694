"""Means of payment that providers keep for us, in PostgreSQL; their tokens are sealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.operations.audit import id_in
from madang.adapters.postgres.statements import affected, insert, select
from madang.core.billing.subscriptions.model import PaymentMethod
from madang.core.kernel.paging import CursorPage, CursorRequest

_COLUMNS: Final = ("id", "user_id", "provider", "customer_id", "label", "created_at", "token")
_GET: Final = {
    False: select("payment_methods", _COLUMNS, "id = $1 AND retired_at IS NULL"),
    True: select("payment_methods", _COLUMNS, "id = $1"),
}
_OF_USER: Final = select("payment_methods", _COLUMNS, "user_id = $1 AND retired_at IS NULL ORDER BY created_at, id")
_PAGE: Final = select(
    "payment_methods",
    _COLUMNS,
    "user_id = $1 AND retired_at IS NULL AND ($2::uuid IS NULL OR (created_at, id) < (SELECT created_at, id"
    " FROM payment_methods WHERE id = $2 AND user_id = $1)) ORDER BY created_at DESC, id DESC LIMIT $3",
)
_ALL_OF_USER: Final = select("payment_methods", _COLUMNS, "user_id = $1 ORDER BY id")
_RETIRE: Final = "UPDATE payment_methods SET retired_at = $2 WHERE id = $1 AND retired_at IS NULL"
_ADD: Final = insert("payment_methods", _COLUMNS, on_conflict="ON CONFLICT (id) DO NOTHING")
_DELETE: Final = "DELETE FROM payment_methods WHERE id = $1"
_RELEASE: Final = "UPDATE subscriptions SET method_id = NULL WHERE method_id = $1 AND status IN ('cancelled', 'ended')"
_IS_USED: Final = "SELECT EXISTS (SELECT FROM subscriptions WHERE method_id = $1 AND status NOT IN ('cancelled', 'ended'))"
_FORGET: Final = "DELETE FROM payment_methods WHERE user_id = $1"


class PostgresPaymentMethods:
    """Fulfils `PaymentMethodRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, method_id: UUID, *, retired: bool = False) -> PaymentMethod | None:
        row = await self._connection.fetchrow(_GET[retired], method_id)
        return None if row is None else _method(row)

    async def of_user(self, user_id: UUID) -> Sequence[PaymentMethod]:
        return [_method(row) for row in await self._connection.fetch(_OF_USER, user_id)]

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[PaymentMethod]:
        rows = await self._connection.fetch(_PAGE, user_id, id_in(request.cursor), request.limit + 1)
        page = [_method(row) for row in rows[: request.limit]]
        return CursorPage(page, request.limit, page[-1].id.hex if len(rows) > request.limit else None)

    async def all_of_user(self, user_id: UUID) -> Sequence[PaymentMethod]:
        return [_method(row) for row in await self._connection.fetch(_ALL_OF_USER, user_id)]

    async def add(self, method: PaymentMethod) -> None:
        await self._connection.execute(
            _ADD,
            method.id,
            method.user_id,
            method.provider,
            method.customer_id,
            method.label,
            method.created_at,
            method.token,
        )

    async def retire(self, method_id: UUID, now: datetime) -> bool:
        return affected(await self._connection.execute(_RETIRE, method_id, now)) == 1

    async def delete(self, method_id: UUID) -> None:
        await self._connection.execute(_RELEASE, method_id)
        await self._connection.execute(_DELETE, method_id)

    async def is_used(self, method_id: UUID) -> bool:
        found: bool = await self._connection.fetchval(_IS_USED, method_id)
        return found

    async def forget_user(self, user_id: UUID) -> int:
        return affected(await self._connection.execute(_FORGET, user_id))


def _method(row: asyncpg.Record) -> PaymentMethod:
    return PaymentMethod(*(row[name] for name in _COLUMNS))
