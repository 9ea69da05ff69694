"""What PortOne answers of payments and billing keys, as ours. Pure: no clock, no network.

Source: PortOne's OpenAPI description of the API V2. Amounts are integers in the currency's minor unit, as ours are. A payment
is known by the id that we chose: `transactionId` is another for each try.

Not verified: that a dispute which the shop lost shows as a cancellation of the payment. PortOne's description says of a dispute
that it is unresolved or resolved, and not for whom; one that is resolved and cancelled nothing leaves the payment paid.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RefundSnapshot, RemotePaymentStatus, RemoteRefundStatus, StoredMethod
from madang.ports.secret import Secret

STATUSES: Final[Mapping[str, RemotePaymentStatus]] = {
    "READY": RemotePaymentStatus.PENDING,
    "PENDING": RemotePaymentStatus.PENDING,
    "PAY_PENDING": RemotePaymentStatus.PENDING,
    "VIRTUAL_ACCOUNT_ISSUED": RemotePaymentStatus.PENDING,
    "PAID": RemotePaymentStatus.PAID,
    "FAILED": RemotePaymentStatus.FAILED,
    "PARTIAL_CANCELLED": RemotePaymentStatus.PARTLY_REFUNDED,
    "CANCELLED": RemotePaymentStatus.REFUNDED,
}

CANCELS: Final[Mapping[str, RemoteRefundStatus]] = {
    "REQUESTED": RemoteRefundStatus.PENDING,
    "SUCCEEDED": RemoteRefundStatus.SUCCEEDED,
    "FAILED": RemoteRefundStatus.FAILED,
}

METHODS: Final[Mapping[str, str]] = {
    "PaymentMethodCard": "card",
    "PaymentMethodConvenienceStore": "convenience_store",
    "PaymentMethodCrypto": "crypto",
    "PaymentMethodEasyPay": "easy_pay",
    "PaymentMethodGiftCertificate": "gift_certificate",
    "PaymentMethodMobile": "phone",
    "PaymentMethodTransfer": "transfer",
    "PaymentMethodVirtualAccount": "virtual_account",
}

KEPT: Final[Mapping[str, str]] = {
    "BillingKeyPaymentMethodCard": "card",
    "BillingKeyPaymentMethodEasyPay": "easy_pay",
    "BillingKeyPaymentMethodMobile": "phone",
    "BillingKeyPaymentMethodPaypal": "paypal",
    "BillingKeyPaymentMethodTransfer": "transfer",
}


def payment_of(document: Mapping[str, Any]) -> PaymentSnapshot:
    """A `Payment`. Raises `ValueError` for anything else."""
    identity, currency = text_of(document.get("id")), text_of(document.get("currency"))
    amounts = _object(document.get("amount"))
    paid_at = _moment(document.get("paidAt"))
    status = STATUSES.get(str(document.get("status")), RemotePaymentStatus.PENDING)
    if status is RemotePaymentStatus.REFUNDED and paid_at is None:
        status = RemotePaymentStatus.CANCELLED
    given_back = status in (RemotePaymentStatus.REFUNDED, RemotePaymentStatus.PARTLY_REFUNDED)
    if status in (RemotePaymentStatus.PAID, RemotePaymentStatus.PARTLY_REFUNDED) and _is_disputed(document.get("disputes")):
        status = RemotePaymentStatus.DISPUTED
    failure = document.get("failure")
    return PaymentSnapshot(
        reference=identity,
        status=status,
        amount=_money(amounts.get("total"), currency),
        refunded=_money(amounts.get("cancelled"), currency) if given_back else Money.zero(currency),
        payment_id=identity,
        paid_at=paid_at,
        method=METHODS.get(str(_part(document, "method").get("type"))),
        failure=str(failure.get("pgCode") or "failed") if isinstance(failure, Mapping) else None,
    )


def left_of(document: Mapping[str, Any]) -> int | None:
    """What can still be given back of a `Payment`; None where a discount makes that the payment company's own reckoning."""
    amounts = _part(document, "amount")
    paid, cancelled, discount = (amounts.get(name) for name in ("paid", "cancelled", "discount"))
    return paid - cancelled if isinstance(paid, int) and isinstance(cancelled, int) and discount == 0 else None


def refund_in(document: Mapping[str, Any], mark: str) -> RefundSnapshot | None:
    """The cancellation of a `Payment` whose reason ends with this mark of ours, None when it has none. Raises `ValueError` for
    what cannot be read."""
    currency = text_of(document.get("currency"))
    for each in document.get("cancellations") or ():
        if isinstance(each, Mapping) and str(each.get("reason")).endswith(mark):
            return cancellation_of(each, currency)
    return None


def cancellation_of(document: Mapping[str, Any], currency: str) -> RefundSnapshot:
    """A `PaymentCancellation`. Raises `ValueError` for anything else."""
    status = CANCELS.get(str(document.get("status")), RemoteRefundStatus.PENDING)
    return RefundSnapshot(text_of(document.get("id")), status, _money(document.get("totalAmount"), currency))


def method_of(document: Mapping[str, Any]) -> StoredMethod | None:
    """A `BillingKeyInfo`, None for one that is deleted, or was left by nobody. Raises `ValueError` for anything else."""
    token, customer = text_of(document.get("billingKey")), _part(document, "customer").get("id")
    if document.get("status") != "ISSUED" or not isinstance(customer, str):
        return None
    methods = document.get("methods")
    first = methods[0] if isinstance(methods, list) and methods and isinstance(methods[0], Mapping) else {}
    last = str(_part(first, "card").get("number") or "")[-4:]
    word = KEPT.get(str(first.get("type")), "card")
    return StoredMethod(Secret(token), customer, f"{word} **** {last}" if len(last) == 4 and last.isdigit() else word)


def page_of(document: Any) -> Sequence[tuple[PaymentSnapshot, str]]:
    """Each payment with its cursor. Raises `ValueError` for anything but a page of payments."""
    items = document.get("items") if isinstance(document, Mapping) else None
    if not isinstance(items, list):
        raise ValueError("it is no page")
    return [(payment_of(_object(_object(each).get("payment"))), text_of(each.get("cursor"))) for each in items]


def mark_of(idempotency_key: str) -> str:
    """What a refund's reason ends with, by which it is found again."""
    return f" (m:{hashlib.sha256(idempotency_key.encode()).hexdigest()[:16]})"


def text_of(value: object) -> str:
    """Raises `ValueError` for anything but a text that says something."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text is missing")
    return value


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("an object is missing")
    return value


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def _money(value: object, currency: str) -> Money:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**15:
        raise ValueError("an amount is missing")
    return Money(value, currency)


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(text_of(value))
    if moment.tzinfo is None:
        raise ValueError("a time has no zone")
    return moment.astimezone(UTC)


def _is_disputed(value: object) -> bool:
    found = value if isinstance(value, list) else []
    return any(isinstance(each, Mapping) and each.get("status") == "UNRESOLVED" for each in found)
