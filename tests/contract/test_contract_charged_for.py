"""What Stripe, Paddle and Lemon Squeezy say that a charge of a subscription is for; what they do not say is not made up."""

from datetime import UTC, datetime
from typing import Any

import pytest

from madang.adapters.lemonsqueezy import mapping as lemonsqueezy
from madang.adapters.paddle import mapping as paddle
from madang.adapters.stripe import mapping as stripe
from madang.core.billing.snapshots import snapshot_as_json, snapshot_of
from madang.ports.money import Money
from madang.ports.payment import ChargedFor, ChargeReason, PaymentSnapshot, RemotePaymentStatus

BEGINS, ENDS = datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 12, 21, tzinfo=UTC)
PERIOD, CHANGE = ChargeReason.PERIOD, ChargeReason.CHANGE
BOTH = (BEGINS, ENDS)


def line(*, proration: bool, start: datetime, old: bool = False) -> dict[str, Any]:
    """Older versions of the API say it on the line itself."""
    details = {"proration": proration} if old else {"parent": {"subscription_item_details": {"proration": proration}}}
    return {**details, "period": {"start": int(start.timestamp()), "end": int(ENDS.timestamp())}}


EARLIER = datetime(2026, 11, 1, tzinfo=UTC)
PLAN, REST = line(proration=False, start=BEGINS), line(proration=True, start=BEGINS)


@pytest.mark.parametrize(
    ("reason", "lines", "expected"),
    [
        ("subscription_create", [PLAN], ChargedFor(PERIOD, *BOTH)),
        ("subscription_cycle", [line(proration=True, start=EARLIER), PLAN], ChargedFor(PERIOD, *BOTH)),
        ("subscription_cycle", [line(proration=False, start=BEGINS, old=True)], ChargedFor(PERIOD, *BOTH)),
        ("subscription_update", [REST, REST], ChargedFor(CHANGE, *BOTH)),
        ("subscription_cycle", [], ChargedFor(PERIOD)),
        ("subscription_update", [PLAN], ChargedFor(CHANGE)),
        ("manual", [PLAN], None),
        (None, [PLAN], None),
    ],
)
def test_stripe_says_it_by_the_reason_and_the_lines_of_an_invoice(
    reason: str | None, lines: list[dict[str, Any]], expected: ChargedFor | None
) -> None:
    invoice = {
        "id": "in_1", "status": "open", "amount_due": 9900, "currency": "krw", "billing_reason": reason,
        "lines": {"object": "list", "data": lines}, "subscription": "sub_1",
        "period_start": int(EARLIER.timestamp()), "period_end": int(BEGINS.timestamp()),
    }  # fmt: skip
    assert stripe.invoice_snapshot(invoice, {}).charged_for == expected


@pytest.mark.parametrize(
    ("origin", "period", "subscription", "expected"),
    [
        ("subscription_recurring", BOTH, "sub_1", ChargedFor(PERIOD, *BOTH)),
        ("web", None, "sub_1", ChargedFor(PERIOD)),
        ("subscription_update", BOTH, "sub_1", ChargedFor(CHANGE, *BOTH)),
        ("subscription_charge", BOTH, "sub_1", None),
        ("web", None, None, None),
    ],
)
def test_paddle_says_it_by_the_origin_and_the_period_of_a_transaction(
    origin: str, period: tuple[datetime, datetime] | None, subscription: str | None, expected: ChargedFor | None
) -> None:
    told = None if period is None else {"starts_at": period[0].isoformat(), "ends_at": period[1].isoformat()}
    totals = {"subtotal": "900", "tax": "90", "total": "990"}
    transaction = {
        "id": "txn_1", "status": "completed", "currency_code": "USD", "origin": origin, "billing_period": told,
        "subscription_id": subscription, "items": [], "payments": [], "details": {"totals": totals},
    }  # fmt: skip
    assert paddle.payment_of(transaction, False).charged_for == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("initial", ChargedFor(PERIOD)), ("renewal", ChargedFor(PERIOD)), ("updated", ChargedFor(CHANGE)), ("other", None),
    ],
)  # fmt: skip
def test_lemon_squeezy_says_the_reason_of_an_invoice_and_no_period(reason: str, expected: ChargedFor | None) -> None:
    told = {"status": "paid", "currency": "USD", "total": 990, "tax": 0, "subscription_id": 1, "billing_reason": reason}
    invoice = {"type": "subscription-invoices", "id": "1", "attributes": {**told, "created_at": BEGINS.isoformat()}}
    assert lemonsqueezy.payment_of(invoice).charged_for == expected


@pytest.mark.parametrize("told", [None, ChargedFor(PERIOD), ChargedFor(CHANGE, *BOTH)])
def test_it_is_kept_with_the_notice_that_proves_it(told: ChargedFor | None) -> None:
    snapshot = PaymentSnapshot("in_1", RemotePaymentStatus.PAID, Money(9900, "KRW"), Money.zero("KRW"), charged_for=told)
    assert snapshot_of(snapshot_as_json(snapshot)) == snapshot
    earlier = {name: value for name, value in snapshot_as_json(snapshot).items() if name != "charged_for"}
    assert snapshot_of(earlier).charged_for is None
