"""What PayPal answers, as ours. Pure: no clock, no network.

Source: PayPal's OpenAPI descriptions of Orders v2 (2.13), Payments v2 (2.5) and Subscriptions v1 (1.6): the states, and the
issues of each operation's 400, 403, 404 and 422. Not verified, because no description names it: the header `paypal-debug-id`
(the same id is the body's `debug_id`), the error of a wrong token (`error: invalid_token`), and `retry-after` beside a 429.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from madang.adapters.paypal.capabilities import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RefundSnapshot, RemotePaymentStatus, RemoteRefundStatus

_S = RemotePaymentStatus
ORDERS: Final[Mapping[str, RemotePaymentStatus]] = {
    "CREATED": _S.PENDING,
    "SAVED": _S.PENDING,
    "PAYER_ACTION_REQUIRED": _S.PENDING,
    "APPROVED": _S.AUTHORISED,
    "VOIDED": _S.CANCELLED,
}
"""`order_status` without a capture. `COMPLETED` is as its capture is; any other is pending."""
CAPTURES: Final[Mapping[str, RemotePaymentStatus]] = {
    "COMPLETED": _S.PAID,
    "PARTIALLY_REFUNDED": _S.PARTLY_REFUNDED,
    "REFUNDED": _S.REFUNDED,
    "PENDING": _S.PENDING,
    "DECLINED": _S.FAILED,
    "FAILED": _S.FAILED,
}
PAID: Final = frozenset({_S.PAID, _S.PARTLY_REFUNDED, _S.REFUNDED})
DISPUTABLE: Final = frozenset({_S.PAID, _S.PARTLY_REFUNDED})
REFUNDS: Final[Mapping[str, RemoteRefundStatus]] = {
    "COMPLETED": RemoteRefundStatus.SUCCEEDED,
    "PENDING": RemoteRefundStatus.PENDING,
    "FAILED": RemoteRefundStatus.FAILED,
    "CANCELLED": RemoteRefundStatus.FAILED,
}

REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(
        (
            "INSTRUMENT_DECLINED", "TRANSACTION_REFUSED", "PAYER_CANNOT_PAY", "PAYER_ACCOUNT_RESTRICTED",
            "PAYER_ACCOUNT_LOCKED_OR_CLOSED", "TRANSACTION_LIMIT_EXCEEDED", "COMPLIANCE_VIOLATION",
            "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED", "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
            "DECLINED_DUE_TO_RELATED_TXN", "TRANSACTION_BLOCKED_BY_PAYEE", "PAYEE_BLOCKED_TRANSACTION",
        ),
        ("declined", "PayPal declines the payment"),
    ),
    **dict.fromkeys(
        ("REFUND_AMOUNT_EXCEEDED", "CAPTURE_FULLY_REFUNDED"), ("amount_exceeded", "that is more than is left of the payment")
    ),
    **dict.fromkeys(
        (
            "REFUND_TIME_LIMIT_EXCEEDED", "REFUND_NOT_ALLOWED", "REFUND_IS_RESTRICTED", "PARTIAL_REFUND_NOT_ALLOWED",
            "MAX_NUMBER_OF_REFUNDS_EXCEEDED", "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK", "TRANSACTION_DISPUTED",
            "PENDING_CAPTURE", "REFUND_FAILED_INSUFFICIENT_FUNDS",
        ),
        ("not_refundable", "PayPal does not refund this payment"),
    ),
    **dict.fromkeys(("ORDER_NOT_APPROVED", "PAYER_ACTION_REQUIRED"), ("not_approved", "the buyer has not approved it")),
    "DUPLICATE_INVOICE_ID": ("already_paid", "a payment with this id is paid already"),
}  # fmt: skip
"""Refusals for good: our reason, and our words."""
OURS: Final[Mapping[str, str]] = {
    "PERMISSION_DENIED": "the app may not do this",
    "NOT_AUTHORIZED": "the app may not do this",
    "CONSENT_NEEDED": "the app may not do this",
    "PAYEE_ACCOUNT_RESTRICTED": "the account is restricted",
    "PAYEE_ACCOUNT_LOCKED_OR_CLOSED": "the account is locked or closed",
    "TRANSACTION_RECEIVING_LIMIT_EXCEEDED": "the account may not receive as much",
    "PLAN_STATUS_INVALID": "the plan is not active",
    "PLAN_PRODUCT_NOT_COMPATIBLE": "the two plans belong to different products",
    "USER_ACCOUNT_CLOSED": "the account is closed",
}
"""What whoever runs the deployment must mend at PayPal."""
UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What reading an answer of another shape raises."""
PASSING: Final = frozenset({"ORDER_COMPLETION_IN_PROGRESS"})
"""Another call of ours is under way: its outcome is known soon."""
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_MAX_RETRY_AFTER: Final = 86_400.0
_WORD: Final = re.compile(r"[A-Z0-9_]{1,80}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


def error_of(status: int, headers: Mapping[str, str], answer: Mapping[str, Any], operation: str, *, effect: bool) -> PortError:
    """The error of an answer that is no success. A failure of PayPal's (5xx) leaves open whether it was done."""
    issue = issue_of(answer)
    origin: Any = {
        "provider": NAME, "operation": operation, "code": issue or str(status), "request_id": request_id_of(headers, answer)
    }  # fmt: skip
    if status == 429:
        return RateLimited("too many calls", retry_after=retry_after_of(headers), **origin)
    if status == 401 and issue == "INVALID_TOKEN":
        return Unavailable("the access token ended early, and the next call makes another", **origin)
    if issue in PASSING or status == 408:
        return (OutcomeUnknown if effect else Unavailable)("PayPal is still at it", **origin)
    if status >= 500:
        return (OutcomeUnknown if effect and status != 503 else Unavailable)(f"PayPal answers {status}", **origin)
    if issue in REFUSED:
        reason, words = REFUSED[issue]
        return Rejected(words, reason=reason, **origin)
    if status == 404 and issue in ("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"):
        if operation == "subscribe":
            return Rejected("PayPal has no such plan", reason="invalid_request", **origin)
        return Rejected("PayPal knows no such thing", reason="not_found", **origin)
    if issue in OURS or status < 400 or status in (401, 403, 404, 405):
        words = OURS.get(issue, "PayPal refuses its client_id, its client_secret or its base_url")
        return Misconfigured(f"plugins.paypal: {words}", **origin)
    return Rejected("PayPal refuses the request", reason="invalid_request", **origin)


def issue_of(answer: Mapping[str, Any]) -> str:
    """The first issue that is told, else the error's name; only in the words that PayPal's issues have."""
    try:
        told = answer["details"][0]["issue"]
    except (LookupError, TypeError):
        told = answer.get("name", answer.get("error"))
    word = str(told or "").upper()
    return word if _WORD.fullmatch(word) else ""


def snapshot_of_order(order: Mapping[str, Any]) -> PaymentSnapshot:
    """A payment from its order. Raises what `UNREADABLE` names for another shape."""
    unit, capture = order["purchase_units"][0], _capture_of(order)
    amount = money_of(unit["amount"])
    status = ORDERS.get(order["status"], _S.PENDING) if capture is None else CAPTURES.get(capture["status"], _S.PENDING)
    return PaymentSnapshot(
        reference=text_of(order["id"]),
        status=status,
        amount=amount,
        refunded=amount if status is _S.REFUNDED else _sum_of(_payments_of(order).get("refunds", ()), amount),
        payment_id=payment_id_of(order),
        paid_at=moment_of(capture.get("create_time")) if capture and status in PAID else None,
        method="paypal" if capture else None,
        method_country=_country_of(order) if capture else None,
        failure="declined" if status is _S.FAILED else None,
    )


def snapshot_of_capture(capture: Mapping[str, Any], reference: str, subscription: str) -> PaymentSnapshot:
    """A subscription's charge. How much of it went back PayPal does not say here: nothing, as far as we know, or all; nor which
    period it is for."""
    amount = money_of(capture["amount"])
    status = CAPTURES.get(capture["status"], _S.PENDING)
    return PaymentSnapshot(
        reference=reference,
        status=status,
        amount=amount,
        refunded=amount if status is _S.REFUNDED else Money.zero(amount.currency),
        paid_at=moment_of(capture.get("create_time")) if status in PAID else None,
        method="paypal",
        failure="declined" if status is _S.FAILED else None,
        subscription=subscription,
    )


def capture_id_of(order: Mapping[str, Any]) -> str | None:
    """The id of the order's capture, which refunds are made of and disputes are about; None while there is none."""
    capture = _capture_of(order)
    return None if capture is None else text_of(capture["id"])


def payment_id_of(order: Mapping[str, Any]) -> str | None:
    """Ours."""
    found: str | None = order["purchase_units"][0].get("custom_id")
    return found


def refund_marked(order: Mapping[str, Any], mark: str) -> RefundSnapshot | None:
    """The order's refund that carries this mark of ours."""
    for refund in _payments_of(order).get("refunds", ()):
        if refund.get("custom_id", "").partition(" ")[0] == mark:
            return refund_of(refund)
    return None


def refund_of(refund: Mapping[str, Any]) -> RefundSnapshot:
    status = REFUNDS.get(refund["status"], RemoteRefundStatus.PENDING)
    failure = "failed" if status is RemoteRefundStatus.FAILED else None
    return RefundSnapshot(text_of(refund["id"]), status, money_of(refund["amount"]), failure)


def is_disputed(answer: Mapping[str, Any]) -> bool:
    """Whether one of a transaction's disputes is not over. What came of one that is, the transaction itself shows."""
    return any(dispute["status"] != "RESOLVED" for dispute in answer["items"])


def link_in(document: Mapping[str, Any], *relations: str) -> str | None:
    """The address of the first of these relations that there is."""
    links = {link["rel"]: link["href"] for link in document.get("links", ())}
    return next((text_of(links[each]) for each in relations if each in links), None)


def money_of(written: Any) -> Money:
    return Money.of(Decimal(text_of(written["value"])), written["currency_code"])


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where PayPal does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def request_id_of(headers: Mapping[str, str], answer: Mapping[str, Any]) -> str | None:
    for value in (headers.get("paypal-debug-id"), answer.get("debug_id")):
        if isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return None


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


def _country_of(order: Mapping[str, Any]) -> str | None:
    """Of the payer's PayPal account; `payer` is PayPal's older place for it."""
    found = (order.get("payment_source") or {}).get("paypal") or order.get("payer") or {}
    country = (found.get("address") or {}).get("country_code")
    return country if isinstance(country, str) and _COUNTRY.fullmatch(country) else None


def _capture_of(order: Mapping[str, Any]) -> Mapping[str, Any] | None:
    captures: Sequence[Mapping[str, Any]] = _payments_of(order).get("captures", ())
    return captures[0] if captures else None


def _payments_of(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """The captures and refunds of an order, empty before there are any."""
    return order["purchase_units"][0].get("payments") or {}


def _sum_of(refunds: Sequence[Mapping[str, Any]], amount: Money) -> Money:
    """What has gone back; one that is on its way, or failed, has not."""
    back = Money.zero(amount.currency)
    for refund in refunds:
        if refund["status"] == "COMPLETED":
            back += money_of(refund["amount"])
    return back
