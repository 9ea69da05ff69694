"""Payments and refunds in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.operations.audit import id_in
from madang.adapters.postgres.statements import affected, insert, matching, select, update
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus, Refund, RefundStatus
from madang.core.billing.repository import PaymentFilter
from madang.core.kernel.errors import AlreadyExists, NotFound
from madang.core.kernel.paging import CursorPage, CursorRequest, Page, PageRequest
from madang.ports.money import Money

COLUMNS: Final = (
    "id",
    "purpose",
    "subject",
    "amount",
    "currency",
    "provider",
    "status",
    "created_at",
    "updated_at",
    "expires_at",
    "reference",
    "checkout_url",
    "client_params",
    "refunded",
    "paid_at",
    "method",
    "failure",
    "user_id",
    "country",
    "description",
    "lines",
    "client_reference",
    "tax",
    "locale",
    "method_country",
)
_REFUND_COLUMNS: Final = (
    "id",
    "payment_id",
    "key",
    "amount",
    "currency",
    "reason",
    "status",
    "created_at",
    "updated_at",
    "remote_id",
    "failure",
)
_GET: Final = {lock: select("payments", COLUMNS, "id = $1", lock=lock) for lock in (False, True)}
_BY_REFERENCE: Final = {
    lock: select("payments", COLUMNS, "provider = $1 AND reference = $2", lock=lock) for lock in (False, True)
}
_ADD: Final = insert(
    "payments",
    COLUMNS,
    on_conflict="ON CONFLICT (user_id, client_reference) WHERE client_reference IS NOT NULL DO NOTHING",
)
_REFERENCES_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('reference:' || $1::text || ':' || $2::text, 0))"
_REFERRED: Final = """
SELECT id FROM payments WHERE user_id = $1 AND client_reference = $2
UNION ALL
SELECT id FROM subscriptions WHERE user_id = $1 AND client_reference = $2
LIMIT 1
"""
_OF_BUYER: Final = "user_id = $1 AND ($2::text IS NULL OR status = $2)"
_COUNT: Final = f"SELECT count(*) FROM payments WHERE {_OF_BUYER}"  # noqa: S608 - a constant of this module
_PAGE_OF: Final = select("payments", COLUMNS, f"{_OF_BUYER} ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4")
_FARTHEST: Final = 2**63 - 1
_UPDATE: Final = update("payments", COLUMNS)
_OF_USER: Final = select("payments", COLUMNS, "user_id = $1 ORDER BY created_at, id")
_FORGET_USER: Final = "UPDATE payments SET user_id = NULL, client_reference = NULL WHERE user_id = $1"
_REFUNDS: Final = select("refunds", _REFUND_COLUMNS, "payment_id = $1 ORDER BY created_at, id")
_REFUND_BY_KEY: Final = select("refunds", _REFUND_COLUMNS, "key = $1")
_GET_REFUND: Final = {lock: select("refunds", _REFUND_COLUMNS, "id = $1", lock=lock) for lock in (False, True)}
_ADD_REFUND: Final = insert("refunds", _REFUND_COLUMNS, on_conflict="ON CONFLICT (key) DO NOTHING")
_UPDATE_REFUND: Final = update("refunds", _REFUND_COLUMNS)


class PostgresPayments:
    """Fulfils `PaymentRepository`; `update` and `update_refund` raise `NotFound` when there is no such row."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, payment_id: UUID, *, lock: bool = False) -> Payment | None:
        row = await self._connection.fetchrow(_GET[lock], payment_id)
        return None if row is None else payment_in(row)

    async def by_reference(self, provider: str, reference: str, *, lock: bool = False) -> Payment | None:
        row = await self._connection.fetchrow(_BY_REFERENCE[lock], provider, reference)
        return None if row is None else payment_in(row)

    async def add(self, payment: Payment) -> None:
        if affected(await self._connection.execute(_ADD, *_values(payment))):
            return
        first = await self._connection.fetchval(_REFERRED, payment.user_id, payment.client_reference)
        raise AlreadyExists("this client reference was used before", id=str(first or payment.id))

    async def referred(self, user_id: UUID, client_reference: str) -> UUID | None:
        await self._connection.execute(_REFERENCES_TURN, str(user_id), client_reference)
        found: UUID | None = await self._connection.fetchval(_REFERRED, user_id, client_reference)
        return found

    async def page_of(self, user_id: UUID, request: PageRequest, *, status: PaymentStatus | None = None) -> Page[Payment]:
        wanted = (user_id, None if status is None else status.value)
        total: int = await self._connection.fetchval(_COUNT, *wanted)
        rows = await self._connection.fetch(_PAGE_OF, *wanted, request.limit, min(request.offset, _FARTHEST))
        return Page([payment_in(row) for row in rows], total, request.page, request.limit)

    async def page(self, request: CursorRequest, wanted: PaymentFilter) -> CursorPage[Payment]:
        status = None if wanted.status is None else wanted.status.value
        named = {"user_id": wanted.user_id, "provider": wanted.provider, "status": status}
        along = "" if wanted.user_id else "status" if status else "provider" if wanted.provider else ""
        where, values = matching(named, after=2, along=along)
        rows = await self._connection.fetch(_page(where, along), id_in(request.cursor), request.limit + 1, *values)
        page = [payment_in(row) for row in rows[: request.limit]]
        return CursorPage(page, request.limit, page[-1].id.hex if len(rows) > request.limit else None)

    async def update(self, payment: Payment) -> None:
        if not affected(await self._connection.execute(_UPDATE, *_values(payment))):
            raise NotFound("no such payment")

    async def of_user(self, user_id: UUID) -> Sequence[Payment]:
        return [payment_in(row) for row in await self._connection.fetch(_OF_USER, user_id)]

    async def forget_user(self, user_id: UUID) -> int:
        return affected(await self._connection.execute(_FORGET_USER, user_id))

    async def refunds(self, payment_id: UUID) -> Sequence[Refund]:
        return [_refund(row) for row in await self._connection.fetch(_REFUNDS, payment_id)]

    async def refund_by_key(self, key: str) -> Refund | None:
        row = await self._connection.fetchrow(_REFUND_BY_KEY, key)
        return None if row is None else _refund(row)

    async def get_refund(self, refund_id: UUID, *, lock: bool = False) -> Refund | None:
        row = await self._connection.fetchrow(_GET_REFUND[lock], refund_id)
        return None if row is None else _refund(row)

    async def add_refund(self, refund: Refund) -> bool:
        return affected(await self._connection.execute(_ADD_REFUND, *_refund_values(refund))) == 1

    async def update_refund(self, refund: Refund) -> None:
        if not affected(await self._connection.execute(_UPDATE_REFUND, *_refund_values(refund))):
            raise NotFound("no such refund")


@cache
def _page(where: str, along: str) -> str:
    order = f"{along} DESC, id DESC" if along else "id DESC"
    return select("payments", COLUMNS, f"{where} AND ($1::uuid IS NULL OR id < $1) ORDER BY {order} LIMIT $2")


def payment_in(row: asyncpg.Record) -> Payment:
    return Payment(
        id=row["id"],
        purpose=row["purpose"],
        subject=row["subject"],
        amount=Money(row["amount"], row["currency"]),
        provider=row["provider"],
        status=PaymentStatus(row["status"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        reference=row["reference"],
        checkout_url=row["checkout_url"],
        client_params=row["client_params"],
        refunded=row["refunded"],
        paid_at=row["paid_at"],
        method=row["method"],
        failure=row["failure"],
        user_id=row["user_id"],
        country=row["country"],
        description=row["description"],
        lines=tuple(PaymentLine(**line) for line in row["lines"]),
        client_reference=row["client_reference"],
        tax=row["tax"],
        locale=row["locale"],
        method_country=row["method_country"],
    )


def _values(payment: Payment) -> tuple[Any, ...]:
    return (
        payment.id,
        payment.purpose,
        payment.subject,
        payment.amount.amount,
        payment.amount.currency,
        payment.provider,
        payment.status.value,
        payment.created_at,
        payment.updated_at,
        payment.expires_at,
        payment.reference,
        payment.checkout_url,
        payment.client_params,
        payment.refunded,
        payment.paid_at,
        payment.method,
        payment.failure,
        payment.user_id,
        payment.country,
        payment.description,
        [asdict(line) for line in payment.lines],
        payment.client_reference,
        payment.tax,
        payment.locale,
        payment.method_country,
    )


def _refund(row: asyncpg.Record) -> Refund:
    return Refund(
        id=row["id"],
        payment_id=row["payment_id"],
        key=row["key"],
        amount=Money(row["amount"], row["currency"]),
        reason=row["reason"],
        status=RefundStatus(row["status"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        remote_id=row["remote_id"],
        failure=row["failure"],
    )


def _refund_values(refund: Refund) -> tuple[Any, ...]:
    return (
        refund.id,
        refund.payment_id,
        refund.key,
        refund.amount.amount,
        refund.amount.currency,
        refund.reason,
        refund.status.value,
        refund.created_at,
        refund.updated_at,
        refund.remote_id,
        refund.failure,
    )
