"""`PaymentGateway` in memory; money is numbers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from madang.adapters.memory import capabilities
from madang.adapters.memory.provider import rejected
from madang.adapters.memory.signatures import believed_webhook, signed_webhook
from madang.adapters.memory.stored_methods import MemoryStoredMethods
from madang.adapters.memory.subscriptions import MemorySubscriptions
from madang.ports.money import Money
from madang.ports.payment import (
    Checkout,
    CheckoutRequest,
    CloseCheckoutRequest,
    PaymentCapabilities,
    PaymentNotice,
    PaymentPage,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    RemotePaymentStatus,
    RemoteRefundStatus,
)
from madang.ports.payment_unsupported import NoCapture, NoConfirm
from madang.ports.webhook import WebhookRequest

PAGE: Final = 100
PAID: Final = (RemotePaymentStatus.PAID, RemotePaymentStatus.PARTLY_REFUNDED)


class MemoryPaymentGateway(MemorySubscriptions, MemoryStoredMethods, NoCapture, NoConfirm):
    """Fulfils `PaymentGateway`. `pay` and `fail` are what the person does at the checkout, `announce` the webhook about it."""

    @property
    def capabilities(self) -> PaymentCapabilities:
        return capabilities.PAYMENT

    def pay(self, reference: str, method: str = "card") -> None:
        """The person pays. Nothing happens to what is paid, refunded or over."""
        payment = self._payment(reference, "pay")
        if payment.status is RemotePaymentStatus.PENDING:
            paid = replace(payment, status=RemotePaymentStatus.PAID, paid_at=datetime.now(UTC), method=method)
            self._payments[reference] = paid

    def fail(self, reference: str) -> None:
        """The person's card is declined."""
        self._payments[reference] = replace(
            self._payment(reference, "fail"), status=RemotePaymentStatus.FAILED, failure="declined"
        )

    def announce(self, reference: str, signed_at: datetime | None = None) -> WebhookRequest:
        """The signed webhook about this payment, received now."""
        now = datetime.now(UTC)
        event = {"kind": "payment.changed", "reference": reference}
        return signed_webhook(self._context.signing_key, self.world.next_id("event"), event, signed_at or now, now)

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        if request.amount.amount <= 0:
            raise rejected("an amount is more than nothing", "invalid_request", "open_checkout")

        def make(identity: str) -> Checkout:
            zero = Money.zero(request.amount.currency)
            self._payments[identity] = PaymentSnapshot(
                identity, RemotePaymentStatus.PENDING, request.amount, zero, request.payment_id
            )
            self._opened[identity] = datetime.now(UTC)
            return Checkout(f"{self._context.base_url}/memory/checkout/{identity}", identity, expires_at=request.expires_at)

        return await self.world.effect(
            "payment.open_checkout", lambda: self.world.once("payment", request, make), request.timeout
        )

    async def close_checkout(self, request: CloseCheckoutRequest) -> PaymentSnapshot:
        def act() -> PaymentSnapshot:
            payment = self._payment(request.reference, "close_checkout")
            if payment.status is RemotePaymentStatus.PENDING:
                payment = self._payments[request.reference] = replace(payment, status=RemotePaymentStatus.EXPIRED)
            return payment

        return await self.world.effect("payment.close_checkout", act, request.timeout)

    async def fetch(self, reference: str) -> PaymentSnapshot:
        return await self.world.look("payment.fetch", lambda: self._payment(reference, "fetch"))

    async def find(self, payment_id: str) -> PaymentSnapshot | None:
        def look() -> PaymentSnapshot | None:
            return next((each for each in self._payments.values() if each.payment_id == payment_id), None)

        return await self.world.look("payment.find", look)

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        def act() -> RefundSnapshot:
            payment = self._payment(request.reference, "refund")
            if self.world.identity_of("refund", request.idempotency_key) is None:
                _check_refund(payment, request.amount)
            return self.world.once("refund", request, lambda identity: self._give_back(payment, request, identity))

        return await self.world.effect("payment.refund", act, request.timeout)

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        def look() -> RefundSnapshot | None:
            identity = self.world.identity_of("refund", idempotency_key)
            of, refund = self._refunds.get(identity or "", ("", None))
            return refund if of == reference else None

        return await self.world.look("payment.find_refund", look)

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        event_id, event = believed_webhook(self._context.signing_key, request)
        kind, subscription = str(event.get("kind")), event.get("subscription")
        payment = self._payments.get(str(event.get("reference") or ""))
        if payment is None:
            return [PaymentNotice(event_id, kind, subscription=subscription)]
        return [PaymentNotice(event_id, kind, None, payment.reference, payment.payment_id, subscription, payment)]

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        def look() -> PaymentPage:
            of_span = [each for each, opened in self._opened.items() if since <= opened < until]
            start = of_span.index(cursor) + 1 if cursor in of_span else 0
            page = of_span[start : start + PAGE]
            more = len(of_span) > start + PAGE
            return PaymentPage([self._payments[each] for each in page], page[-1] if more else None)

        return await self.world.look("payment.list_payments", look)

    @property
    def _payments(self) -> dict[str, PaymentSnapshot]:
        return self.world.shelf("payment")

    @property
    def _opened(self) -> dict[str, datetime]:
        return self.world.shelf("payment.opened")

    @property
    def _refunds(self) -> dict[str, tuple[str, RefundSnapshot | None]]:
        return self.world.shelf("payment.refunds")

    def _payment(self, reference: str, operation: str) -> PaymentSnapshot:
        if reference not in self._payments:
            raise rejected("no payment has this reference", "not_found", operation)
        return self._payments[reference]

    def _give_back(self, payment: PaymentSnapshot, request: RefundRequest, identity: str) -> RefundSnapshot:
        refunded = payment.refunded + request.amount
        whole = refunded == payment.amount
        status = RemotePaymentStatus.REFUNDED if whole else RemotePaymentStatus.PARTLY_REFUNDED
        self._payments[payment.reference] = replace(payment, status=status, refunded=refunded)
        made = RefundSnapshot(identity, RemoteRefundStatus.SUCCEEDED, request.amount)
        self._refunds[identity] = (payment.reference, made)
        return made


def _check_refund(payment: PaymentSnapshot, amount: Money) -> None:
    if amount.currency != payment.amount.currency or amount.amount <= 0:
        raise rejected("a refund is some of the payment's own currency", "invalid_request", "refund")
    if payment.status is RemotePaymentStatus.REFUNDED or payment.refunded + amount > payment.amount:
        raise rejected("that is more than was paid", "amount_exceeded", "refund")
    if payment.status not in PAID:
        raise rejected("nothing was paid", "not_refundable", "refund")
