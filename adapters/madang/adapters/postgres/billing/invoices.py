"""Invoices in PostgreSQL. A trigger refuses to change an issued one."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select
from madang.core.billing.invoices.model import Invoice, InvoiceKind
from madang.core.kernel.paging import Page, PageRequest
from madang.ports.money import Money

_COLUMNS: Final = (
    "id",
    "kind",
    "series",
    "sequence",
    "number",
    "payment_id",
    "amount",
    "currency",
    "issued_at",
    "written",
    "content_hash",
    "credited_id",
    "refund_id",
    "user_id",
    "buyer_name",
    "buyer_email",
)
_NEXT: Final = """
INSERT INTO invoice_series (series, last) VALUES ($1, 1)
ON CONFLICT (series) DO UPDATE SET last = invoice_series.last + 1 RETURNING last
"""
_ADD: Final = insert("invoices", _COLUMNS)
_GET: Final = select("invoices", _COLUMNS, "id = $1")
_BY_NUMBER: Final = select("invoices", _COLUMNS, "number = $1")
_OF_PAYMENT: Final = select("invoices", _COLUMNS, "payment_id = $1 ORDER BY kind <> 'invoice', issued_at, sequence")
_OF_USER: Final = select("invoices", _COLUMNS, "user_id = $1 ORDER BY id")
_PAGE: Final = select("invoices", _COLUMNS, "user_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3")
_COUNT: Final = "SELECT count(*) FROM invoices WHERE user_id = $1"
_FORGET_USER: Final = "UPDATE invoices SET user_id = NULL, buyer_name = NULL, buyer_email = NULL WHERE user_id = $1"
_FARTHEST: Final = 2**63 - 1
"""The largest offset that PostgreSQL knows; whoever asks for a page beyond it gets an empty one."""


class PostgresInvoices:
    """Fulfils `InvoiceRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def next_number(self, series: str) -> int:
        """The counter's row stays locked until the commit, and a rollback takes the number back."""
        last: int = await self._connection.fetchval(_NEXT, series)
        return last

    async def add(self, invoice: Invoice) -> None:
        await self._connection.execute(_ADD, *_values(invoice))

    async def get(self, invoice_id: UUID) -> Invoice | None:
        row = await self._connection.fetchrow(_GET, invoice_id)
        return None if row is None else _invoice(row)

    async def by_number(self, number: str) -> Invoice | None:
        row = await self._connection.fetchrow(_BY_NUMBER, number)
        return None if row is None else _invoice(row)

    async def of_payment(self, payment_id: UUID) -> Sequence[Invoice]:
        return [_invoice(row) for row in await self._connection.fetch(_OF_PAYMENT, payment_id)]

    async def of_user(self, user_id: UUID) -> Sequence[Invoice]:
        return [_invoice(row) for row in await self._connection.fetch(_OF_USER, user_id)]

    async def page(self, user_id: UUID, request: PageRequest) -> Page[Invoice]:
        total: int = await self._connection.fetchval(_COUNT, user_id)
        rows = await self._connection.fetch(_PAGE, user_id, request.limit, min(request.offset, _FARTHEST))
        return Page([_invoice(row) for row in rows], total, request.page, request.limit)

    async def forget_user(self, user_id: UUID) -> int:
        return affected(await self._connection.execute(_FORGET_USER, user_id))


def _invoice(row: asyncpg.Record) -> Invoice:
    return Invoice(
        id=row["id"],
        kind=InvoiceKind(row["kind"]),
        series=row["series"],
        sequence=row["sequence"],
        payment_id=row["payment_id"],
        amount=Money(row["amount"], row["currency"]),
        issued_at=row["issued_at"],
        written=row["written"],
        content_hash=row["content_hash"],
        credited_id=row["credited_id"],
        refund_id=row["refund_id"],
        user_id=row["user_id"],
        buyer_name=row["buyer_name"],
        buyer_email=row["buyer_email"],
    )


def _values(invoice: Invoice) -> tuple[Any, ...]:
    return (
        invoice.id,
        invoice.kind.value,
        invoice.series,
        invoice.sequence,
        invoice.number,
        invoice.payment_id,
        invoice.amount.amount,
        invoice.amount.currency,
        invoice.issued_at,
        invoice.written,
        invoice.content_hash,
        invoice.credited_id,
        invoice.refund_id,
        invoice.user_id,
        invoice.buyer_name,
        invoice.buyer_email,
    )
