"""One buyer's invoices, in memory; printed by the real printer."""

from uuid import UUID

from invoice_samples import INVOICE, invoice
from madang.adapters.reportlab.invoice_pdf import InvoicePdf
from madang.core.billing.invoices.reading import InvoiceView
from madang.core.billing.invoices.sheet import Buyer, Language
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import NotFound
from madang.core.kernel.paging import Page, PageRequest

BUYER = UUID("01997f2e-6c00-7a10-9c3e-0242ac120003")


class InMemoryInvoices:
    """Fulfils `Invoices`."""

    def __init__(self) -> None:
        self.view = InvoiceView(invoice(), Buyer("홍길동", "hong@example.com"))

    async def page(self, caller: Caller, request: PageRequest) -> Page[InvoiceView]:
        found = [self.view] if caller.person == BUYER else []
        return Page(found[request.offset : request.offset + request.limit], len(found), request.page, request.limit)

    async def get(self, caller: Caller, invoice_id: UUID) -> InvoiceView:
        if caller.person != BUYER:
            raise NotFound("none", code="INVOICE_NOT_FOUND")
        return await self.linked(invoice_id)

    async def linked(self, invoice_id: UUID) -> InvoiceView:
        if invoice_id != INVOICE:
            raise NotFound("none", code="INVOICE_NOT_FOUND")
        return self.view

    async def of_payment(self, payment_id: UUID) -> InvoiceView:
        return self.view

    def pdf(self, view: InvoiceView, language: Language) -> bytes:
        return InvoicePdf().print(view.sheet(language, "Asia/Seoul"), at=view.invoice.issued_at)
