"""A payment provider in memory: what it holds is true, and what it tells may come late, twice or never."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from madang.ports.errors import Rejected, SignatureInvalid, Unsupported
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    CaptureRequest,
    ChangeSubscriptionRequest,
    ChargeRequest,
    Checkout,
    CheckoutRequest,
    CloseCheckoutRequest,
    ConfirmRequest,
    KeepMethodRequest,
    PaymentCapabilities,
    PaymentNotice,
    PaymentPage,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    RemotePaymentStatus,
    RemoteRefundStatus,
    ResumeSubscriptionRequest,
    StoredMethod,
    StoreMethodRequest,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)
from madang.ports.provider import ProviderHealth
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

ABLE = PaymentCapabilities(finds_by_payment_id=True, finds_refunds=True)
TAKEN = (RemotePaymentStatus.PAID, RemotePaymentStatus.PARTLY_REFUNDED, RemotePaymentStatus.REFUNDED)
SIGNATURE = "signed-by-the-test-bank"


@dataclass
class Bank:
    """Fulfils `PaymentGateway`. What is set to an exception is raised: by `ask` for every question, by `ask_refund` for
    those about a refund, by `before_refund` instead of refunding, by `after_refund` once the money is back, and so for a
    charge, for what is collected (confirmed or captured) and for a checkout. `taken` names each time that money was taken,
    and nothing here keeps it from being taken twice. `thinks` is how often a question lets others go first; `held` holds
    the answers back, with what was true when the question came; `meanwhile` happens before the answer to a refund, and to who
    opens a checkout."""

    name: str = "bank"
    capabilities: PaymentCapabilities = ABLE
    books: dict[str, PaymentSnapshot] = field(default_factory=dict)
    refunds: dict[str, RefundSnapshot] = field(default_factory=dict)
    refund_calls: list[RefundRequest] = field(default_factory=list)
    charges: list[ChargeRequest] = field(default_factory=list)
    charge_status: RemotePaymentStatus = RemotePaymentStatus.PAID
    before_charge: Exception | None = None
    after_charge: BaseException | None = None
    taken: list[str] = field(default_factory=list)
    collected: list[ConfirmRequest | CaptureRequest] = field(default_factory=list)
    before_collect: Exception | None = None
    after_collect: BaseException | None = None
    before_checkout: Exception | None = None
    before_close: Exception | None = None
    checkouts: list[CheckoutRequest] = field(default_factory=list)
    refund_status: RemoteRefundStatus = RemoteRefundStatus.SUCCEEDED
    ask: Exception | None = None
    ask_refund: Exception | None = None
    before_refund: Exception | None = None
    after_refund: BaseException | None = None
    thinks: int = 0
    held: asyncio.Event | None = None
    meanwhile: Callable[[], Awaitable[None]] | None = None
    questions: int = 0

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        self.checkouts.append(request)
        if self.before_checkout is not None:
            raise self.before_checkout
        self.tell(request.payment_id, RemotePaymentStatus.PENDING, amount=request.amount)
        if self.meanwhile is not None:
            await self.meanwhile()
        return Checkout(url="http://bank.test.invalid", reference=f"ref-{request.payment_id}")

    async def close_checkout(self, request: CloseCheckoutRequest) -> PaymentSnapshot:
        if self.before_close is not None:
            raise self.before_close
        payment_id = request.reference.removeprefix("ref-")
        if self.books[payment_id].status is RemotePaymentStatus.PENDING:
            self.tell(payment_id, RemotePaymentStatus.EXPIRED)
        return self.books[payment_id]

    def tell(self, payment_id: str, status: RemotePaymentStatus, refunded: int = 0, *, amount: Money | None = None) -> None:
        """What is true from now on."""
        price = amount or self.books[payment_id].amount
        self.books[payment_id] = PaymentSnapshot(
            f"ref-{payment_id}", status, price, Money(refunded, price.currency), payment_id=payment_id
        )

    async def find(self, payment_id: str) -> PaymentSnapshot | None:
        if self.ask is not None:
            raise self.ask
        self.questions += 1
        snapshot, held = self.books.get(payment_id), self.held
        if held is not None:
            await held.wait()
        for _ in range(self.thinks):
            await asyncio.sleep(0)
        return snapshot

    async def fetch(self, reference: str) -> PaymentSnapshot:
        found = await self.find(reference.removeprefix("ref-"))
        if found is None:
            raise Rejected("no such payment", reason="not_found", provider=self.name)
        return found

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        self.refund_calls.append(request)
        if self.before_refund is not None:
            raise self.before_refund
        if not (self.capabilities.idempotent and request.idempotency_key in self.refunds):
            self._give_back(request)
        answer = self.refunds[request.idempotency_key]
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.after_refund is not None:
            raise self.after_refund
        return answer

    def _give_back(self, request: RefundRequest) -> None:
        payment_id = request.reference.removeprefix("ref-")
        held = self.books[payment_id]
        refunded = held.refunded.amount + request.amount.amount
        if refunded > held.amount.amount:
            raise Rejected("more than was paid", reason="amount_exceeded", provider=self.name)
        number = f"refund-{len(self.refunds)}"
        self.refunds[request.idempotency_key] = RefundSnapshot(number, self.refund_status, request.amount)
        if self.refund_status is RemoteRefundStatus.SUCCEEDED:
            self._book(payment_id, refunded)

    def _book(self, payment_id: str, refunded: int) -> None:
        whole = refunded == self.books[payment_id].amount.amount
        self.tell(payment_id, RemotePaymentStatus.REFUNDED if whole else RemotePaymentStatus.PARTLY_REFUNDED, refunded)

    def finish_refunds(self, payment_id: str, status: RemoteRefundStatus) -> None:
        """What was pending becomes true, or fails."""
        for key, refund in self.refunds.items():
            self.refunds[key] = replace(refund, status=status)
            if status is RemoteRefundStatus.SUCCEEDED:
                self._book(payment_id, self.books[payment_id].refunded.amount + refund.amount.amount)

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        if (trouble := self.ask or self.ask_refund) is not None:
            raise trouble
        return self.refunds.get(idempotency_key)

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        if request.headers.get("signature") != SIGNATURE:
            raise SignatureInvalid("forged", provider=self.name)
        told: dict[str, Any] = json.loads(request.body)
        status = told.get("status")
        payment_id = told["payment_id"]
        snapshot = replace(self.books[payment_id], status=RemotePaymentStatus(status)) if status else None
        if snapshot is not None and told.get("reference"):
            snapshot = replace(snapshot, reference=told["reference"])
        subscription = told.get("subscription")
        return [
            PaymentNotice(told["event"], "payment.changed", payment_id=payment_id, subscription=subscription, snapshot=snapshot)
        ]

    async def check(self) -> ProviderHealth:
        return ProviderHealth(True)

    async def close(self) -> None: ...

    async def confirm(self, request: ConfirmRequest) -> PaymentSnapshot:
        return self._collect(request)

    async def capture(self, request: CaptureRequest) -> PaymentSnapshot:
        return self._collect(request)

    def _collect(self, request: ConfirmRequest | CaptureRequest) -> PaymentSnapshot:
        self.collected.append(request)
        if self.before_collect is not None:
            raise self.before_collect
        self.taken.append(request.payment_id)
        if self.books[request.payment_id].status not in TAKEN:
            self.tell(request.payment_id, RemotePaymentStatus.PAID)
        if self.after_collect is not None:
            raise self.after_collect
        return self.books[request.payment_id]

    async def subscribe(self, request: SubscribeRequest) -> SubscriptionStart:
        raise Unsupported("subscribe")

    async def fetch_subscription(self, reference: str) -> SubscriptionSnapshot:
        raise Unsupported("fetch_subscription")

    async def change_subscription(self, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        raise Unsupported("change_subscription")

    async def cancel_subscription(self, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        raise Unsupported("cancel_subscription")

    async def resume_subscription(self, request: ResumeSubscriptionRequest) -> SubscriptionSnapshot:
        raise Unsupported("resume_subscription")

    async def open_method_window(self, request: StoreMethodRequest) -> Checkout:
        raise Unsupported("open_method_window")

    async def keep_method(self, request: KeepMethodRequest) -> StoredMethod:
        raise Unsupported("keep_method")

    async def charge(self, request: ChargeRequest) -> PaymentSnapshot:
        self.charges.append(request)
        if self.before_charge is not None:
            raise self.before_charge
        self.taken.append(request.payment_id)
        if request.payment_id not in self.books:
            self.tell(request.payment_id, self.charge_status, amount=request.amount)
        if self.after_charge is not None:
            raise self.after_charge
        return self.books[request.payment_id]

    async def forget_method(self, customer_id: str, token: Secret) -> None:
        raise Unsupported("forget_method")

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        raise Unsupported("list_payments")
