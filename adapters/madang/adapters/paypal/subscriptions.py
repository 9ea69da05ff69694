"""PayPal's subscriptions as ours. Pure: no clock, no network.

Source: PayPal's OpenAPI description of Subscriptions v1 (1.6): `subscription`, `subscription_billing_info`, `plan`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from madang.adapters.paypal.mapping import moment_of, money_of
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
    """Raises `ValueError` for another shape. An active one that has not begun is on trial, one that owes is past due."""
    identity, plan = document.get("id"), document.get("plan_id")
    if not isinstance(identity, str) or not identity or not isinstance(plan, str):
        raise ValueError("there is no id")
    told = document.get("billing_info")
    billing: Mapping[str, Any] = told if isinstance(told, dict) else {}
    started = moment_of(document.get("start_time"))
    last = billing.get("last_payment")
    status = STATUSES.get(str(document.get("status")), _S.PENDING)
    on_trial = status is _S.ACTIVE and started is not None and started > now
    if on_trial:
        status = _S.TRIALING
    elif status is _S.ACTIVE and _owes(billing):
        status = _S.PAST_DUE
    return SubscriptionSnapshot(
        reference=identity,
        status=status,
        price_reference=plan,
        current_period_start=moment_of(last.get("time")) if isinstance(last, dict) else moment_of(document.get("create_time")),
        current_period_end=started if on_trial else moment_of(billing.get("next_billing_time")),
        subscription_id=document.get("custom_id"),
        amount=_price_in(document.get("plan")),
        trial_ends_at=started if on_trial else None,
        ended_at=moment_of(document.get("status_update_time")) if status is _S.CANCELLED else None,
        approve_url=approve_url,
    )


def _owes(billing: Mapping[str, Any]) -> bool:
    failed = billing.get("failed_payments_count")
    return isinstance(failed, int) and failed > 0


def _price_in(plan: Any) -> Money | None:
    """What the plan's regular cycle costs; None where PayPal does not tell the plan."""
    cycles = plan.get("billing_cycles") if isinstance(plan, dict) else None
    for cycle in cycles if isinstance(cycles, list) else ():
        if cycle.get("tenure_type") == "REGULAR" and isinstance(cycle.get("pricing_scheme"), dict):
            return money_of(cycle["pricing_scheme"].get("fixed_price"))
    return None
