"""What HTTP asks of the composed process about invoices."""

from typing import Protocol
from uuid import UUID

from madang.core.billing.invoices.reading import InvoiceView
from madang.core.billing.invoices.sheet import Language
from madang.core.kernel.caller import Caller
from madang.core.kernel.paging import Page, PageRequest


class Invoices(Protocol):
    """The use cases of a buyer (`InvoiceService`)."""

    async def page(self, caller: Caller, request: PageRequest) -> Page[InvoiceView]: ...

    async def get(self, caller: Caller, invoice_id: UUID) -> InvoiceView: ...

    async def linked(self, invoice_id: UUID) -> InvoiceView: ...

    async def of_payment(self, payment_id: UUID) -> InvoiceView: ...

    def pdf(self, view: InvoiceView, language: Language) -> bytes: ...


class InvoiceParts(Protocol):
    @property
    def invoices(self) -> Invoices: ...
