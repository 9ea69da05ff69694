"""Paddle's subscriptions as ours. Pure: no clock, no network.

Source: Paddle's OpenAPI description of 2025-05-27 (`subscription`, `subscription_scheduled_change`), and its page on custom
data: what a transaction carries of ours goes to the subscription that is born of it, and to each transaction of that.
"""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.paddle.mapping import integer_of, moment_of, ours_in, part_of, text_of, word_of
from madang.ports.money import Money
from madang.ports.payment import RemoteSubscriptionStatus, SubscriptionSnapshot

_S = RemoteSubscriptionStatus
STATUSES: Final[Mapping[str, RemoteSubscriptionStatus]] = {
    "active": _S.ACTIVE,
    "canceled": _S.CANCELLED,
    "past_due": _S.PAST_DUE,
    "paused": _S.PAUSED,
    "trialing": _S.TRIALING,
}
"""`status-subscription`; any other is pending."""


def subscription_of(subscription: Mapping[str, Any]) -> SubscriptionSnapshot:
    """Raises `ValueError` for another shape."""
    items = items_of(subscription)
    status = STATUSES.get(str(subscription.get("status")), _S.PENDING)
    period = subscription.get("current_billing_period") or {}
    trial = items[0].get("trial_dates") or {}
    return SubscriptionSnapshot(
        reference=text_of(subscription.get("id")),
        status=status,
        price_reference=text_of(part_of(items[0], "price").get("id")),
        current_period_start=moment_of(period.get("starts_at")),
        current_period_end=moment_of(period.get("ends_at")) or moment_of(subscription.get("next_billed_at")),
        cancel_at_period_end=ends(subscription),
        subscription_id=ours_in(subscription, "subscription_id"),
        amount=_amount(items, subscription.get("currency_code")),
        trial_ends_at=moment_of(trial.get("ends_at")) if status is _S.TRIALING else None,
        ended_at=moment_of(subscription.get("canceled_at")) if status is _S.CANCELLED else None,
    )


def awaited_of(transaction: Mapping[str, Any]) -> SubscriptionSnapshot:
    """One that nobody has agreed to yet, under its checkout's reference. Raises `ValueError`."""
    price = part_of(items_of(transaction)[0], "price")
    return SubscriptionSnapshot(
        reference=text_of(transaction.get("id")),
        status=_S.CANCELLED if transaction.get("status") == "canceled" else _S.PENDING,
        price_reference=word_of(price.get("id")) or "",
        subscription_id=ours_in(transaction, "subscription_id"),
    )


def ends(subscription: Mapping[str, Any]) -> bool:
    """Whether it is to be cancelled with its period."""
    change = subscription.get("scheduled_change")
    return isinstance(change, dict) and change.get("action") == "cancel"


def items_of(entity: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = entity.get("items")
    if not isinstance(items, list) or not items or not all(isinstance(each, dict) for each in items):
        raise ValueError("there are no items")
    return items


def _amount(items: list[Mapping[str, Any]], currency: Any) -> Money | None:
    """What a period costs; None where Paddle charges in another currency than the price's own."""
    total = 0
    for item in items:
        price = part_of(part_of(item, "price"), "unit_price")
        if price.get("currency_code") != currency:
            return None
        total += integer_of(price.get("amount")) * int(item.get("quantity") or 1)
    return Money(total, text_of(currency))
