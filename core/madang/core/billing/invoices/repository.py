"""What invoices ask of storage."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from madang.core.billing.invoices.model import Invoice
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.kernel.paging import Page, PageRequest
from madang.core.notifications.repository import NotificationsUnitOfWork


class InvoiceRepository(Protocol):
    async def next_number(self, series: str) -> int:
        """One more than the last one of the series, 1 for the first. Whoever asks next waits until this commit: a number is
        taken with its document, or not at all."""
        ...

    async def add(self, invoice: Invoice) -> None: ...

    async def get(self, invoice_id: UUID) -> Invoice | None: ...

    async def by_number(self, number: str) -> Invoice | None: ...

    async def of_payment(self, payment_id: UUID) -> Sequence[Invoice]:
        """The invoice first, then its credit notes in the order of their issue."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[Invoice]:
        """The oldest first."""
        ...

    async def page(self, user_id: UUID, request: PageRequest) -> Page[Invoice]:
        """The newest first."""
        ...

    async def forget_user(self, user_id: UUID) -> int:
        """The documents stay, without the person; answers how many there were."""
        ...


class InvoicesUnitOfWork(BillingUnitOfWork, NotificationsUnitOfWork, Protocol):
    @property
    def invoices(self) -> InvoiceRepository: ...
