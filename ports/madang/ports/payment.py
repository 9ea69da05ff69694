"""Port: checkouts, payments, refunds and subscriptions at a payment provider, and its webhooks.

`payment_id` is ours; `reference` is the provider's. Amounts are ours: a snapshot that says another amount is not believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from madang.ports.money import Money
from madang.ports.provider import Provider
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
class PaymentSnapshot:
    """A payment as the provider has it now. `refunded` is the sum of all refunds so far."""

    reference: str
    status: RemotePaymentStatus
    amount: Money
    refunded: Money
    payment_id: str | None = None
    paid_at: datetime | None = None
    method: str | None = None
    failure: str | None = None


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
    the notice itself proves the state (a signed body); without it the caller asks by `fetch`. A notice about something
    else has no reference."""

    event_id: str
    kind: str
    occurred_at: datetime | None = None
    reference: str | None = None
    payment_id: str | None = None
    subscription: str | None = None
    snapshot: PaymentSnapshot | None = None


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
    """Start a subscription of `price_reference` (the provider's own price or plan) for a customer; billing-key
    providers take `client_key`."""

    subscription_id: str
    price_reference: str
    amount: Money
    interval_months: int
    success_url: str
    cancel_url: str
    idempotency_key: str
    customer_email: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    trial_days: int = 0
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class SubscriptionSnapshot:
    """What the provider says of a subscription now; `current_period_end` is when it is charged next."""

    reference: str
    status: RemoteSubscriptionStatus
    price_reference: str
    current_period_end: datetime | None = None
    cancel_at_period_end: bool = False
    subscription_id: str | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionStart:
    """A new subscription: at once (`snapshot`), or after the person went through `checkout`."""

    checkout: Checkout | None = None
    snapshot: SubscriptionSnapshot | None = None


@dataclass(frozen=True, slots=True)
class ChangeSubscriptionRequest:
    """Move to another price; `prorate` asks the provider to settle the running period."""

    reference: str
    price_reference: str
    prorate: bool
    idempotency_key: str
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class CancelSubscriptionRequest:
    """End at the end of the paid period, or now."""

    reference: str
    at_period_end: bool
    idempotency_key: str
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """One page of the provider's own list, for reconciliation; `cursor` is None on the last."""

    payments: Sequence[PaymentSnapshot]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentCapabilities:
    """`currencies` empty means any. `finds_by_payment_id`: `find` works. `signed_webhooks`: the notice's body can be
    believed."""

    currencies: frozenset[str] = frozenset()
    confirms: bool = False
    partial_refunds: bool = True
    idempotent: bool = False
    finds_by_payment_id: bool = False
    finds_refunds: bool = False
    signed_webhooks: bool = True
    subscriptions: bool = False
    lists_payments: bool = False


class PaymentGateway(Provider, Protocol):
    """All methods raise the taxonomy of `madang.ports.errors`; a declined card is `Rejected(reason="declined")`."""

    @property
    def capabilities(self) -> PaymentCapabilities: ...

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open (or, with the same key, find again) a checkout; nothing is charged by this."""
        ...

    async def confirm(self, request: ConfirmRequest) -> PaymentSnapshot:
        """Spend the key that the browser brought back; `Unsupported` unless `capabilities.confirms`."""
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
        """The refund made with this key, None when there surely is none; `Unsupported` unless `capabilities.finds_refunds`."""
        ...

    def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        """Verify and read one delivery. Raises `SignatureInvalid`; event kinds that it does not know give a notice
        without reference."""
        ...

    async def subscribe(self, request: SubscribeRequest) -> SubscriptionStart:
        """`Unsupported` unless `capabilities.subscriptions`, as for the three below."""
        ...

    async def fetch_subscription(self, reference: str) -> SubscriptionSnapshot:
        """The subscription now. Raises `Rejected(reason="not_found")`."""
        ...

    async def change_subscription(self, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        """Change the price, and answer the subscription as it is then."""
        ...

    async def cancel_subscription(self, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        """Cancel, and answer the subscription as it is then; one that already ended is answered as it ended."""
        ...

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        """For reconciliation; `Unsupported` unless `capabilities.lists_payments`."""
        ...
