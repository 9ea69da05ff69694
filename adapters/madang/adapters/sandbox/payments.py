"""The payment company's own books: what a checkout, a card and a refund do to a payment, and the events that follow."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from madang.adapters.sandbox import webhooks
from madang.adapters.sandbox.chance import digest, identifier
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.errors import Rejected
from madang.ports.money import Money
from madang.ports.payment import (
    CheckoutRequest,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    RemotePaymentStatus,
    RemoteRefundStatus,
)

PAYABLE: Final = frozenset({"pending", "failed"})
"""A declined card may be followed by another one in the same checkout."""
PAID: Final = frozenset({"paid", "partly_refunded", "refunded"})


@dataclass(frozen=True, slots=True)
class RemotePayment:
    """One row of the books."""

    reference: str
    payment_id: str
    amount: Money
    description: str
    success_url: str
    cancel_url: str
    webhook_url: str | None
    locale: str
    status: str
    refunded: int
    method: str | None
    failure: str | None
    events: int
    created_at: float
    expires_at: float | None
    paid_at: float | None

    @property
    def payable(self) -> bool:
        """Whether somebody may pay it at its page; a charge of a stored means of payment has none."""
        return self.status in PAYABLE and bool(self.success_url)

    def snapshot(self) -> PaymentSnapshot:
        return PaymentSnapshot(
            reference=self.reference,
            status=RemotePaymentStatus(self.status),
            amount=self.amount,
            refunded=Money(self.refunded, self.amount.currency),
            payment_id=self.payment_id,
            paid_at=_moment(self.paid_at),
            method=self.method,
            failure=self.failure,
        )


def open_checkout(connection: sqlite3.Connection, knobs: SandboxSettings, request: CheckoutRequest) -> RemotePayment:
    """Open it, or find it again by its key or by the payment's id while it is not paid. Raises `Rejected`."""
    fingerprint = digest(request.payment_id, request.amount, request.description, request.success_url, request.cancel_url)
    row = connection.execute(
        "SELECT * FROM payments WHERE key = ? OR payment_id = ?", (request.idempotency_key, request.payment_id)
    ).fetchone()
    if row is not None:
        return _reopened(connection, row, request, fingerprint)
    expires_at = request.expires_at.timestamp() if request.expires_at else None
    connection.execute(
        "INSERT INTO payments (reference, key, payment_id, fingerprint, amount, currency, description, success_url, cancel_url,"
        " webhook_url, locale, status, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)",
        (
            identifier("pay", knobs.seed, request.idempotency_key),
            request.idempotency_key,
            request.payment_id,
            fingerprint,
            request.amount.amount,
            request.amount.currency,
            request.description,
            request.success_url,
            request.cancel_url,
            request.webhook_url,
            request.locale,
            time.time(),
            expires_at,
        ),
    )
    return get(connection, knobs, identifier("pay", knobs.seed, request.idempotency_key))


def _reopened(connection: sqlite3.Connection, row: sqlite3.Row, request: CheckoutRequest, fingerprint: str) -> RemotePayment:
    if row["fingerprint"] != fingerprint:
        raise _rejected(
            "this key or payment id was used for another checkout", "invalid_request", "open_checkout", "idempotency_key_reused"
        )
    if row["key"] != request.idempotency_key and row["status"] in PAID:
        raise _rejected("this payment is paid already", "already_paid", "open_checkout", "already_paid")
    return _read(row)


def get(connection: sqlite3.Connection, knobs: SandboxSettings, reference: str, operation: str = "fetch") -> RemotePayment:
    """Raises `Rejected(reason="not_found")`. A checkout whose time is over is `expired` from this moment on."""
    row = connection.execute("SELECT * FROM payments WHERE reference = ?", (reference,)).fetchone()
    if row is None:
        raise _rejected("no payment has this reference", "not_found", operation)
    return _expired_if_due(connection, knobs, _read(row))


def find(connection: sqlite3.Connection, knobs: SandboxSettings, payment_id: str) -> RemotePayment | None:
    row = connection.execute("SELECT * FROM payments WHERE payment_id = ?", (payment_id,)).fetchone()
    return _expired_if_due(connection, knobs, _read(row)) if row else None


def listed(
    connection: sqlite3.Connection, since: float, until: float, after: str | None, limit: int
) -> Sequence[RemotePayment]:
    """Payments opened in the half-open time, oldest first, after the one whose reference is the cursor."""
    start = connection.execute("SELECT created_at FROM payments WHERE reference = ?", (after,)).fetchone() if after else None
    rows = connection.execute(
        "SELECT * FROM payments WHERE created_at >= ? AND created_at < ? AND (created_at, reference) > (?, ?)"
        " ORDER BY created_at, reference LIMIT ?",
        (since, until, start["created_at"] if start else -1.0, after or "", limit),
    )
    return [_read(row) for row in rows]


def recent(connection: sqlite3.Connection, limit: int = 50) -> Sequence[RemotePayment]:
    return [
        _read(row) for row in connection.execute("SELECT * FROM payments ORDER BY created_at DESC, reference LIMIT ?", (limit,))
    ]


def pay(connection: sqlite3.Connection, knobs: SandboxSettings, reference: str, method: str) -> RemotePayment:
    """The person's card is charged, or declined when the knob says so. Paying what is paid changes nothing."""
    payment = get(connection, knobs, reference)
    if payment.status in PAID:
        return payment
    if not payment.payable:
        raise _rejected(f"the checkout is {payment.status}", "not_payable", "pay")
    if knobs.decline:
        return decline(connection, knobs, reference)
    connection.execute(
        "UPDATE payments SET status = 'paid', method = ?, failure = NULL, paid_at = ? WHERE reference = ?",
        (method, time.time(), reference),
    )
    return announce(connection, knobs, reference)


def decline(connection: sqlite3.Connection, knobs: SandboxSettings, reference: str) -> RemotePayment:
    """The card company says no; another card may still be tried."""
    return _end(connection, knobs, reference, "failed", "declined")


def cancel(connection: sqlite3.Connection, knobs: SandboxSettings, reference: str) -> RemotePayment:
    """The person closed the window for good."""
    return _end(connection, knobs, reference, "cancelled", None)


def refund(connection: sqlite3.Connection, knobs: SandboxSettings, request: RefundRequest) -> RefundSnapshot:
    """Give back once for each key. Raises `Rejected`: `amount_exceeded`, `not_found`, `not_refundable`, `invalid_request`."""
    earlier = find_refund(connection, request.reference, request.idempotency_key)
    if earlier is not None:
        if earlier.amount != request.amount:
            raise _rejected("this key was used for another refund", "invalid_request", "refund", "idempotency_key_reused")
        return earlier
    payment = get(connection, knobs, request.reference, "refund")
    _require_refundable(payment, request.amount)
    identity = identifier("rfd", knobs.seed, request.reference, request.idempotency_key)
    connection.execute(
        "INSERT INTO refunds (id, key, reference, amount, reason, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (
            identity,
            _refund_key(request.reference, request.idempotency_key),
            request.reference,
            request.amount.amount,
            request.reason,
            time.time(),
        ),
    )
    refunded = payment.refunded + request.amount.amount
    status = "refunded" if refunded == payment.amount.amount else "partly_refunded"
    connection.execute(
        "UPDATE payments SET refunded = ?, status = ? WHERE reference = ?", (refunded, status, request.reference)
    )
    announce(connection, knobs, request.reference)
    return RefundSnapshot(identity, RemoteRefundStatus.SUCCEEDED, request.amount)


def find_refund(connection: sqlite3.Connection, reference: str, key: str) -> RefundSnapshot | None:
    row = connection.execute(
        "SELECT r.id, r.amount, p.currency FROM refunds r JOIN payments p USING (reference) WHERE r.key = ?",
        (_refund_key(reference, key),),
    ).fetchone()
    return RefundSnapshot(row["id"], RemoteRefundStatus.SUCCEEDED, Money(row["amount"], row["currency"])) if row else None


def _refund_key(reference: str, key: str) -> str:
    return f"{reference}:{key}"


def _require_refundable(payment: RemotePayment, amount: Money) -> None:
    if payment.status not in PAID:
        raise _rejected(f"the payment is {payment.status}", "not_refundable", "refund")
    if amount.currency != payment.amount.currency or amount.amount <= 0:
        raise _rejected(f"{amount} cannot be refunded of {payment.amount}", "invalid_request", "refund")
    if payment.refunded + amount.amount > payment.amount.amount:
        raise _rejected("more than what is left of the payment", "amount_exceeded", "refund")


def _end(
    connection: sqlite3.Connection, knobs: SandboxSettings, reference: str, status: str, failure: str | None
) -> RemotePayment:
    payment = get(connection, knobs, reference)
    if not payment.payable or payment.status == status:
        return payment
    connection.execute("UPDATE payments SET status = ?, failure = ? WHERE reference = ?", (status, failure, reference))
    return announce(connection, knobs, reference)


def _expired_if_due(connection: sqlite3.Connection, knobs: SandboxSettings, payment: RemotePayment) -> RemotePayment:
    if payment.status not in PAYABLE or payment.expires_at is None or time.time() < payment.expires_at:
        return payment
    connection.execute("UPDATE payments SET status = 'expired' WHERE reference = ?", (payment.reference,))
    return announce(connection, knobs, payment.reference)


def announce(connection: sqlite3.Connection, knobs: SandboxSettings, reference: str) -> RemotePayment:
    """Put the event of what the payment has become on its way."""
    connection.execute("UPDATE payments SET events = events + 1 WHERE reference = ?", (reference,))
    payment = _read(connection.execute("SELECT * FROM payments WHERE reference = ?", (reference,)).fetchone())
    webhooks.schedule(
        connection,
        knobs,
        url=payment.webhook_url,
        event_id=identifier("evt", reference, payment.events),
        kind=f"payment.{payment.status}",
        subject=reference,
        data=event_data(payment),
    )
    return payment


def event_data(payment: RemotePayment) -> Mapping[str, Any]:
    """The payment as webhooks carry it."""
    return {
        "reference": payment.reference,
        "payment_id": payment.payment_id,
        "status": payment.status,
        "amount": payment.amount.amount,
        "currency": payment.amount.currency,
        "refunded": payment.refunded,
        "method": payment.method,
        "failure": payment.failure,
        "paid_at": payment.paid_at,
    }


def snapshot_of(data: Mapping[str, Any]) -> PaymentSnapshot:
    """Read `event_data` back; an unknown status is `PENDING`. Another shape: `KeyError`, `TypeError` or `ValueError`."""
    known = {status.value for status in RemotePaymentStatus}
    status = RemotePaymentStatus(data["status"]) if data["status"] in known else RemotePaymentStatus.PENDING
    currency = data["currency"]
    return PaymentSnapshot(
        reference=str(data["reference"]),
        status=status,
        amount=Money(data["amount"], currency),
        refunded=Money(data["refunded"], currency),
        payment_id=data.get("payment_id"),
        paid_at=_moment(data.get("paid_at")),
        method=data.get("method"),
        failure=data.get("failure"),
    )


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def _read(row: sqlite3.Row) -> RemotePayment:
    return RemotePayment(
        reference=row["reference"],
        payment_id=row["payment_id"],
        amount=Money(row["amount"], row["currency"]),
        description=row["description"],
        success_url=row["success_url"],
        cancel_url=row["cancel_url"],
        webhook_url=row["webhook_url"],
        locale=row["locale"],
        status=row["status"],
        refunded=row["refunded"],
        method=row["method"],
        failure=row["failure"],
        events=row["events"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        paid_at=row["paid_at"],
    )


def _rejected(message: str, reason: str, operation: str, code: str | None = None) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation=f"payment.{operation}", code=code)
