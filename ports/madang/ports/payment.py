"""Port: checkouts, payments, refunds and subscriptions at a payment provider, and its webhooks.

`payment_id` is ours; `reference` is the provider's. Amounts are ours: a snapshot that says another amount is not believed.

A subscription runs in one of two ways. Where `capabilities.subscriptions`, the provider keeps the calendar, charges by itself
and tells us (Stripe, PayPal, Lemon Squeezy, Paddle). Where `capabilities.stored_methods`, it only keeps a means of payment,
and we charge it when a period is due (the billing keys of Toss and PortOne).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from madang.ports.money import Money
from madang.ports.provider import Provider
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest


class RemotePaymentStatus(StrEnum):
    """What the provider says. A status that an adapter does not know is `PENDING`, never `PAID`."""

    PENDING = "pending"
    AUTHORISED = "authorised"
    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """Open a payment window for `amount`. The browser comes back to `success_url` or `cancel_url`: a hint, never the truth."""

    payment_id: str
    amount: Money
    description: str
    success_url: str
    cancel_url: str
    idempotency_key: str
    webhook_url: str | None = None
    customer_email: str | None = field(default=None, repr=False)
    customer_name: str | None = field(default=None, repr=False)
    locale: str = "ko"
    expires_at: datetime | None = None
    country: str | None = None
    timeout: float = 30.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where to send the person: a `url`, or `client_params` for the provider's browser SDK. `reference` may only come
    at confirmation."""

    url: str | None
    reference: str | None = None
    client_params: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConfirmRequest:
    """For providers whose browser comes back with a key that the server must spend (Toss `paymentKey`)."""

    payment_id: str
    client_key: str
    amount: Money
    idempotency_key: str
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take the money of a payment that the person has approved (`AUTHORISED`), all of it."""

    reference: str
    payment_id: str
    amount: Money
    idempotency_key: str
    timeout: float = 60.0


class ChargeReason(StrEnum):
    """Why a provider charged for a subscription: for a whole period, or to settle a change within one."""

    PERIOD = "period"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class ChargedFor:
    """What the provider says that a charge is for. The times are those of the period, or of the rest of it after a change; None
    where it does not tell them. A period is told with its beginning and its end."""

    reason: ChargeReason
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaymentSnapshot:
    """A payment as the provider has it now. `refunded` is the sum of all refunds so far.

    `amount` is what we asked for; `tax` is what a merchant of record put on top of it, and is in neither of the two.
    `subscription` is the provider's reference of the subscription whose period this payment is for, and `charged_for` what it
    is for there: without it, the period that awaits its money is taken. `charged_back` is what disputes that were decided
    against us took, and is in `refunded`, too; None where nobody disputed, or none can be told. `method_country` is
    the country that the means of payment was issued in (ISO 3166-1 alpha-2), where the provider tells it.
    """

    reference: str
    status: RemotePaymentStatus
    amount: Money
    refunded: Money
    payment_id: str | None = None
    paid_at: datetime | None = None
    method: str | None = None
    failure: str | None = None
    tax: Money | None = None
    subscription: str | None = None
    charged_back: Money | None = None
    method_country: str | None = None
    charged_for: ChargedFor | None = None


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give back `amount` of a payment. The same `idempotency_key` never refunds twice where `capabilities.idempotent`."""

    reference: str
    amount: Money
    reason: str
    idempotency_key: str
    timeout: float = 60.0


class RemoteRefundStatus(StrEnum):
    """A remote status that an adapter does not know is `PENDING`, never a success."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RefundSnapshot:
    """What the provider says of one refund now."""

    id: str
    status: RemoteRefundStatus
    amount: Money
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentNotice:
    """One verified webhook. `event_id` is unique at the provider and dedupes deliveries; `snapshot` is there only when
    the notice itself proves the state (a signed body); without it the caller asks by `fetch`. `subscription` is the reference
    of the subscription that it is about; what became of that is asked by `fetch_subscription`, and what it charged by `fetch`
    where `reference` names the charge. `subscription_id` is ours, where the notice carries it: some providers tell it nowhere
    else. A notice about something else has neither."""

    event_id: str
    kind: str
    occurred_at: datetime | None = None
    reference: str | None = None
    payment_id: str | None = None
    subscription: str | None = None
    snapshot: PaymentSnapshot | None = None
    subscription_id: str | None = None


class RemoteSubscriptionStatus(StrEnum):
    """A remote status that an adapter does not know is `PENDING`, never `ACTIVE`."""

    PENDING = "pending"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """Start a subscription that the provider renews by itself. `price_reference` is the provider's own price, plan or variant
    from the deployment's settings; empty where there is none, and then the provider is told `amount` and `interval_months`, or
    refuses as `Rejected(reason="invalid_request")`."""

    subscription_id: str
    price_reference: str
    amount: Money
    interval_months: int
    description: str
    success_url: str
    cancel_url: str
    idempotency_key: str
    webhook_url: str | None = None
    customer_email: str | None = field(default=None, repr=False)
    customer_name: str | None = field(default=None, repr=False)
    locale: str = "ko"
    country: str | None = None
    trial_days: int = 0
    timeout: float = 60.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubscriptionSnapshot:
    """What the provider says of a subscription now. It is charged next at `current_period_end`; `amount` is what it charges a
    period, without the tax of a merchant of record. `approve_url` is where the person has to agree to a change first."""

    reference: str
    status: RemoteSubscriptionStatus
    price_reference: str
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    cancel_at_period_end: bool = False
    subscription_id: str | None = None
    amount: Money | None = None
    trial_ends_at: datetime | None = None
    ended_at: datetime | None = None
    approve_url: str | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionStart:
    """A new subscription: at once (`snapshot`), or after the person went through `checkout`. Where `checkout.reference` is
    given, `fetch_subscription` takes that too: PENDING until the person agreed, then the subscription, whose own reference
    may be another."""

    checkout: Checkout | None = None
    snapshot: SubscriptionSnapshot | None = None


@dataclass(frozen=True, slots=True)
class ChangeSubscriptionRequest:
    """Move to another price; `prorate` asks the provider to settle the running period."""

    reference: str
    price_reference: str
    prorate: bool
    idempotency_key: str
    amount: Money | None = None
    interval_months: int = 1
    description: str = ""
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class CancelSubscriptionRequest:
    """End at the end of the paid period (`Unsupported` unless `capabilities.cancels_at_period_end`), or now."""

    reference: str
    at_period_end: bool
    idempotency_key: str
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class ResumeSubscriptionRequest:
    """Take back a cancellation at the end of the period, while the period runs."""

    reference: str
    idempotency_key: str
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class StoreMethodRequest:
    """Open the window in which a person leaves a means of payment for later charges. `customer_id` is ours, and the same for
    every means and charge of one person."""

    customer_id: str
    success_url: str
    cancel_url: str
    idempotency_key: str
    customer_email: str | None = field(default=None, repr=False)
    customer_name: str | None = field(default=None, repr=False)
    locale: str = "ko"
    timeout: float = 30.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeepMethodRequest:
    """Exchange what the browser brought back for a token that can be charged."""

    customer_id: str
    client_key: str = field(repr=False)
    idempotency_key: str
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class StoredMethod:
    """A means of payment that the provider keeps. `token` charges it, and is a secret; `label` may be shown to its owner
    ("card **** 1234")."""

    token: Secret
    customer_id: str
    label: str


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """Charge a stored means of payment, with nobody at the keyboard. The same `payment_id` is never charged twice."""

    payment_id: str
    customer_id: str
    token: Secret
    amount: Money
    description: str
    idempotency_key: str
    webhook_url: str | None = None
    customer_email: str | None = field(default=None, repr=False)
    customer_name: str | None = field(default=None, repr=False)
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class CloseCheckoutRequest:
    """`reference` is the one that the checkout was opened with."""

    reference: str
    idempotency_key: str
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """One page of the provider's own list, for reconciliation; `cursor` is None on the last."""

    payments: Sequence[PaymentSnapshot]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentCapabilities:
    """`currencies` empty means any. `confirms`: the browser brings back a key that `confirm` spends. `captures`: an approved
    payment waits `AUTHORISED` until `capture` takes it. `finds_by_payment_id`: `find` works. `signed_webhooks`: the notice's
    body can be believed. `adds_tax`: it sells in its own name, and puts the tax of the buyer's country on top or within.
    `closes_checkouts`: one that nobody has paid in can be closed.

    `subscriptions`: it renews by itself; `cancels_at_period_end`, `resumes_subscriptions` and `changes_subscriptions` say what
    can be done to such a subscription. `stored_methods`: it keeps a means of payment that we charge.
    """

    currencies: frozenset[str] = frozenset()
    confirms: bool = False
    captures: bool = False
    partial_refunds: bool = True
    idempotent: bool = False
    finds_by_payment_id: bool = False
    finds_refunds: bool = False
    signed_webhooks: bool = True
    adds_tax: bool = False
    subscriptions: bool = False
    changes_subscriptions: bool = False
    cancels_at_period_end: bool = False
    resumes_subscriptions: bool = False
    stored_methods: bool = False
    lists_payments: bool = False
    closes_checkouts: bool = False


class PaymentGateway(Provider, Protocol):
    """All methods raise the taxonomy of `madang.ports.errors`; a declined card is `Rejected(reason="declined")`."""

    @property
    def capabilities(self) -> PaymentCapabilities: ...

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open (or, with the same key, find again) a checkout; nothing is charged by this."""
        ...

    async def close_checkout(self, request: CloseCheckoutRequest) -> PaymentSnapshot:
        """Nobody pays there any more; closing what is closed changes nothing. Answers what is true then: what was paid before
        stays paid. Raises `Rejected` where it stays open. `Unsupported` unless `capabilities.closes_checkouts`."""
        ...

    async def confirm(self, request: ConfirmRequest) -> PaymentSnapshot:
        """Spend the key that the browser brought back; `Unsupported` unless `capabilities.confirms`."""
        ...

    async def capture(self, request: CaptureRequest) -> PaymentSnapshot:
        """Take the money of an approved payment; one that is taken already is answered as it is. `Unsupported` unless
        `capabilities.captures`."""
        ...

    async def fetch(self, reference: str) -> PaymentSnapshot:
        """The payment now. Raises `Rejected(reason="not_found")`."""
        ...

    async def find(self, payment_id: str) -> PaymentSnapshot | None:
        """The payment by our id, None when the provider surely has none; `Unsupported` unless
        `capabilities.finds_by_payment_id`."""
        ...

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """Give back part or all. Raises `Rejected(reason="amount_exceeded")` beyond what was paid."""
        ...

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        """The refund made with this key, None when there surely is none; `Unsupported` unless `capabilities.finds_refunds`, and
        where the provider says of this payment only that a part went back, and not which."""
        ...

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        """Verify and read one delivery. Raises `SignatureInvalid`; event kinds that it does not know give a notice
        without reference. A provider that has to be asked whether it signed (PayPal) raises `Unavailable` where it cannot be,
        and the sender tries again."""
        ...

    async def subscribe(self, request: SubscribeRequest) -> SubscriptionStart:
        """`Unsupported` unless `capabilities.subscriptions`, as for the four below."""
        ...

    async def fetch_subscription(self, reference: str) -> SubscriptionSnapshot:
        """The subscription now. Raises `Rejected(reason="not_found")`."""
        ...

    async def change_subscription(self, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        """Change the price, and answer the subscription as it is then. `Unsupported` unless
        `capabilities.changes_subscriptions`."""
        ...

    async def cancel_subscription(self, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        """Cancel, and answer the subscription as it is then; one that already ended is answered as it ended. By the reference
        of a checkout to which nobody agreed yet, that is closed; `Rejected` where the provider cannot close it."""
        ...

    async def resume_subscription(self, request: ResumeSubscriptionRequest) -> SubscriptionSnapshot:
        """Take a cancellation back, and answer the subscription as it is then; one that is not cancelled is answered as it is.
        `Unsupported` unless `capabilities.resumes_subscriptions`."""
        ...

    async def open_method_window(self, request: StoreMethodRequest) -> Checkout:
        """Where the person leaves a means of payment; nothing is charged by this. `Unsupported` unless
        `capabilities.stored_methods`, as for the three below."""
        ...

    async def keep_method(self, request: KeepMethodRequest) -> StoredMethod:
        """Spend the key that the browser brought back. Raises `Rejected(reason="not_found")` for a key that means nothing, or
        belongs to another customer."""
        ...

    async def charge(self, request: ChargeRequest) -> PaymentSnapshot:
        """Charge a stored means of payment now. Raises `Rejected(reason="declined")`, `Rejected(reason="not_found")` for a
        token that is gone; after `OutcomeUnknown`, `find` tells by our id, or the same key charges no second time."""
        ...

    async def forget_method(self, customer_id: str, token: Secret) -> None:
        """Delete it at the provider; one that is gone already is no error."""
        ...

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        """For reconciliation; `Unsupported` unless `capabilities.lists_payments`."""
        ...
