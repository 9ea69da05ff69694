"""What the Subscriptions calls take and answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Meta

from madang.core.billing.catalogue import Plan
from madang.core.billing.subscriptions.model import (
    PaymentMethod,
    Period,
    PeriodKind,
    PeriodStatus,
    SubscriptionKind,
    SubscriptionStatus,
)
from madang.core.billing.subscriptions.views import SubscriptionView
from madang.entrypoints.http.envelope import Shape, camel_case
from madang.entrypoints.http.portraits.shapes import Input, MoneyShape

PlanId = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000]*$")]
Page = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^https?://[^\u0000]+$", description="https://…")]
_Text = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000]*$")]


class NewSubscriptionBody(Input, frozen=True):
    """With `methodId`, a means of payment that was left before, it begins at once; without one, the person goes through the
    checkout. `clientReference` is the client's own id of the order."""

    plan_id: PlanId
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217")]
    success_url: Page
    cancel_url: Page
    interval_months: Annotated[int, Meta(ge=1, le=12)] = 1
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="ISO 3166-1 alpha-2")] | None = None
    provider: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[a-z0-9_]+\Z")] | None = None
    method_id: UUID | None = None
    client_reference: _Text | None = None
    locale: Literal["ko", "en"] = "ko"


class PlansQuery(Input, frozen=True):
    product: PlanId | None = None


class SubscriptionsQuery(Input, frozen=True):
    cursor: Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class ActivateBody(Input, frozen=True):
    """`clientKey` is what the provider gave to the browser (Toss: `authKey`)."""

    client_key: Annotated[str, Meta(min_length=1, max_length=300, pattern=r"^[\x21-\x7e]*\Z")]


class ChangePlanBody(Input, frozen=True):
    """A higher price is charged for the rest of the period at once, unless `prorate` is false; a lower one waits for its end in
    any case, and naming `prorate` true for it is refused."""

    plan_id: PlanId
    prorate: bool | None = None


class CancelBody(Input, frozen=True):
    """`false` ends it now; nothing is given back."""

    at_period_end: bool = True


class MethodBody(Input, frozen=True):
    """One that was left before, by `methodId`; else the person leaves one in the window that this opens."""

    success_url: Page
    cancel_url: Page
    method_id: UUID | None = None


class PlanPriceShape(Shape, frozen=True):
    amount: int
    currency: str
    interval_months: int


class PlanShape(Shape, frozen=True):
    """`credits` are granted each month and end with it; `limits` are the product's own."""

    id: str
    product: str
    rank: int
    name: Mapping[str, str]
    prices: list[PlanPriceShape]
    credits: int
    trial_days: int
    limits: Mapping[str, int]


class CheckoutShape(Shape, frozen=True):
    """Send the browser to `url`, or give `clientParams` to the provider's browser SDK."""

    url: str | None
    client_params: Mapping[str, Any]


class PeriodShape(Shape, frozen=True):
    """`amount` is what this period cost itself: of a `change`, the rest of a period under another plan."""

    number: int
    kind: PeriodKind
    status: PeriodStatus
    plan_id: str
    amount: MoneyShape
    starts_at: datetime
    ends_at: datetime
    payment_id: UUID | None


class PaymentMethodShape(Shape, frozen=True):
    id: UUID
    provider: str
    label: str
    created_at: datetime


class SubscriptionShape(Shape, frozen=True, kw_only=True):
    """`price` is the subscriber's own for each `intervalMonths`, whatever the catalogue says later. `nextAt` is when something
    happens next: a renewal, another try, a suspension or the end. `awaited` is the period whose payment is owed."""

    id: UUID
    status: SubscriptionStatus
    kind: SubscriptionKind
    product: str
    plan_id: str
    next_plan_id: str | None
    price: MoneyShape
    interval_months: int
    credits: int
    provider: str
    checkout: CheckoutShape | None
    current_period: PeriodShape | None
    awaited: PeriodShape | None
    payment_method: PaymentMethodShape | None
    cancel_at_period_end: bool
    under_way: str | None
    next_at: datetime | None
    past_due_since: datetime | None
    ended_at: datetime | None
    end_reason: str | None
    client_reference: str | None
    created_at: datetime


class SubscriptionDetailShape(SubscriptionShape, frozen=True, kw_only=True):
    """With every period, by number."""

    periods: list[PeriodShape]


class RemovedMethodShape(Shape, frozen=True):
    id: UUID


def of_plan(plan: Plan) -> PlanShape:
    prices = [PlanPriceShape(price.amount.amount, price.amount.currency, price.interval_months) for price in plan.prices]
    limits = {camel_case(name): value for name, value in plan.limits.items()}
    return PlanShape(plan.id, plan.product, plan.rank, dict(plan.name), prices, plan.credits, plan.trial_days, limits)


def of_view(view: SubscriptionView, here: ZoneInfo) -> SubscriptionShape:
    return SubscriptionShape(**_fields(view, here))


def of_detail(view: SubscriptionView, here: ZoneInfo) -> SubscriptionDetailShape:
    return SubscriptionDetailShape(**_fields(view, here), periods=[_period(period, here) for period in view.periods])


def of_method(method: PaymentMethod, here: ZoneInfo) -> PaymentMethodShape:
    return PaymentMethodShape(method.id, method.provider, method.label, method.created_at.astimezone(here))


def _fields(view: SubscriptionView, here: ZoneInfo) -> dict[str, Any]:
    subscription, price = view.subscription, view.subscription.terms.price
    opened = subscription.checkout_url is not None or subscription.client_params is not None
    return {
        "id": subscription.id,
        "status": subscription.status,
        "kind": subscription.kind,
        "product": subscription.product,
        "plan_id": subscription.terms.plan_id,
        "next_plan_id": subscription.next_terms.plan_id if subscription.next_terms else None,
        "price": MoneyShape(price.amount, price.currency),
        "interval_months": subscription.interval_months,
        "credits": subscription.terms.credits,
        "provider": subscription.provider,
        "checkout": CheckoutShape(subscription.checkout_url, subscription.client_params or {})
        if opened and not subscription.is_over
        else None,
        "current_period": None if view.current is None else _period(view.current, here),
        "awaited": None if view.awaited is None else _period(view.awaited, here),
        "payment_method": None if view.method is None else of_method(view.method, here),
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "under_way": subscription.asking,
        "next_at": _at(subscription.due_at, here),
        "past_due_since": _at(subscription.past_due_since, here),
        "ended_at": _at(subscription.ended_at, here),
        "end_reason": subscription.end_reason,
        "client_reference": subscription.client_reference,
        "created_at": subscription.created_at.astimezone(here),
    }


def _period(period: Period, here: ZoneInfo) -> PeriodShape:
    return PeriodShape(
        period.number,
        period.kind,
        period.status,
        period.terms.plan_id,
        MoneyShape(period.amount.amount, period.amount.currency),
        period.starts_at.astimezone(here),
        period.ends_at.astimezone(here),
        period.payment_id,
    )


def _at(moment: datetime | None, here: ZoneInfo) -> datetime | None:
    return None if moment is None else moment.astimezone(here)


ID: Final = "01997f2e-6c00-7a10-9c3e-0242ac120010"
_AT: Final = "2026-01-31T12:05:02+09:00"
_END: Final = "2026-02-28T12:05:02+09:00"
PLAN: Final = {
    "id": "hosting-basic",
    "product": "hosting",
    "rank": 1,
    "name": {"ko": "호스팅 기본형", "en": "Hosting Basic"},
    "prices": [{"amount": 30000, "currency": "KRW", "intervalMonths": 1}],
    "credits": 0,
    "trialDays": 14,
    "limits": {"sites": 3, "customDomains": 0},
}
NEW: Final = {
    "planId": "hosting-basic",
    "currency": "KRW",
    "country": "KR",
    "successUrl": "https://shop.example.com/subscribed",
    "cancelUrl": "https://shop.example.com/plans",
    "clientReference": "order-2048",
}
METHOD: Final = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120011",
    "provider": "sandbox",
    "label": "card **** 1234",
    "createdAt": _AT,
}
PERIOD: Final = {
    "number": 1,
    "kind": "regular",
    "status": "paid",
    "planId": "hosting-basic",
    "amount": {"amount": 30000, "currency": "KRW"},
    "startsAt": _AT,
    "endsAt": _END,
    "paymentId": "01997f2e-6c00-7a10-9c3e-0242ac120012",
}
SUBSCRIPTION: Final = {
    "id": ID,
    "status": "active",
    "kind": "stored_method",
    "product": "hosting",
    "planId": "hosting-basic",
    "nextPlanId": None,
    "price": {"amount": 30000, "currency": "KRW"},
    "intervalMonths": 1,
    "credits": 0,
    "provider": "sandbox",
    "checkout": None,
    "currentPeriod": PERIOD,
    "awaited": None,
    "paymentMethod": METHOD,
    "cancelAtPeriodEnd": False,
    "underWay": None,
    "nextAt": _END,
    "pastDueSince": None,
    "endedAt": None,
    "endReason": None,
    "clientReference": "order-2048",
    "createdAt": _AT,
}
BEGUN: Final = {
    **SUBSCRIPTION,
    "status": "incomplete",
    "checkout": {"url": "http://127.0.0.1:8000/sandbox/method/sbx_1", "clientParams": {}},
    "currentPeriod": None,
    "paymentMethod": None,
}
DETAIL: Final = {**SUBSCRIPTION, "periods": [PERIOD]}
