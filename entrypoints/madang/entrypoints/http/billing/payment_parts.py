"""What HTTP asks of the composed process about payments: the part of the container that these routes touch."""

from typing import Protocol
from uuid import UUID

from madang.core.billing.checkouts import NewCheckout
from madang.core.billing.inbox_keeping import NoticeFilter
from madang.core.billing.model import Payment, PaymentStatus, Refund
from madang.core.billing.payments import NewRefund, PaymentView
from madang.core.billing.plan_checkouts import OpenedCheckout
from madang.core.billing.repository import PaymentFilter
from madang.core.kernel.caller import Caller
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.paging import CursorPage, CursorRequest, Page, PageRequest
from madang.ports.money import Money


class Checkouts(Protocol):
    def check_pages(self, success_url: str, cancel_url: str) -> None: ...

    async def open(self, caller: Caller, new: NewCheckout) -> OpenedCheckout: ...


class Payments(Protocol):
    """What people do with a payment (`Payments` of the core)."""

    async def page(self, caller: Caller, request: PageRequest, *, status: PaymentStatus | None = None) -> Page[Payment]: ...

    async def listing(self, request: CursorRequest, wanted: PaymentFilter) -> CursorPage[Payment]: ...

    async def get(self, caller: Caller, payment_id: UUID) -> PaymentView: ...

    async def confirm(
        self, caller: Caller, payment_id: UUID, *, key: str | None = None, amount: Money | None = None
    ) -> PaymentView: ...

    async def request_refund(self, caller: Caller, payment_id: UUID, new: NewRefund) -> Refund: ...

    async def refund(self, caller: Caller, payment_id: UUID, refund_id: UUID) -> Refund: ...


class InboxKeeping(Protocol):
    """Payment providers' notices for administrators (`InboxKeeping` of the core)."""

    async def page(self, request: CursorRequest, wanted: NoticeFilter) -> CursorPage[InboxEntry]: ...

    async def replay(self, caller: Caller, entry_id: UUID) -> InboxEntry: ...


class PaymentParts(Protocol):
    """Fulfilled by the process's container."""

    @property
    def checkouts(self) -> Checkouts: ...

    @property
    def payments(self) -> Payments: ...

    @property
    def inbox_keeping(self) -> InboxKeeping: ...
