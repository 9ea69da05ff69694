"""Paddle's errors as ours. Pure: no clock, no network.

Source: the error object of Paddle's OpenAPI description of 2025-05-27, and the codes and statuses of its error reference
(developer.paddle.com/errors). Not verified: that a 502 without Paddle's own code leaves nothing done, as the one with it says.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.paddle.capabilities import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable

REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(
        (
            "adjustment_amount_above_remaining_allowed", "adjustment_transaction_item_over_adjustment",
            "adjustment_transaction_item_has_already_been_fully_adjusted", "adjustment_transaction_item_invalid",
        ),
        ("amount_exceeded", "that is more than is left of the payment"),
    ),
    **dict.fromkeys(
        ("adjustment_transaction_invalid_status_for_refund", "adjustment_transaction_missing_customer_id"),
        ("not_refundable", "nothing was paid that could be given back"),
    ),
    "adjustment_pending_refund_request": ("not_refundable", "Paddle still reviews another refund of this payment"),
    "subscription_payment_declined": ("declined", "the payment was declined"),
}  # fmt: skip
"""Refusals for good: our reason, and our words."""
PASSING: Final = frozenset(
    {
        "bad_gateway", "concurrent_modification", "conflict", "service_unavailable", "subscription_locked_processing",
        "subscription_locked_renewal",
    }
)  # fmt: skip
"""Nothing was done, and later it may be."""
ENDED: Final = frozenset({"subscription_is_canceled_action_invalid", "subscription_update_when_canceled"})
CHANGING: Final = "subscription_locked_pending_changes"
OURS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("authentication_malformed", "authentication_missing", "invalid_token"),
        "its api_key is refused, or base_url is another's",
    ),
    "forbidden": "its api_key may not do this",
    "transaction_checkout_url_domain_is_not_approved": "the domain of checkout_url is not approved at Paddle",
    "transaction_default_checkout_url_not_set": "there is no checkout_url, and no default payment link at Paddle",
}
"""What whoever runs the deployment must mend."""
OPENING: Final = frozenset({"open_checkout", "subscribe"})
_MAX_RETRY_AFTER: Final = 86_400.0
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def error_of(status: int, headers: Mapping[str, str], answer: Mapping[str, Any], operation: str, *, effect: bool) -> PortError:
    """The error of an answer that is no success. A failure of Paddle's (5xx) leaves open whether it was done."""
    code = code_of(answer)
    origin: Any = {
        "provider": NAME, "operation": operation, "code": code or str(status), "request_id": request_id_of(answer)
    }  # fmt: skip
    if status == 429:
        return RateLimited("too many calls", retry_after=retry_after_of(headers), **origin)
    if code in PASSING or status == 503:
        return Unavailable("Paddle cannot do it now", **origin)
    if status >= 500 or status == 408:
        return (OutcomeUnknown if effect else Unavailable)(f"Paddle answers {status}", **origin)
    if code in REFUSED:
        reason, words = REFUSED[code]
        return Rejected(words, reason=reason, **origin)
    if status == 404 and code:
        reason = "invalid_request" if operation in OPENING else "not_found"
        return Rejected("Paddle knows no such thing", reason=reason, **origin)
    if code in OURS or status < 400 or status in (401, 403, 404, 405):
        return Misconfigured(f"plugins.paddle: {OURS.get(code, 'its api_key or its base_url is refused')}", **origin)
    return Rejected("Paddle refuses the request", reason="invalid_request", **origin)


def code_of(answer: Mapping[str, Any]) -> str:
    """The error's code, empty where there is none."""
    error = answer.get("error")
    word = error.get("code") if isinstance(error, dict) else None
    return word if isinstance(word, str) and re.fullmatch(r"[a-z0-9_]{1,100}", word) else ""


def request_id_of(answer: Mapping[str, Any]) -> str | None:
    meta = answer.get("meta")
    value = meta.get("request_id") if isinstance(meta, dict) else None
    return value if isinstance(value, str) and _REQUEST_ID.fullmatch(value) else None


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where Paddle does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}", value) else None
