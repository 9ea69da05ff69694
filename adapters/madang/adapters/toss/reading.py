"""What Toss answers of payments and cards, as ours. Pure: no clock, no network.

Source: the objects Payment, Billing and Transaction of the core API, version 2022-11-16, and the page on the life of a payment.
A transcription of it types amounts as text, Toss sends numbers: both are read, and exactly. Not verified: `cancelStatus` of a
cancel (told for foreign wallets alone); where it is missing the cancel is done, as the older description has it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RefundSnapshot, RemotePaymentStatus, RemoteRefundStatus, StoredMethod
from madang.ports.secret import Secret

STATUSES: Final[Mapping[str, RemotePaymentStatus]] = {
    "READY": RemotePaymentStatus.PENDING,
    "IN_PROGRESS": RemotePaymentStatus.PENDING,
    "WAITING_FOR_DEPOSIT": RemotePaymentStatus.PENDING,
    "DONE": RemotePaymentStatus.PAID,
    "CANCELED": RemotePaymentStatus.REFUNDED,
    "PARTIAL_CANCELED": RemotePaymentStatus.PARTLY_REFUNDED,
    "ABORTED": RemotePaymentStatus.FAILED,
    "EXPIRED": RemotePaymentStatus.EXPIRED,
}
"""`IN_PROGRESS` is a payment that the person approved and nobody has confirmed."""

CANCELS: Final[Mapping[str, RemoteRefundStatus]] = {
    "DONE": RemoteRefundStatus.SUCCEEDED,
    "IN_PROGRESS": RemoteRefundStatus.PENDING,
    "ABORTED": RemoteRefundStatus.FAILED,
}

METHODS: Final[Mapping[str, str]] = {
    "카드": "card",
    "가상계좌": "virtual_account",
    "간편결제": "easy_pay",
    "휴대폰": "phone",
    "계좌이체": "transfer",
    "문화상품권": "gift_certificate",
    "도서문화상품권": "gift_certificate",
    "게임문화상품권": "gift_certificate",
}
"""Toss says them in Korean, as long as no `Accept-Language` asks for another language."""

_AMOUNT: Final = re.compile(r"\d{1,15}(\.\d{1,4})?")


def payment_of(document: Mapping[str, Any]) -> PaymentSnapshot:
    """A `Payment`. Raises `ValueError` for anything else."""
    reference, ours, currency = (text_of(document.get(name)) for name in ("paymentKey", "orderId", "currency"))
    amount = _money(document.get("totalAmount"), currency)
    paid_at = _moment(document.get("approvedAt"))
    status = STATUSES.get(str(document.get("status")), RemotePaymentStatus.PENDING)
    if status is RemotePaymentStatus.REFUNDED and paid_at is None:
        status = RemotePaymentStatus.CANCELLED
    given_back = status in (RemotePaymentStatus.REFUNDED, RemotePaymentStatus.PARTLY_REFUNDED)
    left = _money(document.get("balanceAmount"), currency)
    return PaymentSnapshot(
        reference=reference,
        status=status,
        amount=amount,
        refunded=amount - left if given_back else Money.zero(currency),
        payment_id=ours,
        paid_at=paid_at,
        method=METHODS.get(str(document.get("method"))),
        failure=_failure(document.get("failure")),
    )


def cancel_of(payment: Mapping[str, Any], mark: str) -> RefundSnapshot | None:
    """The cancel whose reason ends with this mark of ours, None when a `Payment` has none. Raises `ValueError` for what cannot
    be read."""
    text_of(payment.get("paymentKey"))
    for each in payment.get("cancels") or ():
        if isinstance(each, Mapping) and str(each.get("cancelReason")).endswith(mark):
            status = CANCELS.get(str(each.get("cancelStatus") or "DONE"), RemoteRefundStatus.PENDING)
            amount = _money(each.get("cancelAmount"), text_of(payment.get("currency")))
            return RefundSnapshot(text_of(each.get("transactionKey")), status, amount)
    return None


def method_of(billing: Mapping[str, Any]) -> StoredMethod:
    """A `Billing`. Raises `ValueError` without a billing key."""
    card = billing.get("card")
    number = str(card.get("number") or "") if isinstance(card, Mapping) else ""
    last = "".join(each for each in number if each.isdigit() or each == "*")[-4:]
    label = f"card **** {last}" if last.isdigit() else "card"
    return StoredMethod(Secret(text_of(billing.get("billingKey"))), text_of(billing.get("customerKey")), label)


def transactions_in(document: Any) -> Sequence[tuple[str, str]]:
    """The transaction's and the payment's key of each. Raises `ValueError` for anything but a list of transactions."""
    if not isinstance(document, list):
        raise ValueError("it is no list")
    found = [each if isinstance(each, Mapping) else {} for each in document]
    return [(text_of(each.get("transactionKey")), text_of(each.get("paymentKey"))) for each in found]


def mark_of(idempotency_key: str) -> str:
    """What a refund's reason ends with, by which it is found again."""
    return f" (m:{hashlib.sha256(idempotency_key.encode()).hexdigest()[:16]})"


def text_of(value: object) -> str:
    """Raises `ValueError` for anything but a text that says something."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text is missing")
    return value


def _money(value: object, currency: str) -> Money:
    text = str(value) if isinstance(value, int | Decimal | str) and not isinstance(value, bool) else ""
    if not _AMOUNT.fullmatch(text):
        raise ValueError("an amount is missing, or no number")
    return Money.of(Decimal(text), currency)


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(text_of(value))
    if moment.tzinfo is None:
        raise ValueError("a time has no zone")
    return moment.astimezone(UTC)


def _failure(value: object) -> str | None:
    return str(value.get("code")) if isinstance(value, Mapping) and value.get("code") else None
