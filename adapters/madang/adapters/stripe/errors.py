"""What Stripe refuses, as ours. Pure.

Source: Stripe's pages "Errors" and "Error codes", and the codes that the official SDK 16.1.0 lists. Stripe says of a 5xx that
the outcome is not known; so it is of a key that another call is using right now (409).

Not verified: the code of a refund that goes beyond the payment. Whatever Stripe refuses about a refund's `amount` is that here:
amounts of nothing and of another currency are refused before.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.stripe.capabilities import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable

REASONS: Final[Mapping[str, str]] = {
    "charge_already_refunded": "amount_exceeded",
    "charge_disputed": "disputed",
    "refund_disputed_payment": "disputed",
    "charge_not_refundable": "not_refundable",
    "balance_insufficient": "insufficient_balance",
    "insufficient_funds": "insufficient_balance",
    "amount_too_large": "amount_exceeded",
}
"""Refusals of a refund that mean more than a request in the wrong form, by code."""

OURS: Final = frozenset(
    {
        "account_closed", "account_invalid", "account_country_invalid_address", "api_key_expired", "platform_api_key_expired",
        "platform_account_required", "secret_key_required", "testmode_charges_only", "livemode_mismatch",
        "tls_version_unsupported", "country_unsupported", "no_account", "product_inactive", "capability_not_active",
        "payment_method_unactivated", "not_allowed_on_standard_account",
    }
)  # fmt: skip
"""What whoever runs the deployment must mend at Stripe, by code."""

BUSY: Final = frozenset({"lock_timeout", "rate_limit"})

_MAX_RETRY_AFTER: Final = 86_400.0
_WORD: Final = re.compile(r"[a-z0-9_]{1,64}")
_REQUEST: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def error_of(operation: str, status: int, headers: Mapping[str, str], answer: Mapping[str, Any], *, effect: bool) -> PortError:
    """The error of an answer that is no success. Stripe's own sentence is not repeated: it may hold an address."""
    told = answer.get("error")
    told = told if isinstance(told, dict) else {}
    code = _word(told.get("code")) or _word(told.get("type")) or str(status)
    about: dict[str, Any] = {"provider": NAME, "operation": operation, "code": _with_decline(code, told)}
    about["request_id"] = request_id(headers)
    if status == 429 or code in BUSY:
        return RateLimited("too many calls at once", retry_after=_seconds(headers), **about)
    if status >= 500 or status == 409:
        lost = OutcomeUnknown if effect else Unavailable
        return lost(f"Stripe answers {status}", **about)
    if status in (408, 424):
        return Unavailable(f"Stripe answers {status}", **about)
    if status in (401, 403, 405) or status < 400 or code in OURS or (status == 404 and not told):
        return Misconfigured("Stripe refuses plugins.stripe: its api_key, what that may do, or its base_url", **about)
    if status == 402 or told.get("type") == "card_error":
        return Rejected("the means of payment was declined", reason="declined", **about)
    if status == 404:
        return Rejected("Stripe knows no such thing", reason="not_found", **about)
    return Rejected("Stripe refuses the request", reason=_reason(operation, code, told), **about)


def request_id(headers: Mapping[str, str]) -> str | None:
    given = headers.get("request-id", "")
    return given if _REQUEST.fullmatch(given) else None


def refused(operation: str, message: str, reason: str = "invalid_request") -> Rejected:
    """What is refused here, before Stripe is asked."""
    return Rejected(message, reason=reason, provider=NAME, operation=operation)


def _reason(operation: str, code: str, told: Mapping[str, Any]) -> str:
    if operation != "refund":
        return "invalid_request"
    return "amount_exceeded" if told.get("param") == "amount" else REASONS.get(code, "invalid_request")


def _with_decline(code: str, told: Mapping[str, Any]) -> str:
    decline = _word(told.get("decline_code"))
    return f"{code}:{decline}" if decline else code


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _seconds(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None
