"""What Resend answers and reports, as ours. Pure: no clock, no network.

Source: Resend's OpenAPI description 1.5.0 (`Email.last_event`, the webhook events and their data) and its page "Errors" for the
names with their status. Resend documents no id of a call.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from madang.adapters.resend.payload import NAME
from madang.ports.email import EmailNotice, EmailReceipt, EmailStatus
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable

STATUSES: Final[Mapping[str, EmailStatus]] = {
    "queued": EmailStatus.ACCEPTED,
    "scheduled": EmailStatus.ACCEPTED,
    "sent": EmailStatus.ACCEPTED,
    "delivery_delayed": EmailStatus.DELAYED,
    "delivered": EmailStatus.DELIVERED,
    "opened": EmailStatus.DELIVERED,
    "clicked": EmailStatus.DELIVERED,
    "bounced": EmailStatus.BOUNCED,
    "complained": EmailStatus.COMPLAINED,
    "failed": EmailStatus.FAILED,
    "suppressed": EmailStatus.FAILED,
    "canceled": EmailStatus.FAILED,
}
"""`Email.last_event`. Any other is accepted."""

SAYS_NOTHING: Final = frozenset({"email.opened", "email.clicked"})
"""What a reader does may be reported late, and would turn a complaint back into a delivery."""

REASONS: Final[Mapping[str, str]] = {
    "invalid_idempotency_key": "invalid_request",
    "invalid_idempotent_request": "invalid_request",
    "validation_error": "invalid_request",
    "missing_required_field": "invalid_request",
    "missing_required_fields": "invalid_request",
    "invalid_attachment": "invalid_request",
    "invalid_access": "invalid_request",
    "invalid_parameter": "invalid_request",
    "invalid_region": "invalid_request",
    "security_error": "invalid_request",
    "invalid_from_address": "invalid_sender",
}
"""Refusals for good, by name."""

WRONG_KEYS: Final = frozenset(
    {"missing_api_key", "restricted_api_key", "invalid_api_key", "invalid_to_address", "method_not_allowed"}
)
LIMITS: Final = frozenset({"rate_limit_exceeded", "daily_quota_exceeded", "monthly_quota_exceeded"})
UNDER_WAY: Final = "concurrent_idempotent_requests"

_MAX_RETRY_AFTER: Final = 86_400.0
_WORD: Final = re.compile(r"[A-Za-z_]{1,64}")


def receipt_of(email: Mapping[str, Any]) -> EmailReceipt:
    """What became of an e-mail, of an `Email` or the answer to sending. Raises `ValueError` without an id."""
    identity, event = email.get("id"), email.get("last_event")
    if not isinstance(identity, str) or not identity:
        raise ValueError("there is no id")
    status = STATUSES.get(str(event), EmailStatus.ACCEPTED)
    bad = status in (EmailStatus.BOUNCED, EmailStatus.FAILED, EmailStatus.COMPLAINED)
    return EmailReceipt(identity, status, str(event) if bad else None)


def notices_of(event_id: str, event: Mapping[str, Any], received_at: datetime) -> Sequence[EmailNotice]:
    """One for every address that a verified event names; each has an id of its own, so that none counts as a repetition."""
    kind, data = str(event.get("type"))[:100], event.get("data")
    occurred_at = _moment(event.get("created_at")) or received_at
    receipt_id = data.get("email_id") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(receipt_id, str) or kind == "email.received":
        return [EmailNotice(event_id, kind, occurred_at)]
    status = None if kind in SAYS_NOTHING else STATUSES.get(kind.removeprefix("email."))
    recipients = data.get("to")
    addresses = [each for each in recipients if isinstance(each, str)] if isinstance(recipients, list) else []
    error, permanent = _trouble(kind, data)
    return [
        EmailNotice(
            f"{event_id}:{number}" if number else event_id, kind, occurred_at, receipt_id, status, address, permanent, error
        )
        for number, address in enumerate(addresses or [None])
    ]


def error_of(status: int, headers: Mapping[str, str], answer: Mapping[str, Any], operation: str) -> PortError:
    """The error of an answer that is no success. A failure of Resend's (5xx) leaves open whether an e-mail was sent."""
    name = answer.get("name")
    name = name if isinstance(name, str) and _WORD.fullmatch(name) else ""
    code = name or str(status)
    if name in LIMITS or status == 429:
        message, wait = "too many e-mails", retry_after_of(headers)
        return RateLimited(message, retry_after=wait, provider=NAME, operation=operation, code=code)
    if name == UNDER_WAY or (status >= 500 and operation == "send"):
        message = "the same e-mail is being sent" if name == UNDER_WAY else f"Resend answers {status}: it may be sent"
        return OutcomeUnknown(message, provider=NAME, operation=operation, code=code)
    if status >= 500 or status == 408:
        return Unavailable(f"Resend answers {status}", provider=NAME, operation=operation, code=code)
    if operation == "fetch" and name in ("not_found", "invalid_parameter", "validation_error"):
        return Rejected("Resend knows no such e-mail", reason="not_found", provider=NAME, operation=operation, code=code)
    if name in WRONG_KEYS or status < 400 or status in (401, 403, 404, 405):
        message = "Resend refuses plugins.resend: its api_key, its sender's domain or its base_url"
        return Misconfigured(message, provider=NAME, operation=operation, code=code)
    reason = "too_large" if status == 413 else REASONS.get(name, "invalid_request")
    return Rejected("Resend refuses the e-mail", reason=reason, provider=NAME, operation=operation, code=code)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where Resend does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def _trouble(kind: str, data: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Why it failed, in words of a fixed set (a diagnosis may repeat the address), and whether for good."""
    if kind == "email.bounced":
        bounce = _object(data.get("bounce"))
        return _words(bounce.get("type"), bounce.get("subType")) or "bounced", bounce.get("type") == "Permanent"
    if kind == "email.suppressed":
        return _words(_object(data.get("suppressed")).get("reason")) or "suppressed", True
    if kind == "email.failed":
        return _words(_object(data.get("failed")).get("reason")) or "failed", False
    return ("complained", True) if kind == "email.complained" else (None, False)


def _words(*words: object) -> str:
    return " ".join(each for each in words if isinstance(each, str) and _WORD.fullmatch(each))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None
