"""A provider's word about a subscription as JSON and back: what an action keeps of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from madang.core.billing.subscriptions.model import Terms
from madang.ports.money import Money
from madang.ports.payment import RemoteSubscriptionStatus, SubscriptionSnapshot


def subscription_as_json(told: SubscriptionSnapshot) -> Mapping[str, Any]:
    return {
        "reference": told.reference,
        "status": told.status.value,
        "price_reference": told.price_reference,
        "current_period_start": _written(told.current_period_start),
        "current_period_end": _written(told.current_period_end),
        "cancel_at_period_end": told.cancel_at_period_end,
        "subscription_id": told.subscription_id,
        "amount": None if told.amount is None else {"amount": told.amount.amount, "currency": told.amount.currency},
        "trial_ends_at": _written(told.trial_ends_at),
        "ended_at": _written(told.ended_at),
        "approve_url": told.approve_url,
    }


def subscription_told(kept: Mapping[str, Any]) -> SubscriptionSnapshot:
    return SubscriptionSnapshot(
        reference=kept["reference"],
        status=RemoteSubscriptionStatus(kept["status"]),
        price_reference=kept["price_reference"],
        current_period_start=_read(kept["current_period_start"]),
        current_period_end=_read(kept["current_period_end"]),
        cancel_at_period_end=kept["cancel_at_period_end"],
        subscription_id=kept["subscription_id"],
        amount=None if kept["amount"] is None else Money(**kept["amount"]),
        trial_ends_at=_read(kept["trial_ends_at"]),
        ended_at=_read(kept["ended_at"]),
        approve_url=kept["approve_url"],
    )


def terms_as_json(terms: Terms) -> Mapping[str, Any]:
    return {
        "plan_id": terms.plan_id,
        "price": {"amount": terms.price.amount, "currency": terms.price.currency},
        "credits": terms.credits,
        "price_reference": terms.price_reference,
    }


def terms_in(kept: Mapping[str, Any]) -> Terms:
    return Terms(kept["plan_id"], Money(**kept["price"]), kept["credits"], kept["price_reference"])


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _read(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)
