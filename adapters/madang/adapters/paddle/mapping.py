"""Paddle's transactions and their refunds as ours. Pure: no clock, no network.

Source: Paddle's OpenAPI description of 2025-05-27: `transaction`, `transaction_totals`, `adjustment` and their states. Not
verified: that a transaction's included `adjustments` are all of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from madang.ports.money import Money
from madang.ports.payment import (
    ChargedFor,
    ChargeReason,
    PaymentSnapshot,
    RefundSnapshot,
    RemotePaymentStatus,
    RemoteRefundStatus,
)

_S, _R = RemotePaymentStatus, RemoteRefundStatus
TRANSACTIONS: Final[Mapping[str, RemotePaymentStatus]] = {
    "draft": _S.PENDING,
    "ready": _S.PENDING,
    "billed": _S.PENDING,
    "paid": _S.PAID,
    "completed": _S.PAID,
    "canceled": _S.CANCELLED,
    "past_due": _S.PENDING,
}
"""`status-transaction`; any other is pending. Paddle goes on trying what is past due."""
REFUNDS: Final[Mapping[str, RemoteRefundStatus]] = {
    "pending_approval": _R.PENDING,
    "approved": _R.SUCCEEDED,
    "rejected": _R.FAILED,
    "reversed": _R.FAILED,
}
"""`status-adjustment`; any other is pending."""
REASONS: Final[Mapping[str, ChargeReason]] = {
    "api": ChargeReason.PERIOD,
    "web": ChargeReason.PERIOD,
    "subscription_recurring": ChargeReason.PERIOD,
    "subscription_update": ChargeReason.CHANGE,
}
"""`origin-transaction`; the others are no charge of ours."""
CHARGEBACK: Final = "chargeback"
"""The buyer's bank has taken the money: Paddle makes one when a buyer "successfully disputes a charge". One that Paddle
contests with success is `reversed`."""
WARNING: Final = "chargeback_warning"


def payment_of(transaction: Mapping[str, Any], inclusive: bool) -> PaymentSnapshot:
    """`inclusive` is for prices that leave it to the account whether they hold the tax. Raises `ValueError`."""
    within, currency = holds_tax(transaction, inclusive), text_of(transaction.get("currency_code"))
    totals = part_of(part_of(transaction, "details"), "totals")
    amount, tax = Money(max(net_of(totals, within), 0), currency), integer_of(totals.get("tax"))
    charged_back = _charged_back(transaction, within, currency)
    back = _given_back(transaction, within, currency)
    back = back if charged_back is None else min(back + charged_back, amount)
    paid = TRANSACTIONS.get(str(transaction.get("status")), _S.PENDING)
    attempt = _captured(transaction) if paid is _S.PAID else None
    return PaymentSnapshot(
        reference=text_of(transaction.get("id")),
        status=_status(transaction, paid, amount, back),
        amount=amount,
        refunded=back,
        payment_id=ours_in(transaction, "payment_id"),
        paid_at=_paid_at(transaction, attempt) if paid is _S.PAID else None,
        method=_method(attempt),
        tax=Money(tax, currency) if tax > 0 and not within else None,
        subscription=word_of(transaction.get("subscription_id")),
        charged_back=charged_back,
        charged_for=_charged_for(transaction),
    )


def _charged_for(transaction: Mapping[str, Any]) -> ChargedFor | None:
    """Paddle tells the period of a renewal; of a first charge perhaps not."""
    reason = REASONS.get(str(transaction.get("origin")))
    if reason is None or transaction.get("subscription_id") is None:
        return None
    period = part_of(transaction, "billing_period") if transaction.get("billing_period") else {}
    return ChargedFor(reason, moment_of(period.get("starts_at")), moment_of(period.get("ends_at")))


def refund_of(adjustment: Mapping[str, Any], within: bool) -> RefundSnapshot:
    """Raises `ValueError`."""
    status = REFUNDS.get(str(adjustment.get("status")), _R.PENDING)
    amount = Money(net_of(part_of(adjustment, "totals"), within), text_of(adjustment.get("currency_code")))
    return RefundSnapshot(text_of(adjustment.get("id")), status, amount, "rejected" if status is _R.FAILED else None)


def refunds_in(transaction: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for adjustment in _adjustments(transaction):
        if adjustment.get("action") == "refund":
            yield adjustment


def taken_back(transaction: Mapping[str, Any], within: bool) -> Mapping[str, int]:
    """How much of each item is, or may yet be, given back."""
    taken: dict[str, int] = {}
    for adjustment in _adjustments(transaction):
        if adjustment.get("action") in ("refund", CHARGEBACK) and adjustment.get("status") not in ("rejected", "reversed"):
            for item in adjustment.get("items") or ():
                identity = text_of(item.get("item_id"))
                taken[identity] = taken.get(identity, 0) + net_of(part_of(item, "totals"), within)
    return taken


def holds_tax(transaction: Mapping[str, Any], inclusive: bool) -> bool:
    """Whether our price holds the tax: as its items' prices say, else as the settings do."""
    for item in transaction.get("items") or ():
        mode = part_of(item, "price").get("tax_mode")
        if mode in ("internal", "external"):
            return bool(mode == "internal")
    return inclusive


def net_of(totals: Mapping[str, Any], within: bool) -> int:
    """What we asked, of a breakdown: its total, without the tax where that was put on top."""
    return integer_of(totals.get("total")) - (0 if within else integer_of(totals.get("tax")))


def ours_in(entity: Mapping[str, Any], name: str) -> str | None:
    """What an entity carries of ours."""
    custom = entity.get("custom_data")
    return word_of(custom.get(name)) if isinstance(custom, dict) else None


def part_of(entity: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = entity.get(name)
    if not isinstance(part, dict):
        raise ValueError(f"there is no {name}")
    return part


def moment_of(written: Any) -> datetime | None:
    """A time with its zone; None for anything else."""
    try:
        moment = datetime.fromisoformat(written)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def text_of(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a word is missing")
    return value


def word_of(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def integer_of(written: Any) -> int:
    """An amount in the lowest denomination, which Paddle writes as a string."""
    if not isinstance(written, str) or not written.removeprefix("-").isascii() or not written.removeprefix("-").isdigit():
        raise ValueError("there is no amount")
    return int(written)


def _status(transaction: Mapping[str, Any], status: RemotePaymentStatus, amount: Money, back: Money) -> RemotePaymentStatus:
    if status is not _S.PAID:
        return status
    if any(each.get("action") == WARNING and each.get("status") == "approved" for each in _adjustments(transaction)):
        return _S.DISPUTED
    if not back.amount:
        return _S.PAID
    return _S.REFUNDED if back >= amount else _S.PARTLY_REFUNDED


def _given_back(transaction: Mapping[str, Any], within: bool, currency: str) -> Money:
    """What has gone back; a refund that is under review, or was rejected, has not."""
    done = (refund_of(each, within) for each in refunds_in(transaction))
    return sum((each.amount for each in done if each.status is _R.SUCCEEDED), Money.zero(currency))


def _charged_back(transaction: Mapping[str, Any], within: bool, currency: str) -> Money | None:
    """What chargebacks hold now; None where there never was one."""
    found = [each for each in _adjustments(transaction) if each.get("action") in (CHARGEBACK, WARNING)]
    if not found:
        return None
    took = (refund_of(each, within) for each in found if each.get("action") == CHARGEBACK)
    return sum((each.amount for each in took if each.status is _R.SUCCEEDED), Money.zero(currency))


def _adjustments(transaction: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    told = transaction.get("adjustments")
    return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else ()


def _captured(transaction: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The attempt that succeeded, if it is told yet."""
    for attempt in transaction.get("payments") or ():
        if attempt.get("status") == "captured":
            return dict(attempt)
    return None


def _paid_at(transaction: Mapping[str, Any], attempt: Mapping[str, Any] | None) -> datetime | None:
    captured = moment_of(attempt.get("captured_at")) if attempt else None
    return captured or moment_of(transaction.get("billed_at")) or moment_of(transaction.get("updated_at"))


def _method(attempt: Mapping[str, Any] | None) -> str | None:
    details = attempt.get("method_details") if attempt else None
    return word_of(details.get("type")) if isinstance(details, dict) else None
