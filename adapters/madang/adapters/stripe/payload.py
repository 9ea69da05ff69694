"""What we ask of Stripe, in the SDK's own types. Pure. Raises `ValueError` for an amount that Stripe cannot charge.

What a checkout is for travels as metadata: on the session, on what it makes (a PaymentIntent or a subscription), on refunds.
A checkout has no place for the buyer's name: Stripe asks for that itself.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from madang.adapters.stripe.amounts import stripe_amount
from madang.ports.payment import ChangeSubscriptionRequest, CheckoutRequest, RefundRequest, SubscribeRequest

if TYPE_CHECKING:
    from stripe import RequestOptions
    from stripe.params import (
        InvoiceListParams,
        RefundCreateParams,
        RefundListParams,
        SubscriptionUpdateParams,
        SubscriptionUpdateParamsItem,
    )
    from stripe.params.checkout import SessionCreateParams, SessionCreateParamsLineItem, SessionListParams

PAYMENT_ID: Final = "madang_payment_id"
SUBSCRIPTION_ID: Final = "madang_subscription_id"
REFERENCE: Final = "madang_reference"
REFUND_KEY: Final = "madang_refund_key"

PAGE: Final = 100
INVOICES: Final = 20
"""A page of invoices asks for the charge of each."""

_LONGEST_KEY: Final = 255
_LONGEST_VALUE: Final = 500
"""Of metadata."""
_SHORTEST_LIFE: Final = timedelta(minutes=31)
_LONGEST_LIFE: Final = timedelta(hours=23, minutes=59)
_MOST_MONTHS: Final = 36
_LOCALES: Final = frozenset(
    {
        "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hr", "hu", "id", "it",
        "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl", "sv", "th", "tr", "vi",
        "zh", "zh-HK", "zh-TW",
    }
)  # fmt: skip


def checkout_params(request: CheckoutRequest, now: datetime) -> "SessionCreateParams":
    number, currency = stripe_amount(request.amount)
    ours = {PAYMENT_ID: request.payment_id}
    params: SessionCreateParams = {
        "mode": "payment",
        "client_reference_id": request.payment_id,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {"currency": currency, "unit_amount": number, "product_data": {"name": request.description}},
            }
        ],
        "success_url": request.success_url,
        "cancel_url": request.cancel_url,
        "metadata": ours,
        "payment_intent_data": {"metadata": ours, "description": request.description},
        # In the currency that was asked, and no other that Stripe would offer by its own rates.
        "adaptive_pricing": {"enabled": False},
        "locale": locale_of(request.locale),
    }
    if request.customer_email:
        params["customer_email"] = request.customer_email
    if (end := session_end(request.expires_at, now)) is not None:
        params["expires_at"] = end
    params.update(_extra(request.extra))
    return params


def session_end(wanted: datetime | None, now: datetime) -> int | None:
    """When Stripe closes the checkout by itself: it takes half an hour to a day, and a day where nothing is asked."""
    if wanted is None or not now + _SHORTEST_LIFE <= wanted <= now + _LONGEST_LIFE:
        return None
    return int(wanted.timestamp())


def subscribe_params(request: SubscribeRequest) -> "SessionCreateParams":
    """A price that is only named comes back with the answer, to be compared with ours."""
    ours = {SUBSCRIPTION_ID: request.subscription_id}
    params: SessionCreateParams = {
        "mode": "subscription",
        "client_reference_id": request.subscription_id,
        "line_items": [_subscribed(request)],
        "success_url": request.success_url,
        "cancel_url": request.cancel_url,
        "metadata": ours,
        "subscription_data": {"metadata": ours, "description": request.description},
        "adaptive_pricing": {"enabled": False},
        "locale": locale_of(request.locale),
    }
    if request.price_reference:
        params["expand"] = ["line_items"]
    if request.trial_days:
        params["subscription_data"]["trial_period_days"] = request.trial_days
    if request.customer_email:
        params["customer_email"] = request.customer_email
    params.update(_extra(request.extra))
    return params


def refund_params(request: RefundRequest, payment_intent: str) -> "RefundCreateParams":
    number, _ = stripe_amount(request.amount)
    return {
        "payment_intent": payment_intent,
        "amount": number,
        "metadata": {
            REFUND_KEY: key_of(request.idempotency_key),
            REFERENCE: request.reference,
            "reason": request.reason[:_LONGEST_VALUE],
        },
    }


def change_params(request: ChangeSubscriptionRequest, item: Mapping[str, Any]) -> "SubscriptionUpdateParams":
    """A charge that the change brings must succeed, or nothing changes. A price that is told instead of named is one of the
    product that the subscription already has."""
    price = item.get("price")
    product = price.get("product") if isinstance(price, dict) else None
    changed: SubscriptionUpdateParamsItem = {"id": str(item.get("id"))}
    if request.price_reference:
        changed["price"] = request.price_reference
    elif request.amount is None:
        raise ValueError("a change needs a price, or an amount")
    else:
        number, currency = stripe_amount(request.amount)
        interval, count = _interval(request.interval_months)
        changed["price_data"] = {
            "currency": currency,
            "unit_amount": number,
            "product": str(product.get("id") if isinstance(product, dict) else product),
            "recurring": {"interval": interval, "interval_count": count},
        }
    return {
        "items": [changed],
        "proration_behavior": "always_invoice" if request.prorate else "none",
        "payment_behavior": "error_if_incomplete",
    }


def sessions_page(since: datetime, until: datetime, cursor: str | None) -> "SessionListParams":
    page: SessionListParams = {
        "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
        "limit": PAGE,
        "expand": ["data.payment_intent.latest_charge"],
    }
    if cursor is not None:
        page["starting_after"] = cursor
    return page


def invoices_page(since: datetime, until: datetime, cursor: str | None) -> "InvoiceListParams":
    page: InvoiceListParams = {
        "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
        "limit": INVOICES,
        "expand": ["data.payments"],
    }
    if cursor is not None:
        page["starting_after"] = cursor
    return page


def refunds_page(payment_intent: str, cursor: str | None) -> "RefundListParams":
    page: RefundListParams = {"payment_intent": payment_intent, "limit": PAGE}
    if cursor is not None:
        page["starting_after"] = cursor
    return page


def options_of(key: str, *, expires: int | None = None) -> "RequestOptions":
    """With the idempotency key. Stripe refuses a key that comes again with other values, and the end of a checkout depends on
    when it is asked for: it is a part of that key."""
    return {"idempotency_key": key_of(key if expires is None else f"{key}@{expires}")}


def key_of(key: str) -> str:
    """A key in the form that a header and Stripe take."""
    return key if key.isascii() and key.isprintable() and len(key) <= _LONGEST_KEY else sha256(key.encode()).hexdigest()


def locale_of(locale: str) -> str:
    primary = locale.partition("-")[0].lower()
    return next((each for each in (locale, primary) if each in _LOCALES), "auto")


def _subscribed(request: SubscribeRequest) -> "SessionCreateParamsLineItem":
    number, currency = stripe_amount(request.amount)
    if request.price_reference:
        return {"quantity": 1, "price": request.price_reference}
    interval, count = _interval(request.interval_months)
    return {
        "quantity": 1,
        "price_data": {
            "currency": currency,
            "unit_amount": number,
            "product_data": {"name": request.description},
            "recurring": {"interval": interval, "interval_count": count},
        },
    }


def recurs_as(request: SubscribeRequest, price: Mapping[str, Any]) -> bool:
    """Whether a price of Stripe's costs what ours does, as often."""
    recurring = price.get("recurring")
    recurring = recurring if isinstance(recurring, dict) else {}
    months = {"month": 1, "year": 12}.get(str(recurring.get("interval")), 0) * recurring.get("interval_count", 1)
    told = (price.get("unit_amount"), price.get("currency"), months)
    return told == (*stripe_amount(request.amount), request.interval_months)


def _interval(months: int) -> tuple[str, int]:
    if not 0 < months <= _MOST_MONTHS:
        raise ValueError("Stripe renews after one month to three years")
    return ("year", months // 12) if months % 12 == 0 else ("month", months)


def _extra(extra: Mapping[str, Any]) -> Any:
    """Parameters of Checkout that the port does not know, as they are."""
    return dict(extra)
