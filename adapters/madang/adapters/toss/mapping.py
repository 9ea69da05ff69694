"""Toss's errors as ours. Pure: no clock, no network.

Source: the codes, statuses and sentences of docs.tosspayments.com/reference/error-codes and the page on idempotency keys. A
code means the same wherever it comes from, but for what `KEEPING` says of exchanging an `authKey`. Not verified: that a 4xx of
`PROVIDER_ERROR` leaves nothing done (so a charge is looked up after it); the codes for an amount that is not the
window's; `retry-after`, which no page names.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.toss.capabilities import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable

DECLINED: Final = frozenset(
    {
        "CARD_PROCESSING_ERROR", "EXCEED_MAX_AMOUNT", "EXCEED_MAX_AUTH_COUNT", "EXCEED_MAX_CARD_INSTALLMENT_PLAN",
        "EXCEED_MAX_DAILY_PAYMENT_COUNT", "EXCEED_MAX_MONTHLY_PAYMENT_AMOUNT", "EXCEED_MAX_ONE_DAY_AMOUNT",
        "EXCEED_MAX_ONE_DAY_WITHDRAW_AMOUNT", "EXCEED_MAX_ONE_TIME_WITHDRAW_AMOUNT", "EXCEED_MAX_PAYMENT_AMOUNT", "FDS_ERROR",
        "INVALID_ACCOUNT_INFO_RE_REGISTER", "INVALID_CARD_EXPIRATION", "INVALID_CARD_IDENTITY", "INVALID_CARD_INSTALLMENT_PLAN",
        "INVALID_CARD_LOST_OR_STOLEN", "INVALID_CARD_NUMBER", "INVALID_CARD_PASSWORD", "INVALID_PASSWORD",
        "INVALID_REJECT_CARD", "INVALID_STOPPED_CARD", "NOT_ALLOWED_POINT_USE",
        "NOT_REGISTERED_CARD_COMPANY", "NOT_SUPPORTED_CARD_TYPE",
        "NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT", "NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN",
        "NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN_BELOW_AMOUNT", "REJECT_ACCOUNT_PAYMENT", "REJECT_CARD_COMPANY",
        "REJECT_CARD_PAYMENT", "REJECT_TOSSPAY_INVALID_ACCOUNT", "RESTRICTED_TRANSFER_ACCOUNT",
    }
)  # fmt: skip
"""The card, its company or the bank says no."""

REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "ALREADY_CANCELED_PAYMENT": ("amount_exceeded", "all of it was given back already"),
    "ALREADY_REFUND_PAYMENT": ("amount_exceeded", "all of it was given back already"),
    "EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT": ("amount_exceeded", "less than the instant discount cannot be given back"),
    "NOT_CANCELABLE_AMOUNT": ("amount_exceeded", "this amount cannot be given back"),
    "NOT_MATCHES_REFUNDABLE_AMOUNT": ("amount_exceeded", "another amount is left"),
    "EXCEED_MAX_REFUND_DUE": ("not_refundable", "it is too late for a refund"),
    "FORBIDDEN_BANK_REFUND_REQUEST": ("not_refundable", "the buyer's account takes no money"),
    "INVALID_BANK": ("not_refundable", "the bank is not valid"),
    "INVALID_REFUND_ACCOUNT_INFO": ("not_refundable", "the account and its owner do not match"),
    "INVALID_REFUND_ACCOUNT_NUMBER": ("not_refundable", "the account is not valid"),
    "NOT_ALLOWED_PARTIAL_REFUND": ("not_refundable", "this payment is given back whole, or not at all"),
    "NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT": ("not_refundable", "nothing was deposited yet"),
    "NOT_CANCELABLE_PAYMENT": ("not_refundable", "this payment cannot be given back"),
    "NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER": ("not_refundable", "the buyer's account is dormant"),
    "REFUND_REJECTED": ("not_refundable", "the refund was refused"),
    "ALREADY_REMOVED_BILLING_KEY": ("not_found", "the billing key is deleted"),
    "BILLING_KEY_NOT_FOUND": ("not_found", "Toss knows no such billing key"),
    "INVALID_BILL_KEY_REQUEST": ("not_found", "the billing key is not valid"),
    "INVALID_BILLING_AUTH": ("not_found", "this key means nothing"),
    "NOT_FOUND": ("not_found", "Toss knows no such thing"),
    "NOT_FOUND_BILLING": ("not_found", "Toss knows no such billing key"),
    "NOT_FOUND_BILLING_KEY": ("not_found", "Toss knows no such billing key"),
    "NOT_FOUND_PAYMENT": ("not_found", "Toss knows no such payment"),
    "NOT_MATCHES_CUSTOMER_KEY": ("not_found", "this customer has no such billing key"),
    "NOT_FOUND_PAYMENT_SESSION": ("expired", "the ten minutes for a confirmation are over"),
    "ALREADY_PROCESSED_PAYMENT": ("already_paid", "this payment was dealt with already"),
    "DUPLICATED_ORDER_ID": ("already_paid", "this payment id was charged already"),
    "BELOW_MINIMUM_AMOUNT": ("invalid_request", "less than a card or an account is charged for"),
    "UNAPPROVED_ORDER_ID": ("invalid_request", "nobody approved this payment"),
}
"""Refusals for good: our reason, and our words."""

KEEPING: Final = frozenset({"INVALID_AUTHORIZE_AUTH", "INVALID_REQUEST", "NOT_FOUND_PAYMENT_SESSION"})
"""What Toss says of an `authKey` that it does not know, or of another customer."""

OURS: Final[Mapping[str, str]] = {
    "FORBIDDEN_REQUEST": "the shop may not do this, or secret_key and client_key are of two shops",
    "INCORRECT_BASIC_AUTH_FORMAT": "secret_key is not taken",
    "INVALID_API_KEY": "secret_key is not taken",
    "INVALID_IDEMPOTENCY_KEY": "the idempotency key is not taken",
    "INVALID_UNREGISTERED_SUBMALL": "the shop is not registered with the card company",
    "NOT_FOUND_TERMINAL_ID": "the shop has no terminal id",
    "NOT_REGISTERED_BUSINESS": "the business is not registered",
    "NOT_SUPPORTED_METHOD": "the shop has no contract for this way of paying",
    "UNAUTHORIZED_KEY": "secret_key is not taken",
}
"""What whoever runs the deployment must mend at Toss."""

LIMITS: Final = frozenset({"FORBIDDEN_CONSECUTIVE_REQUEST"})
PASSING: Final = frozenset({"NOT_AVAILABLE_BANK", "NOT_AVAILABLE_PAYMENT"})
"""Said before anything was done: outside of a bank's hours."""
OPEN: Final = frozenset({"COMMON_ERROR", "IDEMPOTENT_REQUEST_PROCESSING", "PROVIDER_ERROR"})
"""Said whatever was done, also with a 4xx."""

_MAX_RETRY_AFTER: Final = 86_400.0
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,79}")
_TRACE: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
READS: Final = frozenset({"check", "fetch", "find", "find_refund", "list_payments"})


def error_of(status: int, headers: Mapping[str, str], answer: Mapping[str, Any], operation: str) -> PortError:
    """The error of an answer that is no success. A failure of Toss's (5xx) leaves open whether anything was done."""
    word = answer.get("code")
    told = word if isinstance(word, str) and _CODE.fullmatch(word) else ""
    origin: Any = {"provider": NAME, "operation": operation, "code": told or str(status), "request_id": trace_of(headers)}
    if status == 429 or told in LIMITS:
        return RateLimited("too many calls", retry_after=retry_after_of(headers), **origin)
    if told in PASSING or status == 408:
        return Unavailable(f"Toss answers {status}: not now", **origin)
    if status >= 500 or told in OPEN:
        return (Unavailable if operation in READS else OutcomeUnknown)(f"Toss answers {status}", **origin)
    if told in DECLINED:
        return Rejected("the card was declined", reason="declined", **origin)
    if operation == "keep_method" and told in KEEPING:
        return Rejected("this key means nothing for this customer", reason="not_found", **origin)
    if told in REFUSED:
        reason, words = REFUSED[told]
        return Rejected(words, reason=reason, **origin)
    if told in OURS or status < 400 or status in (401, 402, 403, 405) or (status == 404 and not told):
        words = OURS.get(told, "Toss refuses its keys or its base_url")
        return Misconfigured(f"plugins.toss: {words}", **origin)
    return Rejected("Toss refuses the request", reason="invalid_request", **origin)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where Toss does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def trace_of(headers: Mapping[str, str]) -> str | None:
    """Toss's own id of the call."""
    value = headers.get("x-tosspayments-trace-id", "")
    return value if _TRACE.fullmatch(value) else None
