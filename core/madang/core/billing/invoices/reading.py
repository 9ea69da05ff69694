"""Reading invoices: the buyer's own, or by their number for whoever runs the deployment."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from madang.core.billing.invoices.model import BUYER_EMAIL, BUYER_NAME, Invoice
from madang.core.billing.invoices.repository import InvoicesUnitOfWork
from madang.core.billing.invoices.sheet import Buyer, InvoicePrinter, InvoiceSheet, Language, sheet_of
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import NotFound
from madang.core.kernel.paging import Page, PageRequest
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory

_NOT_FOUND: Final = "INVOICE_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class InvoiceView:
    """A document with its buyer opened. `invoice.content` is read from the text each time: ask for it once."""

    invoice: Invoice
    buyer: Buyer

    def sheet(self, language: Language, timezone: str) -> InvoiceSheet:
        return sheet_of(self.invoice, self.buyer, language, timezone)


class InvoiceService:
    def __init__(
        self, units: UnitOfWorkFactory[InvoicesUnitOfWork], cipher: PersonalDataCipher, printer: InvoicePrinter, timezone: str
    ) -> None:
        self._units = units
        self._cipher = cipher
        self._printer = printer
        self._timezone = timezone

    async def page(self, caller: Caller, request: PageRequest) -> Page[InvoiceView]:
        """The newest first."""
        async with self._units() as uow:
            page = await uow.invoices.page(caller.person, request)
        return Page([self._opened(invoice) for invoice in page.items], page.total, page.page, page.limit)

    async def get(self, caller: Caller, invoice_id: UUID) -> InvoiceView:
        """Raises `NotFound`, also for somebody else's."""
        view = await self.linked(invoice_id)
        if view.invoice.user_id != caller.person:
            raise _missing()
        return view

    async def linked(self, invoice_id: UUID) -> InvoiceView:
        """For whoever holds a token for this one document. Raises `NotFound`."""
        async with self._units() as uow:
            invoice = await uow.invoices.get(invoice_id)
        if invoice is None:
            raise _missing()
        return self._opened(invoice)

    async def of_payment(self, payment_id: UUID) -> InvoiceView:
        """For whoever may know of this payment. Raises `NotFound` before it is paid."""
        async with self._units() as uow:
            documents = await uow.invoices.of_payment(payment_id)
        if not documents:
            raise _missing()
        return self._opened(documents[0])

    async def numbered(self, number: str) -> InvoiceView:
        """Anybody's, for the command line. Raises `NotFound`."""
        async with self._units() as uow:
            invoice = await uow.invoices.by_number(number)
        if invoice is None:
            raise _missing()
        return self._opened(invoice)

    def pdf(self, view: InvoiceView, language: Language) -> bytes:
        """Tens of milliseconds of work: call it in a thread."""
        return self._printer.print(view.sheet(language, self._timezone), at=view.invoice.issued_at)

    def _opened(self, invoice: Invoice) -> InvoiceView:
        name, email = invoice.buyer_name, invoice.buyer_email
        return InvoiceView(
            invoice,
            Buyer(
                None if name is None else self._cipher.decrypt(name, purpose=BUYER_NAME),
                None if email is None else self._cipher.decrypt(email, purpose=BUYER_EMAIL),
            ),
        )


def _missing() -> NotFound:
    return NotFound("there is no such invoice", code=_NOT_FOUND)


def file_name(invoice: Invoice) -> str:
    """`INV-2026-000001.pdf`"""
    return f"{invoice.number}.pdf"
