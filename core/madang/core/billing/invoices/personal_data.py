"""What invoices know about a person: the buyer's name and e-mail. The law keeps the documents: they stay without them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.billing.invoices.model import BUYER_EMAIL, BUYER_NAME, Invoice
from madang.core.billing.invoices.repository import InvoicesUnitOfWork
from madang.core.kernel.protection import PersonalDataCipher


class InvoicesPersonalData:
    """Fulfils `PersonalData`. To be asked after the payments: an invoice that is being issued holds its payment's row, so
    nothing is issued to a person between the two."""

    name: Final = "invoices"
    tables: Final = frozenset({"invoices"})

    def __init__(self, cipher: PersonalDataCipher) -> None:
        self._cipher = cipher

    async def export(self, uow: InvoicesUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        return {"invoices": [self._told(invoice) for invoice in await uow.invoices.of_user(user_id)]}

    async def forget_outside(self, user_id: UUID) -> None:
        """Nothing of a document lies outside."""

    async def erase(self, uow: InvoicesUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        return {"invoices": await uow.invoices.forget_user(user_id)}

    def _told(self, invoice: Invoice) -> Mapping[str, Any]:
        return {
            "id": str(invoice.id),
            "kind": invoice.kind.value,
            "number": invoice.number,
            "paymentId": str(invoice.payment_id),
            "amount": invoice.amount.amount,
            "currency": invoice.amount.currency,
            "lines": [line.description for line in invoice.content.lines],
            "buyerName": self._opened(invoice.buyer_name, BUYER_NAME),
            "buyerEmail": self._opened(invoice.buyer_email, BUYER_EMAIL),
            "issuedAt": invoice.issued_at,
        }

    def _opened(self, sealed: bytes | None, purpose: str) -> str | None:
        return None if sealed is None else self._cipher.decrypt(sealed, purpose=purpose)
