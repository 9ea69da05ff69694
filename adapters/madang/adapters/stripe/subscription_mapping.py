"""Stripe's subscriptions, as ours. Pure. Raises `ValueError` for what is no such object."""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.stripe.amounts import money_of
from madang.adapters.stripe.mapping import id_of, listed, moment_of, object_of, text_of
from madang.adapters.stripe.payload import SUBSCRIPTION_ID
from madang.ports.money import Money
from madang.ports.payment import RemoteSubscriptionStatus, SubscriptionSnapshot

_S = RemoteSubscriptionStatus

STATUSES: Final[Mapping[str, RemoteSubscriptionStatus]] = {
    "incomplete": _S.PENDING,
    "incomplete_expired": _S.CANCELLED,
    "trialing": _S.TRIALING,
    "active": _S.ACTIVE,
    "past_due": _S.PAST_DUE,
    "unpaid": _S.PAST_DUE,
    "paused": _S.PAUSED,
    "canceled": _S.CANCELLED,
}
"""`unpaid`: Stripe has given up charging, and the subscription goes on owing."""


def subscription_snapshot(subscription: Mapping[str, Any]) -> SubscriptionSnapshot:
    items = listed(subscription.get("items"))
    first = items[0] if items else {}
    end = first.get("current_period_end") or subscription.get("current_period_end")
    return SubscriptionSnapshot(
        text_of(subscription.get("id")),
        STATUSES.get(str(subscription.get("status")), _S.PENDING),
        id_of(first.get("price")) or "",
        current_period_start=moment_of(first.get("current_period_start") or subscription.get("current_period_start")),
        current_period_end=moment_of(end),
        cancel_at_period_end=_ends_with_period(subscription, end),
        subscription_id=object_of(subscription.get("metadata")).get(SUBSCRIPTION_ID),
        amount=_amount(items),
        trial_ends_at=moment_of(subscription.get("trial_end")),
        ended_at=moment_of(subscription.get("ended_at")),
    )


def begun_snapshot(session: Mapping[str, Any]) -> SubscriptionSnapshot:
    """A subscription by the Checkout Session that it begins with, with the subscription expanded."""
    subscription = object_of(session.get("subscription"))
    if subscription:
        return subscription_snapshot(subscription)
    if session.get("mode") != "subscription":
        raise ValueError("the checkout is of no subscription")
    over = session.get("status") == "expired"
    return SubscriptionSnapshot(
        text_of(session.get("id")),
        _S.CANCELLED if over else _S.PENDING,
        "",
        subscription_id=session.get("client_reference_id"),
        ended_at=moment_of(session.get("expires_at")) if over else None,
    )


def _ends_with_period(subscription: Mapping[str, Any], end: object) -> bool:
    """Stripe may keep a cancellation at the period's end as a time."""
    cancel_at = subscription.get("cancel_at")
    return bool(subscription.get("cancel_at_period_end")) or (cancel_at is not None and cancel_at == end)


def _amount(items: list[Mapping[str, Any]]) -> Money | None:
    """What a period costs; None for prices by use or in fractions of the smallest coin."""
    total = None
    for item in items:
        price = object_of(item.get("price"))
        number, quantity = price.get("unit_amount"), item.get("quantity", 1)
        if not isinstance(number, int) or not isinstance(quantity, int):
            return None
        part = money_of(number * quantity, price.get("currency"))
        total = part if total is None else total + part
    return total
