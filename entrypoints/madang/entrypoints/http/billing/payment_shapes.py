"""What the Payments calls take and answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from madang.core.billing.attempts import AttemptOperation, AttemptStatus, PaymentAttempt
from madang.core.billing.disputes import Dispute, DisputeStatus
from madang.core.billing.model import Payment, PaymentStatus, Refund, RefundStatus
from madang.core.billing.payments import PaymentView
from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.portraits.shapes import Input, MoneyShape
from madang.entrypoints.logs import without_credentials

CatalogueId = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000]*$")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="ISO 3166-1 alpha-2")]
ProviderName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[a-z0-9_]+\Z")]
PageUrl = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^[^\u0000]*$", description="https://…")]
Cursor = Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$")]


class ItemBody(Input, frozen=True):
    product_id: CatalogueId
    quantity: Annotated[int, Meta(ge=1, le=1000)] = 1


class CheckoutBody(Input, frozen=True):
    """Exactly one of `items`, `planId` and `creditPackId`; `intervalMonths` is a plan's. The browser comes back to `successUrl`
    or `cancelUrl`: a hint, never the truth. `clientReference` is the client's own id of the order."""

    currency: Currency
    success_url: PageUrl
    cancel_url: PageUrl
    items: Annotated[list[ItemBody], Meta(max_length=50)] = msgspec.field(default_factory=list)
    plan_id: CatalogueId | None = None
    credit_pack_id: CatalogueId | None = None
    interval_months: Annotated[int, Meta(ge=1, le=12)] = 1
    country: Country | None = None
    provider: ProviderName | None = None
    client_reference: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000]*$")] | None = None
    locale: Literal["ko", "en"] = "ko"


class CheckoutOpenedShape(Shape, frozen=True):
    """Send the browser to `url`, or give `clientParams` to the provider's browser SDK. `paymentId` is null where the first
    payment is the provider's to make."""

    id: UUID
    provider: str
    url: str | None
    client_params: Mapping[str, Any]
    payment_id: UUID | None


class AmountBody(Input, frozen=True):
    """An integer in the currency's minor unit: 9900 KRW are 9,900 won."""

    amount: Annotated[int, Meta(ge=1, le=10**15)]
    currency: Currency


class ConfirmPaymentBody(Input, frozen=True):
    """`key` is what the provider gave to the browser (Toss: `paymentKey`); providers that need none are asked what is true.
    `amount` is what the browser was told: another one than ours confirms nothing."""

    key: Annotated[str, Meta(min_length=1, max_length=300, pattern=r"^[\x21-\x7e]*\Z")] | None = None
    amount: AmountBody | None = None


class RefundBody(Input, frozen=True):
    """Without `amount`, all that is left."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\u0000]*$")]
    amount: AmountBody | None = None


class PaymentsQuery(Input, frozen=True):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    status: PaymentStatus | None = None


class AllPaymentsQuery(Input, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None
    user_id: UUID | None = None
    provider: ProviderName | None = None
    status: PaymentStatus | None = None


class LineShape(Shape, frozen=True):
    """`unitAmount` is in the minor unit of the payment's currency, tax included; `sku` is the catalogue's id."""

    description: str
    quantity: int
    unit_amount: int
    sku: str | None


class AttemptShape(Shape, frozen=True):
    """A try to be paid. `unknown` is being looked up at the same provider; `code` is the provider's own word."""

    number: int
    provider: str
    operation: AttemptOperation
    status: AttemptStatus
    code: str | None
    failure: str | None
    created_at: datetime
    updated_at: datetime


class RefundShape(Shape, frozen=True):
    """`unknown`: it may have gone back, and its provider is being asked; it is never sent twice."""

    id: UUID
    payment_id: UUID
    status: RefundStatus
    amount: MoneyShape
    reason: str
    failure: str | None
    created_at: datetime
    updated_at: datetime


class DisputeShape(Shape, frozen=True):
    """What the buyer's bank asked back. `lost`: `taken` is gone, and is in the payment's `refunded`; `refunded`: we gave it
    back before it was decided; `reversed`: won after it was lost, and nothing is given anew for it."""

    status: DisputeStatus
    taken: MoneyShape
    opened_at: datetime
    changed_at: datetime


class PaymentShape(Shape, frozen=True, kw_only=True):
    """`reference` is the provider's own id, `refunded` what went back so far; `tax` is what a merchant of record put on top."""

    id: UUID
    status: PaymentStatus
    amount: MoneyShape
    refunded: MoneyShape
    tax: MoneyShape | None
    purpose: str
    subject: str
    description: str
    lines: list[LineShape]
    provider: str
    reference: str | None
    method: str | None
    failure: str | None
    country: str | None
    client_reference: str | None
    created_at: datetime
    paid_at: datetime | None
    expires_at: datetime


class PaymentDetailShape(PaymentShape, frozen=True, kw_only=True):
    """With every try to be paid and every refund, the oldest first; `dispute` is null where nobody disputed."""

    checkout_url: str | None
    client_params: Mapping[str, Any]
    attempts: list[AttemptShape]
    refunds: list[RefundShape]
    dispute: DisputeShape | None = None


def of_payment(payment: Payment, here: ZoneInfo) -> PaymentShape:
    return PaymentShape(**_fields(payment, here))


def of_view(view: PaymentView, here: ZoneInfo) -> PaymentDetailShape:
    return PaymentDetailShape(
        **_fields(view.payment, here),
        checkout_url=view.payment.checkout_url,
        client_params=view.payment.client_params or {},
        attempts=[_attempt(attempt, here) for attempt in view.attempts],
        refunds=[of_refund(refund, here) for refund in view.refunds],
        dispute=None if view.dispute is None else _dispute(view.dispute, view.payment, here),
    )


def of_refund(refund: Refund, here: ZoneInfo) -> RefundShape:
    return RefundShape(
        refund.id,
        refund.payment_id,
        refund.status,
        MoneyShape(refund.amount.amount, refund.amount.currency),
        refund.reason,
        None if refund.failure is None else without_credentials(refund.failure),
        refund.created_at.astimezone(here),
        refund.updated_at.astimezone(here),
    )


def _dispute(dispute: Dispute, payment: Payment, here: ZoneInfo) -> DisputeShape:
    taken = MoneyShape(dispute.taken, payment.amount.currency)
    return DisputeShape(dispute.status, taken, dispute.opened_at.astimezone(here), dispute.changed_at.astimezone(here))


def _fields(payment: Payment, here: ZoneInfo) -> dict[str, Any]:
    currency = payment.amount.currency
    return {
        "id": payment.id,
        "status": payment.status,
        "amount": MoneyShape(payment.amount.amount, currency),
        "refunded": MoneyShape(payment.refunded, currency),
        "tax": None if payment.tax is None else MoneyShape(payment.tax, currency),
        "purpose": payment.purpose,
        "subject": payment.subject,
        "description": payment.description,
        "lines": [LineShape(line.description, line.quantity, line.unit_amount, line.sku) for line in payment.lines],
        "provider": payment.provider,
        "reference": payment.reference,
        "method": payment.method,
        "failure": None if payment.failure is None else without_credentials(payment.failure),
        "country": payment.country,
        "client_reference": payment.client_reference,
        "created_at": payment.created_at.astimezone(here),
        "paid_at": None if payment.paid_at is None else payment.paid_at.astimezone(here),
        "expires_at": payment.expires_at.astimezone(here),
    }


def _attempt(attempt: PaymentAttempt, here: ZoneInfo) -> AttemptShape:
    return AttemptShape(
        attempt.number,
        attempt.provider,
        attempt.operation,
        attempt.status,
        attempt.code,
        None if attempt.failure is None else without_credentials(attempt.failure),
        attempt.created_at.astimezone(here),
        attempt.updated_at.astimezone(here),
    )


ID: Final = "01997f2e-6c00-7a10-9c3e-0242ac120002"
_AT: Final = "2026-01-05T12:07:30+09:00"
CHECKOUT: Final = {
    "creditPackId": "credits-100",
    "currency": "KRW",
    "country": "KR",
    "successUrl": "https://shop.example.com/paid",
    "cancelUrl": "https://shop.example.com/cart",
    "clientReference": "order-1024",
}
OPENED: Final = {
    "id": ID,
    "provider": "sandbox",
    "url": "http://127.0.0.1:8000/sandbox/checkout/sbx_1",
    "clientParams": {},
    "paymentId": ID,
}
PAYMENT: Final = {
    "id": ID,
    "status": "partly_refunded",
    "amount": {"amount": 5000, "currency": "KRW"},
    "refunded": {"amount": 3000, "currency": "KRW"},
    "tax": None,
    "purpose": "credit_packs",
    "subject": f"credit_pack:{ID}",
    "description": "크레딧 100개",
    "lines": [{"description": "크레딧 100개", "quantity": 1, "unitAmount": 5000, "sku": "credits-100"}],
    "provider": "sandbox",
    "reference": "sbx_1",
    "method": "card",
    "failure": None,
    "country": "KR",
    "clientReference": "order-1024",
    "createdAt": "2026-01-05T12:05:02+09:00",
    "paidAt": _AT,
    "expiresAt": "2026-01-06T12:05:02+09:00",
}
REFUND: Final = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120003",
    "paymentId": ID,
    "status": "succeeded",
    "amount": {"amount": 3000, "currency": "KRW"},
    "reason": "one of three was missing",
    "failure": None,
    "createdAt": _AT,
    "updatedAt": _AT,
}
DETAIL: Final = {
    **PAYMENT,
    "checkoutUrl": OPENED["url"],
    "clientParams": {},
    "attempts": [
        {
            "number": 1,
            "provider": "sandbox",
            "operation": "checkout",
            "status": "succeeded",
            "code": None,
            "failure": None,
            "createdAt": _AT,
            "updatedAt": _AT,
        }
    ],
    "refunds": [REFUND],
    "dispute": None,
}
