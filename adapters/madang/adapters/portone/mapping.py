"""PortOne's errors as ours. Pure: no clock, no network.

Source: PortOne's OpenAPI description of the API V2 (the `…Error` schemas with their statuses) and its page on the REST API
(`IDEMPOTENCY_OUTSTANDING_REQUEST`). `PG_PROVIDER` (502) carries whatever the payment company said, a declined card as well as a
broken line: what became of a charge is asked after it. Not verified: `retry-after`, and a name for an id of the call.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.portone.capabilities import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable

REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "ALREADY_PAID": ("already_paid", "this payment is paid already"),
    "BILLING_KEY_ALREADY_DELETED": ("not_found", "the billing key is deleted"),
    "BILLING_KEY_NOT_FOUND": ("not_found", "PortOne knows no such billing key"),
    "BILLING_KEY_NOT_ISSUED": ("not_found", "PortOne knows no such billing key"),
    "PAYMENT_NOT_FOUND": ("not_found", "PortOne knows no such payment"),
    "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT": ("amount_exceeded", "that is more than is left of the payment"),
    "CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT": ("amount_exceeded", "that is more tax than is left of the payment"),
    "CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT": (
        "amount_exceeded",
        "that is more of what is free of tax than is left of the payment",
    ),
    "PAYMENT_ALREADY_CANCELLED": ("amount_exceeded", "all of it was given back already"),
    "NEGATIVE_PROMOTION_ADJUSTED_CANCEL_AMOUNT": ("not_refundable", "the promotion leaves nothing to give back"),
    "PAYMENT_NOT_PAID": ("not_refundable", "nothing was paid"),
    "PROMOTION_DISCOUNT_RETAIN_OPTION_SHOULD_NOT_BE_CHANGED": ("not_refundable", "the promotion was kept otherwise before"),
    "DISCOUNT_AMOUNT_EXCEEDS_TOTAL_AMOUNT": ("invalid_request", "the discount is more than the price"),
    "INVALID_REQUEST": ("invalid_request", "PortOne refuses the request"),
    "MAX_TRANSACTION_COUNT_REACHED": ("invalid_request", "this payment was tried too often"),
    "PAYMENT_SCHEDULE_ALREADY_EXISTS": ("invalid_request", "a payment is scheduled already"),
    "PROMOTION_PAY_METHOD_DOES_NOT_MATCH": ("invalid_request", "the promotion is for another way of paying"),
    "SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT": ("invalid_request", "the parts are more than the whole"),
    "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT": ("invalid_request", "the parts are more than the whole"),
}
"""Refusals for good: our reason, and our words."""

OURS: Final[Mapping[str, str]] = {
    "CHANNEL_NOT_FOUND": "channel_key or billing_channel_key is unknown",
    "FORBIDDEN": "api_secret may not do this in store_id",
    "UNAUTHORIZED": "api_secret is not taken",
}
"""What whoever runs the deployment must mend at PortOne."""

PASSING: Final = frozenset({"CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN"})
"""Something else was given back since we looked: nothing was done, and we look again."""
OPEN: Final = frozenset({"CHANNEL_SPECIFIC", "IDEMPOTENCY_OUTSTANDING_REQUEST", "PG_PROVIDER"})
"""Said whatever was done."""

READS: Final = frozenset({"check", "fetch", "find", "find_refund", "keep_method", "list_payments"})
_MAX_RETRY_AFTER: Final = 86_400.0
_TYPE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,79}")


def error_of(status: int, headers: Mapping[str, str], answer: Mapping[str, Any], operation: str, *, asks: bool) -> PortError:
    """The error of an answer that is no success. Unless the call only `asks`, a failure (5xx) leaves open what was done."""
    word = answer.get("type")
    told = word if isinstance(word, str) and _TYPE.fullmatch(word) else ""
    origin: Any = {"provider": NAME, "operation": operation, "code": told or str(status)}
    if status == 429:
        return RateLimited("too many calls", retry_after=retry_after_of(headers), **origin)
    if told in PASSING or status == 408:
        return Unavailable(f"PortOne answers {status}: not now", **origin)
    if status >= 500 or told in OPEN:
        return (Unavailable if asks else OutcomeUnknown)(f"PortOne answers {status}", **origin)
    if told in REFUSED:
        reason, words = REFUSED[told]
        return Rejected(words, reason=reason, **origin)
    if told in OURS or status < 400 or status in (401, 402, 403, 405) or (status == 404 and not told):
        words = OURS.get(told, "PortOne refuses its api_secret or its base_url")
        return Misconfigured(f"plugins.portone: {words}", **origin)
    return Rejected("PortOne refuses the request", reason="invalid_request", **origin)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where PortOne does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None
