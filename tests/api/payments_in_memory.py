"""Payments for the fast tests: one that is paid, of whoever asks, and a refund of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from madang.core.billing.attempts import AttemptOperation, AttemptStatus, PaymentAttempt
from madang.core.billing.checkouts import NewCheckout
from madang.core.billing.inbox_keeping import NoticeFilter
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus, Refund, RefundStatus
from madang.core.billing.payments import NewRefund, PaymentView
from madang.core.billing.plan_checkouts import OpenedCheckout
from madang.core.billing.repository import PaymentFilter
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import Conflict, NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.paging import CursorPage, CursorRequest, Page, PageRequest
from madang.ports.money import Money

PRICE = Money(5000, "KRW")


class InMemoryPayments:
    """Checkouts, payments and notices."""

    def __init__(self, clock: Any) -> None:
        now = clock.now()
        self.payment = Payment(
            new_id(), "items", "checkout:1", PRICE, "sandbox", PaymentStatus.PAID, now, now, now + timedelta(hours=1),
            lines=(PaymentLine("A thing", 1, 5000, "thing"),),
        )  # fmt: skip
        self.attempt = PaymentAttempt(
            new_id(), self.payment.id, 1, "sandbox", AttemptOperation.CHECKOUT, AttemptStatus.SUCCEEDED, now, now
        )
        self.given_back = Refund(new_id(), self.payment.id, "key", PRICE, "reason", RefundStatus.SUCCEEDED, now, now)

    def check_pages(self, success_url: str, cancel_url: str) -> None:
        """Any page will do."""

    async def open(self, caller: Caller, new: NewCheckout) -> OpenedCheckout:
        if new.plan_id is not None:
            raise NotFound("none", code="PLAN_NOT_FOUND")
        return OpenedCheckout(new.id, "sandbox", "https://pay.test.invalid/c", {}, new.id)

    async def page(self, caller: Caller, request: PageRequest, *, status: PaymentStatus | None = None) -> Page[Payment]:
        return Page([self.payment], 1, request.page, request.limit)

    async def listing(self, request: CursorRequest, wanted: PaymentFilter) -> CursorPage[Payment]:
        return CursorPage([self.payment], request.limit)

    async def get(self, caller: Caller, payment_id: UUID) -> PaymentView:
        return PaymentView(replace(self.payment, id=payment_id), [self.attempt], [self.given_back])

    async def confirm(
        self, caller: Caller, payment_id: UUID, *, key: str | None = None, amount: Money | None = None
    ) -> PaymentView:
        if amount not in (None, PRICE):
            raise Conflict("another amount", code="AMOUNT_MISMATCH")
        return await self.get(caller, payment_id)

    async def request_refund(self, caller: Caller, payment_id: UUID, new: NewRefund) -> Refund:
        if new.amount is not None and new.amount != PRICE:
            raise Conflict("more than is left", code="REFUND_EXCEEDS_PAYMENT", left={"amount": 5000, "currency": "KRW"})
        return self.given_back

    async def refund(self, caller: Caller, payment_id: UUID, refund_id: UUID) -> Refund:
        return self.given_back


class InMemoryNotices:
    def __init__(self, clock: Any) -> None:
        self.notice = InboxEntry(new_id(), "sandbox", "event", "payment.paid", {}, clock.now(), clock.now(), "applied")

    async def page(self, request: CursorRequest, wanted: NoticeFilter) -> CursorPage[InboxEntry]:
        return CursorPage([self.notice], request.limit)

    async def replay(self, caller: Caller, entry_id: UUID) -> InboxEntry:
        return replace(self.notice, id=entry_id, handled_at=None, outcome=None)
