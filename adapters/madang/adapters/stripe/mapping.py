"""What Stripe answers, as ours. Pure. Raises `ValueError` for what is no such object.

Source: the resources of API version 2026-10-28 (fixtures of Stripe's OpenAPI description, the SDK's types), where the period
of a subscription is its item's, and an invoice names its subscription in `parent` and its payments in `payments`; older
versions, which an endpoint of webhooks may still speak, had both on the object itself.

Not verified: that a charge stays `disputed` after a dispute was won, as assumed here: what came of it is asked of its disputes.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from madang.adapters.stripe.amounts import money_of
from madang.adapters.stripe.payload import PAYMENT_ID
from madang.ports.money import Money
from madang.ports.payment import (
    ChargedFor,
    ChargeReason,
    PaymentSnapshot,
    RefundSnapshot,
    RemotePaymentStatus,
    RemoteRefundStatus,
)

_P = RemotePaymentStatus

SESSION_STATUSES: Final[Mapping[str, RemotePaymentStatus]] = {"open": _P.PENDING, "expired": _P.EXPIRED}
"""A session's `status`; one that is `complete` says in `payment_status` whether it was paid."""

INTENT_STATUSES: Final[Mapping[str, RemotePaymentStatus]] = {
    "requires_payment_method": _P.FAILED,
    "requires_confirmation": _P.PENDING,
    "requires_action": _P.PENDING,
    "processing": _P.PENDING,
    "requires_capture": _P.PENDING,
    "canceled": _P.CANCELLED,
}
"""A PaymentIntent's `status` behind a complete and unpaid session: one that wants another means of payment has failed."""

INVOICE_STATUSES: Final[Mapping[str, RemotePaymentStatus]] = {
    "draft": _P.PENDING,
    "uncollectible": _P.FAILED,
    "void": _P.CANCELLED,
}
"""An invoice's `status`; an `open` one has failed once it was tried."""

REFUND_STATUSES: Final[Mapping[str, RemoteRefundStatus]] = {
    "pending": RemoteRefundStatus.PENDING,
    "requires_action": RemoteRefundStatus.PENDING,
    "succeeded": RemoteRefundStatus.SUCCEEDED,
    "failed": RemoteRefundStatus.FAILED,
    "canceled": RemoteRefundStatus.FAILED,
}

REASONS: Final[Mapping[str, ChargeReason]] = {
    "subscription_create": ChargeReason.PERIOD,
    "subscription_cycle": ChargeReason.PERIOD,
    "subscription_update": ChargeReason.CHANGE,
}
"""An invoice's `billing_reason`; the others are no charge of ours."""

OVER: Final = frozenset({"won", "warning_closed", "prevented"})
"""Disputes that took no money, or gave it back."""
LOST: Final = "lost"
"""The status of a dispute whose money is gone. An appeal opens it again."""


def session_snapshot(session: Mapping[str, Any], disputes: Sequence[Mapping[str, Any]] = ()) -> PaymentSnapshot:
    """A payment by its Checkout Session, with its PaymentIntent and that one's charge expanded."""
    amount = money_of(session.get("amount_total"), session.get("currency"))
    intent = object_of(session.get("payment_intent"))
    return _snapshot(
        text_of(session.get("id")),
        _session_status(session, intent),
        amount,
        object_of(intent.get("latest_charge")),
        disputes,
        payment_id=session.get("client_reference_id") or object_of(session.get("metadata")).get(PAYMENT_ID),
        failure=_failure(intent),
    )


def invoice_snapshot(
    invoice: Mapping[str, Any], intent: Mapping[str, Any], disputes: Sequence[Mapping[str, Any]] = ()
) -> PaymentSnapshot:
    """A renewal by its invoice, and the PaymentIntent that paid it, or tried to, with its charge expanded."""
    status = str(invoice.get("status"))
    known = INVOICE_STATUSES.get(status, _P.PENDING)
    if status == "paid":
        known = _P.PAID
    elif status == "open" and intent.get("status") == "requires_payment_method" and invoice.get("attempted"):
        known = _P.FAILED
    return _snapshot(
        text_of(invoice.get("id")),
        known,
        money_of(invoice.get("amount_due"), invoice.get("currency")),
        object_of(intent.get("latest_charge")),
        disputes,
        paid_at=object_of(invoice.get("status_transitions")).get("paid_at"),
        failure=_failure(intent) if known is not _P.PAID else None,
        subscription=subscription_of(invoice),
        charged_for=_charged_for(invoice),
    )


def refund_snapshot(refund: Mapping[str, Any]) -> RefundSnapshot:
    amount = money_of(refund.get("amount"), refund.get("currency"))
    status = REFUND_STATUSES.get(str(refund.get("status")), RemoteRefundStatus.PENDING)
    failed = status is RemoteRefundStatus.FAILED
    return RefundSnapshot(
        text_of(refund.get("id")), status, amount, str(refund.get("failure_reason") or "failed") if failed else None
    )


def charge_of(session_or_intent: Mapping[str, Any]) -> Mapping[str, Any]:
    """The charge of a session or PaymentIntent, empty where there is none."""
    intent = object_of(session_or_intent.get("payment_intent")) or session_or_intent
    return object_of(intent.get("latest_charge"))


def intent_of_invoice(invoice: Mapping[str, Any]) -> str | None:
    """The id of the PaymentIntent that pays this invoice: the one that did, else the one that Stripe would use."""
    payments = listed(invoice.get("payments"))
    rank = {"paid": 0, "open": 1}
    for each in sorted(payments, key=lambda one: (rank.get(str(one.get("status")), 2), not one.get("is_default"))):
        if (found := id_of(object_of(each.get("payment")).get("payment_intent"))) is not None:
            return found
    return id_of(invoice.get("payment_intent"))


def subscription_of(invoice: Mapping[str, Any]) -> str | None:
    """The subscription that an invoice is for."""
    details = object_of(object_of(invoice.get("parent")).get("subscription_details"))
    return id_of(details.get("subscription")) or id_of(invoice.get("subscription"))


def id_of(value: object) -> str | None:
    """The id of what is named by it, or is there as a whole."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def object_of(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list of Stripe's."""
    data = object_of(value).get("data")
    return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []


def text_of(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("there is no id")
    return value


def moment_of(value: object) -> datetime | None:
    """Stripe's seconds since 1970."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) and not isinstance(value, bool) else None


def _session_status(session: Mapping[str, Any], intent: Mapping[str, Any]) -> RemotePaymentStatus:
    status, paid = str(session.get("status")), session.get("payment_status")
    if status != "complete":
        return SESSION_STATUSES.get(status, _P.PENDING)
    if paid == "paid":
        return _P.PAID
    return INTENT_STATUSES.get(str(intent.get("status")), _P.PENDING) if paid == "unpaid" else _P.PENDING


def _snapshot(
    reference: str,
    status: RemotePaymentStatus,
    amount: Money,
    charge: Mapping[str, Any],
    disputes: Sequence[Mapping[str, Any]],
    *,
    payment_id: str | None = None,
    paid_at: object = None,
    failure: str | None = None,
    subscription: str | None = None,
    charged_for: ChargedFor | None = None,
) -> PaymentSnapshot:
    refunded, charged_back = Money.zero(amount.currency), None
    if status is _P.PAID:
        refunded = money_of(charge.get("amount_refunded", 0), charge.get("currency", amount.currency))
        charged_back = _charged_back(amount, refunded, disputes)
        refunded = refunded if charged_back is None else refunded + charged_back
        status = _paid_status(amount, refunded, disputes)
        paid_at, failure = paid_at or charge.get("created"), None
    details = object_of(charge.get("payment_method_details"))
    method = details.get("type")
    return PaymentSnapshot(
        reference,
        status,
        amount,
        refunded,
        payment_id=payment_id,
        paid_at=moment_of(paid_at),
        method=method if isinstance(method, str) else None,
        failure=failure,
        subscription=subscription,
        charged_back=charged_back,
        method_country=_country(object_of(details.get(str(method))).get("country")),
        charged_for=charged_for,
    )


def _country(value: object) -> str | None:
    """As Stripe tells it of cards, Link, SEPA debits and some more."""
    return value.upper() if isinstance(value, str) and len(value) == 2 and value.isalpha() else None


def _charged_back(amount: Money, refunded: Money, disputes: Sequence[Mapping[str, Any]]) -> Money | None:
    """What lost disputes took of what had not gone back; None where nobody ever disputed. One in another currency, or of more
    than is left (rates of exchange move), took all of it."""
    if not disputes:
        return None
    left, taken = amount - refunded, Money.zero(amount.currency)
    for each in disputes:
        if str(each.get("status")) == LOST:
            told = money_of(each.get("amount"), each.get("currency"))
            taken = min(taken + told, left) if told.currency == amount.currency else left
    return taken


def _charged_for(invoice: Mapping[str, Any]) -> ChargedFor | None:
    """Of a renewal the period of its plan's line, of a change that of what is left; the invoice's own period is the one before
    it."""
    reason = REASONS.get(str(invoice.get("billing_reason")))
    if reason is None:
        return None
    change = reason is ChargeReason.CHANGE
    lines = [object_of(each.get("period")) for each in listed(invoice.get("lines")) if _is_proration(each) is change]
    if not lines:
        return ChargedFor(reason)
    return ChargedFor(reason, moment_of(lines[-1].get("start")), moment_of(lines[-1].get("end")))


def _is_proration(line: Mapping[str, Any]) -> bool:
    parent = object_of(line.get("parent"))
    details = object_of(parent.get("subscription_item_details")) or object_of(parent.get("invoice_item_details"))
    return bool(details.get("proration") or line.get("proration"))


def _paid_status(amount: Money, refunded: Money, disputes: Sequence[Mapping[str, Any]]) -> RemotePaymentStatus:
    if any(str(each.get("status")) not in OVER | {LOST} for each in disputes):
        return _P.DISPUTED
    if refunded.amount and refunded >= amount:
        return _P.REFUNDED
    return _P.PARTLY_REFUNDED if refunded.amount else _P.PAID


def _failure(intent: Mapping[str, Any]) -> str | None:
    """Stripe's word for why the last try failed."""
    error = object_of(intent.get("last_payment_error"))
    found = error.get("decline_code") or error.get("code")
    return found if isinstance(found, str) else None
