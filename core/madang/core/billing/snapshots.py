"""A provider's word as JSON and back: what an inbox entry and an action keep of it. No body, no personal data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from madang.ports.money import Money
from madang.ports.payment import ChargedFor, ChargeReason, PaymentNotice, PaymentSnapshot, RemotePaymentStatus


def notice_as_json(notice: PaymentNotice) -> Mapping[str, Any]:
    """What is kept of a notice: identifiers and the reported state."""
    return {
        "event_id": notice.event_id,
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
        "charged_for": None if snapshot.charged_for is None else _charged_for_as_json(snapshot.charged_for),
    }


def snapshot_of(kept: Mapping[str, Any]) -> PaymentSnapshot:
    """Rows of an earlier release have fewer keys."""
    tax, charged_back = kept.get("tax"), kept.get("charged_back")
    charged_for = kept.get("charged_for")
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
        charged_for=None if charged_for is None else _charged_for_in(charged_for),
    )


def _charged_for_as_json(charged_for: ChargedFor) -> Mapping[str, Any]:
    starts_at, ends_at = charged_for.starts_at, charged_for.ends_at
    return {
        "reason": charged_for.reason.value,
        "starts_at": starts_at.isoformat() if starts_at else None,
        "ends_at": ends_at.isoformat() if ends_at else None,
    }


def _charged_for_in(kept: Mapping[str, Any]) -> ChargedFor:
    starts_at, ends_at = (datetime.fromisoformat(kept[name]) if kept[name] else None for name in ("starts_at", "ends_at"))
    return ChargedFor(ChargeReason(kept["reason"]), starts_at, ends_at)
