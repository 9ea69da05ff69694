"""PayPal's subscriptions as ours. Pure: no clock, no network.

Source: PayPal's OpenAPI description of Subscriptions v1 (1.6): `subscription`, `subscription_billing_info`, `plan`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from madang.adapters.paypal.mapping import moment_of, money_of, text_of
from madang.ports.money import Money
from madang.ports.payment import RemoteSubscriptionStatus, SubscriptionSnapshot

_S = RemoteSubscriptionStatus
STATUSES: Final[Mapping[str, RemoteSubscriptionStatus]] = {
    "APPROVAL_PENDING": _S.PENDING,
    "APPROVED": _S.PENDING,
    "ACTIVE": _S.ACTIVE,
    "SUSPENDED": _S.PAUSED,
    "CANCELLED": _S.CANCELLED,
    "EXPIRED": _S.CANCELLED,
}
"""`subscription_status`; any other is pending. PayPal suspends what it failed to charge too often."""


def subscription_from(document: Mapping[str, Any], now: datetime, approve_url: str | None = None) -> SubscriptionSnapshot:
    """An active one that has not begun is on trial, one that owes is past due. Raises what `UNREADABLE` names for another
    shape."""
    billing = document.get("billing_info", {})
    status = STATUSES.get(document["status"], _S.PENDING)
    started = moment_of(document.get("start_time"))
    trial_ends_at = started if status is _S.ACTIVE and started is not None and started > now else None
    if trial_ends_at is not None:
        status = _S.TRIALING
    elif status is _S.ACTIVE and billing.get("failed_payments_count", 0) > 0:
        status = _S.PAST_DUE
    return SubscriptionSnapshot(
        reference=text_of(document["id"]),
        status=status,
        price_reference=text_of(document["plan_id"]),
        current_period_start=moment_of(billing.get("last_payment", {}).get("time", document.get("create_time"))),
        current_period_end=trial_ends_at or moment_of(billing.get("next_billing_time")),
        subscription_id=document.get("custom_id"),
        amount=_price_in(document.get("plan", {})),
        trial_ends_at=trial_ends_at,
        ended_at=moment_of(document.get("status_update_time")) if status is _S.CANCELLED else None,
        approve_url=approve_url,
    )


def _price_in(plan: Mapping[str, Any]) -> Money | None:
    """What the plan's regular cycle costs; None where PayPal does not tell the plan, or its price."""
    cycles = {cycle["tenure_type"]: cycle for cycle in plan.get("billing_cycles", ())}
    pricing = cycles.get("REGULAR", {}).get("pricing_scheme")
    return money_of(pricing["fixed_price"]) if pricing else None
