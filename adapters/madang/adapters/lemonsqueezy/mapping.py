"""What Lemon Squeezy answers, as ours. Pure: no clock, no network.

Source: Lemon Squeezy's API documentation of orders, subscriptions and subscription invoices (their attributes and states), and
the types of its JavaScript SDK 4.0.0. Not verified: what `subtotal` is in a store with tax-inclusive prices (so the amount is
told by `total`, less the tax where that was put on top), and which `code` an error has: only the status is read. An answer
carries no id of the call.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from madang.adapters.lemonsqueezy.capabilities import CURRENCY, NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import (
    ChargedFor,
    ChargeReason,
    PaymentSnapshot,
    RefundSnapshot,
    RemotePaymentStatus,
    RemoteRefundStatus,
    RemoteSubscriptionStatus,
    SubscriptionSnapshot,
)

_S, _R = RemotePaymentStatus, RemoteSubscriptionStatus
ORDERS: Final[Mapping[str, RemotePaymentStatus]] = {
    "pending": _S.PENDING,
    "failed": _S.FAILED,
    "paid": _S.PAID,
    "refunded": _S.REFUNDED,
    "partial_refund": _S.PARTLY_REFUNDED,
    "fraudulent": _S.FAILED,
}
INVOICES: Final[Mapping[str, RemotePaymentStatus]] = {
    "pending": _S.PENDING,
    "paid": _S.PAID,
    "void": _S.FAILED,
    "refunded": _S.REFUNDED,
    "partial_refund": _S.PARTLY_REFUNDED,
}
SUBSCRIPTIONS: Final[Mapping[str, RemoteSubscriptionStatus]] = {
    "on_trial": _R.TRIALING,
    "active": _R.ACTIVE,
    "paused": _R.PAUSED,
    "past_due": _R.PAST_DUE,
    "unpaid": _R.PAST_DUE,
    "cancelled": _R.ACTIVE,
    "expired": _R.CANCELLED,
}
"""A cancelled one runs until its period is over, and is then expired."""
REASONS: Final[Mapping[str, ChargeReason]] = {
    "initial": ChargeReason.PERIOD,
    "renewal": ChargeReason.PERIOD,
    "updated": ChargeReason.CHANGE,
}
"""An invoice's `billing_reason`."""
INVOICE: Final = "invoice:"
"""How a reference begins that is no order's id but a subscription invoice's."""
PAID: Final = frozenset({_S.PAID, _S.PARTLY_REFUNDED, _S.REFUNDED})
UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError)
"""What reading an answer of another shape raises."""
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_RETRY_AFTER: Final = 86_400.0


def error_of(status: int, headers: Mapping[str, str], answer: Mapping[str, Any], operation: str, *, effect: bool) -> PortError:
    """The error of an answer that is no success. A failure of theirs (5xx) leaves open whether it was done."""
    origin: Any = {"provider": NAME, "operation": operation, "code": code_of(answer, status)}
    if status == 429:
        return RateLimited("too many calls", retry_after=retry_after_of(headers), **origin)
    if status == 408:
        return (OutcomeUnknown if effect else Unavailable)("Lemon Squeezy is still at it", **origin)
    if status >= 500:
        lost = OutcomeUnknown if effect and status != 503 else Unavailable
        return lost(f"Lemon Squeezy answers {status}", **origin)
    if status == 404 and isinstance(answer.get("errors"), list):
        reason = "invalid_request" if operation in ("open_checkout", "subscribe") else "not_found"
        return Rejected("Lemon Squeezy knows no such thing", reason=reason, **origin)
    if status < 400 or status in (401, 402, 403, 404, 405):
        return Misconfigured("plugins.lemonsqueezy: its api_key, its store_id or its base_url is refused", **origin)
    return Rejected("Lemon Squeezy refuses the request", reason="invalid_request", **origin)


def code_of(answer: Mapping[str, Any], status: int) -> str:
    """The first error's own word, else the status."""
    try:
        word = str(answer["errors"][0]["code"])
    except (LookupError, TypeError):
        return str(status)
    return word if _CODE.fullmatch(word) else str(status)


def payment_of(resource: Mapping[str, Any]) -> PaymentSnapshot:
    """An order, or a subscription's invoice. Which payment of ours it is only a webhook tells. Raises what `UNREADABLE` names
    for another shape, as all of these."""
    told, of_subscription = resource["attributes"], resource["type"] == "subscription-invoices"
    status = (INVOICES if of_subscription else ORDERS).get(told["status"], _S.PENDING)
    tax = 0 if told.get("tax_inclusive") is True else _cents(told.get("tax", 0))
    amount = Money(_cents(told["total"]) - tax, told["currency"])
    back = min(_cents(told.get("refunded_amount", 0)), amount.amount)
    return PaymentSnapshot(
        reference=(INVOICE if of_subscription else "") + word_of(resource["id"]),
        status=status,
        amount=amount,
        refunded=amount if status is _S.REFUNDED else Money(back, amount.currency),
        paid_at=moment_of(told.get("created_at")) if status in PAID else None,
        method="card" if told.get("card_brand") else None,
        failure="declined" if status is _S.FAILED else None,
        tax=Money(tax, amount.currency) if tax else None,
        subscription=str(told["subscription_id"]) if of_subscription else None,
        charged_for=_charged_for(told) if of_subscription else None,
    )


def _charged_for(told: Mapping[str, Any]) -> ChargedFor | None:
    """Why an invoice was made; which period it is for Lemon Squeezy does not tell."""
    reason = REASONS.get(str(told.get("billing_reason")))
    return None if reason is None else ChargedFor(reason)


def subscription_of(resource: Mapping[str, Any], amount: Money | None = None) -> SubscriptionSnapshot:
    """`amount` is that of its price, which is asked for by itself. Which of ours it is only a webhook tells."""
    told = resource["attributes"]
    status, ends = SUBSCRIPTIONS.get(told["status"], _R.PENDING), moment_of(told.get("ends_at"))
    on_trial = status is _R.TRIALING
    return SubscriptionSnapshot(
        reference=word_of(resource["id"]),
        status=status,
        price_reference=str(told["variant_id"]),
        current_period_end=ends or moment_of(told.get("renews_at")),
        cancel_at_period_end=told["status"] == "cancelled" or (on_trial and told.get("cancelled") is True),
        amount=amount,
        trial_ends_at=moment_of(told.get("trial_ends_at")) if on_trial else None,
        ended_at=ends if status is _R.CANCELLED else None,
    )


def price_id_of(subscription: Mapping[str, Any]) -> int | None:
    """None where the subscription has no item yet."""
    item = subscription["attributes"].get("first_subscription_item")
    return int(item["price_id"]) if item else None


def price_of(resource: Mapping[str, Any]) -> Money:
    """In the store's currency."""
    return Money(_cents(resource["attributes"]["unit_price"]), CURRENCY)


def refund_of(resource: Mapping[str, Any], amount: Money) -> RefundSnapshot:
    """A refund has no id of its own: the order's, and how much had gone back with it."""
    payment = payment_of(resource)
    return RefundSnapshot(f"{payment.reference}/{payment.refunded.amount}", RemoteRefundStatus.SUCCEEDED, amount)


def resource_in(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises `ValueError` for an answer without one."""
    data = document.get("data")
    if not isinstance(data, dict):
        raise ValueError("there is no resource")
    return data


def word_of(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a word is missing")
    return value


def moment_of(written: Any) -> datetime | None:
    """A time with its zone; None for anything else."""
    try:
        moment = datetime.fromisoformat(written)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where nobody says."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def _cents(number: int) -> int:
    if number < 0:
        raise ValueError("there is no such amount")
    return number
