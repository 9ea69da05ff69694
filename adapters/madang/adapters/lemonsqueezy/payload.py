"""Our requests as Lemon Squeezy's JSON:API. Pure: no clock, no network.

Source: Lemon Squeezy's API documentation of checkouts, refunds and subscriptions, and the types of its JavaScript SDK 4.0.0.
A checkout's `custom` comes back in each webhook about what was bought: so an order is known to be ours.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.lemonsqueezy.capabilities import CURRENCY, NAME
from madang.adapters.lemonsqueezy.settings import LemonSqueezySettings
from madang.ports.errors import Rejected, Unsupported
from madang.ports.money import Money
from madang.ports.payment import ChangeSubscriptionRequest, CheckoutRequest, SubscribeRequest

NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}")
"""An id of theirs."""


def checkout_of(request: CheckoutRequest, settings: LemonSqueezySettings) -> Mapping[str, Any]:
    """A purchase of ours by the store's one variant, under its own name and price. Raises `Rejected` and `Unsupported`."""
    attributes: dict[str, Any] = {
        "custom_price": cents_of(request.amount, "open_checkout"),
        "product_options": {
            "name": _required(request.description, "description"),
            "redirect_url": request.success_url,
            "enabled_variants": [int(settings.variant_id)],
        },
        "checkout_options": {"discount": False},
        "checkout_data": _buyer(
            {"payment_id": _required(request.payment_id, "payment_id")},
            request.customer_email,
            request.customer_name,
            request.country,
        ),
    }
    if request.expires_at is not None:
        attributes["expires_at"] = request.expires_at.isoformat()
    return _checkout({**attributes, **request.extra}, settings.variant_id, settings)


def subscription_checkout_of(request: SubscribeRequest, settings: LemonSqueezySettings) -> Mapping[str, Any]:
    """A trial is the variant's own: with `trial_days` it is left on, else it is skipped. Raises `Rejected`."""
    if not NUMBER.fullmatch(request.price_reference):
        raise rejected("Lemon Squeezy renews by a variant of its own: name it in the price's references", "subscribe")
    cents_of(request.amount, "subscribe")
    attributes = {
        "product_options": {"redirect_url": request.success_url, "enabled_variants": [int(request.price_reference)]},
        "checkout_options": {"discount": False, "skip_trial": request.trial_days == 0},
        "checkout_data": _buyer(
            {"subscription_id": _required(request.subscription_id, "subscription_id")},
            request.customer_email,
            request.customer_name,
            request.country,
        ),
    }
    return _checkout({**attributes, **request.extra}, request.price_reference, settings)


def refund_body(kind: str, identity: str, amount: Money, *, whole: bool) -> Mapping[str, Any]:
    """All of it without an amount, so that the tax goes back, too."""
    attributes = {} if whole else {"amount": cents_of(amount, "refund")}
    return {"data": {"type": kind, "id": identity, "attributes": attributes}}


def change_body(request: ChangeSubscriptionRequest) -> Mapping[str, Any]:
    if not NUMBER.fullmatch(request.price_reference):
        raise rejected("Lemon Squeezy changes to a variant of its own: name it in the references", "change_subscription")
    settling = {"invoice_immediately": True} if request.prorate else {"disable_prorations": True}
    attributes = {"variant_id": int(request.price_reference), **settling}
    return {"data": {"type": "subscriptions", "id": request.reference, "attributes": attributes}}


def resumption_body(reference: str) -> Mapping[str, Any]:
    return {"data": {"type": "subscriptions", "id": reference, "attributes": {"cancelled": False}}}


def cents_of(amount: Money, operation: str) -> int:
    if amount.currency != CURRENCY and operation == "refund":
        raise rejected("a refund is in the payment's currency", operation)
    if amount.currency != CURRENCY:
        raise Unsupported(f"a price at Lemon Squeezy is in {CURRENCY} here", provider=NAME, operation=operation)
    if amount.amount <= 0:
        raise rejected("an amount is more than nothing", operation)
    return amount.amount


def rejected(message: str, operation: str, reason: str = "invalid_request") -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason=reason, provider=NAME, operation=operation)


def _buyer(ours: Mapping[str, str], email: str | None, name: str | None, country: str | None) -> Mapping[str, Any]:
    known = {"email": email, "name": name, "billing_address": {"country": country} if country else None}
    return {"custom": ours, **{field: value for field, value in known.items() if value}}


def _checkout(attributes: Mapping[str, Any], variant: str, settings: LemonSqueezySettings) -> Mapping[str, Any]:
    related = {
        "store": {"data": {"type": "stores", "id": settings.store_id}},
        "variant": {"data": {"type": "variants", "id": variant}},
    }
    return {"data": {"type": "checkouts", "attributes": attributes, "relationships": related}}


def _required(text: str, what: str) -> str:
    if not text.strip():
        raise rejected(f"{what} is empty", "open_checkout")
    return text
