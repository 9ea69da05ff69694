"""A provider's word as JSON and back: what an inbox entry and an action keep of it. No body, no personal data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from madang.ports.money import Money
from madang.ports.payment import PaymentNotice, PaymentSnapshot, RemotePaymentStatus


def notice_as_json(notice: PaymentNotice) -> Mapping[str, Any]:
    """What is kept of a notice: identifiers and the reported state."""
    return {
        "kind": notice.kind,
        "occurred_at": notice.occurred_at.isoformat() if notice.occurred_at else None,
        "reference": notice.reference,
        "payment_id": notice.payment_id,
        "subscription": notice.subscription,
        "subscription_id": notice.subscription_id,
        "snapshot": None if notice.snapshot is None else snapshot_as_json(notice.snapshot),
    }


def snapshot_as_json(snapshot: PaymentSnapshot) -> Mapping[str, Any]:
    return {
        "reference": snapshot.reference,
        "status": snapshot.status.value,
        "amount": snapshot.amount.amount,
        "refunded": snapshot.refunded.amount,
        "currency": snapshot.amount.currency,
        "refunded_currency": snapshot.refunded.currency,
        "payment_id": snapshot.payment_id,
        "paid_at": snapshot.paid_at.isoformat() if snapshot.paid_at else None,
        "method": snapshot.method,
        "failure": snapshot.failure,
        "tax": None if snapshot.tax is None else {"amount": snapshot.tax.amount, "currency": snapshot.tax.currency},
        "subscription": snapshot.subscription,
        "method_country": snapshot.method_country,
        "charged_back": None if snapshot.charged_back is None else snapshot.charged_back.amount,
    }


def snapshot_of(kept: Mapping[str, Any]) -> PaymentSnapshot:
    """Rows of an earlier release have fewer keys."""
    tax, charged_back = kept.get("tax"), kept.get("charged_back")
    return PaymentSnapshot(
        reference=kept["reference"],
        status=RemotePaymentStatus(kept["status"]),
        amount=Money(kept["amount"], kept["currency"]),
        refunded=Money(kept["refunded"], kept.get("refunded_currency") or kept["currency"]),
        payment_id=kept.get("payment_id"),
        paid_at=datetime.fromisoformat(kept["paid_at"]) if kept["paid_at"] else None,
        method=kept["method"],
        failure=kept.get("failure"),
        tax=None if tax is None else Money(tax["amount"], tax["currency"]),
        subscription=kept.get("subscription"),
        method_country=kept.get("method_country"),
        charged_back=None if charged_back is None else Money(charged_back, kept["currency"]),
    )
