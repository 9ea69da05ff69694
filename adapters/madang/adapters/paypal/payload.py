"""Our requests as PayPal's JSON. Pure: no clock, no network.

Source: PayPal's OpenAPI descriptions of Orders v2 (2.13), Payments v2 (2.5) and Subscriptions v1 (1.6).
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from madang.adapters.paypal.capabilities import DECIMALS, NAME
from madang.adapters.paypal.settings import PaypalSettings
from madang.ports.errors import Rejected, Unsupported
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    CheckoutRequest,
    RefundRequest,
    SubscribeRequest,
)

ID: Final = re.compile(r"[A-Z0-9-]{1,50}")
"""An order's, a capture's or a subscription's id."""
_REQUEST_ID: Final = re.compile(r"[!-~]{1,108}")
_LOCALES: Final = {"ko": "ko-KR", "en": "en-US", "ja": "ja-JP"}
_CUSTOM: Final = 127


def request_id(key: str) -> str:
    """The header `PayPal-Request-Id`, of at most 108 characters."""
    return key if _REQUEST_ID.fullmatch(key) else hashlib.sha256(key.encode(errors="replace")).hexdigest()


def order_of(request: CheckoutRequest, settings: PaypalSettings) -> Mapping[str, Any]:
    """Raises `Rejected`, and `Unsupported` for a currency that PayPal does not take."""
    context: dict[str, Any] = {
        "return_url": request.success_url,
        "cancel_url": request.cancel_url,
        "user_action": "PAY_NOW",
        "shipping_preference": "NO_SHIPPING",
        "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
        "locale": _LOCALES.get(request.locale, "en-US"),
    }
    if settings.brand is not None:
        context["brand_name"] = settings.brand
    unit = {
        "custom_id": _bounded(request.payment_id, "payment_id"),
        "invoice_id": request.payment_id,
        "amount": amount_of(request.amount, "open_checkout"),
        "description": short(request.description, _CUSTOM),
    }
    return {
        "intent": "CAPTURE",
        "purchase_units": [{name: value for name, value in unit.items() if value}],
        "payment_source": {"paypal": {"experience_context": context}},
        **request.extra,
    }


def refund_body(request: RefundRequest, payment_id: str | None) -> Mapping[str, Any]:
    body = {
        "amount": amount_of(request.amount, "refund"),
        "custom_id": refund_mark(request.idempotency_key, payment_id),
        "note_to_payer": short(request.reason, 255),
    }
    return {name: value for name, value in body.items() if value}


def refund_mark(key: str, payment_id: str | None) -> str:
    """What a refund carries of ours: its key, and which payment it is of, for a webhook about it names neither."""
    mark = key if len(key) <= 64 and key.isascii() and " " not in key else hashlib.sha256(key.encode()).hexdigest()
    return f"{mark} {payment_id}"[:_CUSTOM] if payment_id else mark


def subscription_of(request: SubscribeRequest, settings: PaypalSettings, now: datetime) -> Mapping[str, Any]:
    """A trial is a start in the future: PayPal's own trials belong to its plans. Raises `Rejected`."""
    if not ID.fullmatch(request.price_reference):
        raise _rejected("PayPal renews by a plan of its own: name it in the price's references", "subscribe")
    amount_of(request.amount, "subscribe")
    context: dict[str, Any] = {
        "return_url": request.success_url,
        "cancel_url": request.cancel_url,
        "user_action": "SUBSCRIBE_NOW",
        "shipping_preference": "NO_SHIPPING",
        "locale": _LOCALES.get(request.locale, "en-US"),
    }
    if settings.brand is not None:
        context["brand_name"] = settings.brand
    body: dict[str, Any] = {
        "plan_id": request.price_reference,
        "custom_id": _bounded(request.subscription_id, "subscription_id"),
        "application_context": context,
    }
    if request.customer_email:
        body["subscriber"] = {"email_address": request.customer_email}
    if request.trial_days > 0:
        body["start_time"] = f"{now + timedelta(days=request.trial_days):%Y-%m-%dT%H:%M:%SZ}"
    return {**body, **request.extra}


def revision_of(request: ChangeSubscriptionRequest) -> Mapping[str, Any]:
    """Raises `Unsupported` where a running period is to be settled, which PayPal does not do."""
    if request.prorate:
        raise Unsupported("PayPal settles nothing of a running period", provider=NAME, operation="change_subscription")
    if not ID.fullmatch(request.price_reference):
        raise _rejected("PayPal changes to a plan of its own: name it in the price's references", "change_subscription")
    return {"plan_id": request.price_reference}


def cancellation_of(request: CancelSubscriptionRequest) -> Mapping[str, Any]:
    if request.at_period_end:
        raise Unsupported("PayPal ends a subscription at once", provider=NAME, operation="cancel_subscription")
    return {"reason": "cancelled"}


def amount_of(amount: Money, operation: str) -> Mapping[str, str]:
    """With the decimal places that PayPal writes a currency with: three of ISO's are whole there."""
    decimals = DECIMALS.get(amount.currency)
    if decimals is None:
        raise Unsupported(f"PayPal takes no {amount.currency}", provider=NAME, operation=operation)
    if amount.amount <= 0:
        raise _rejected("an amount is more than nothing", operation)
    written = amount.to_decimal()
    if written != round(written, decimals):
        raise _rejected(f"PayPal writes {amount.currency} with {decimals} decimal places", operation)
    return {"currency_code": amount.currency, "value": f"{written:.{decimals}f}"}


def short(text: str, longest: int) -> str:
    """As many characters as fit, also where PayPal counts one outside ASCII for several."""
    return text.encode(errors="replace")[:longest].decode(errors="ignore")


def _bounded(identity: str, what: str) -> str:
    if not 1 <= len(identity) <= _CUSTOM:
        raise _rejected(f"{what} has 1 to {_CUSTOM} characters", "open_checkout")
    return identity


def _rejected(message: str, operation: str) -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason="invalid_request", provider=NAME, operation=operation)
