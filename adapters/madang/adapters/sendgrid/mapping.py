"""What SendGrid answers and reports, as ours. Pure: no clock, no network.

Source: SendGrid's OpenAPI description `tsg_mail_v3` (answers to Mail Send), its pages "Errors" (errors have no codes, but the
field that is wrong; a 503 says that the API is not available), "Rate limits" and "Event Webhook Reference". An event's
`sg_message_id` begins with the `X-Message-Id` that sending answered.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from madang.adapters.sendgrid.capabilities import NAME
from madang.ports.email import EmailNotice, EmailReceipt, EmailStatus
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable

EVENTS: Final[Mapping[str, EmailStatus]] = {
    "processed": EmailStatus.ACCEPTED,
    "deferred": EmailStatus.DELAYED,
    "delivered": EmailStatus.DELIVERED,
    "bounce": EmailStatus.BOUNCED,
    "dropped": EmailStatus.FAILED,
    "spamreport": EmailStatus.COMPLAINED,
}
"""Any other event (`open`, `click`, `unsubscribe`, `group_unsubscribe`, …) says nothing about the delivery."""

DROPPED: Final[Mapping[str, bool]] = {
    "Bounced Address": True,
    "Unsubscribed Address": True,
    "Spam Reporting Address": True,
    "Invalid": True,
    "Spam Content": False,
    "Invalid SMTPAPI header": False,
    "Recipient List over Package Quota": False,
}
"""Why SendGrid did not even try, and whether it will never try for this recipient."""

FIELDS: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    (re.compile(r"personalizations(\.\d+)?\.(to|cc|bcc)(\..*)?"), "invalid_recipient"),
    (re.compile(r"(personalizations(\.\d+)?\.)?from(\..*)?"), "invalid_sender"),
)
"""The field that is wrong, and our reason. Another one is an invalid request."""

_MAX_RETRY_AFTER: Final = 86_400.0
_FIELD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_WORDS: Final = re.compile(r"[A-Za-z/ ]{1,40}")
_STATUS: Final = re.compile(r"\d\.\d{1,3}\.\d{1,3}")


def receipt_of(headers: Mapping[str, str]) -> EmailReceipt:
    """The receipt of an e-mail that was taken: its id is a header, and there is no body. Raises `ValueError` without it."""
    identity = headers.get("x-message-id", "")
    if not _ID.fullmatch(identity):
        raise ValueError("there is no X-Message-Id")
    return EmailReceipt(identity, EmailStatus.ACCEPTED)


def notice_of(event: Mapping[str, Any], received_at: datetime) -> EmailNotice:
    """One verified event. One without an id of its own is known by its content."""
    kind = str(event.get("event"))[:100]
    identity, message, recipient = event.get("sg_event_id"), event.get("sg_message_id"), event.get("email")
    error, permanent = _trouble(kind, event)
    return EmailNotice(
        event_id=identity if isinstance(identity, str) and 0 < len(identity) <= 200 else _digest(event),
        kind=kind,
        occurred_at=_moment(event.get("timestamp")) or received_at,
        receipt_id=(message.partition(".")[0] or None) if isinstance(message, str) else None,
        status=EVENTS.get(kind),
        recipient=recipient if isinstance(recipient, str) else None,
        permanent=permanent,
        error=error,
    )


def error_of(status: int, headers: Mapping[str, str], answer: Mapping[str, Any], operation: str) -> PortError:
    """The error of an answer that is no success. A failure of SendGrid's (5xx) leaves open whether an e-mail was sent."""
    field = field_of(answer)
    origin: Any = {"provider": NAME, "operation": operation, "code": field or str(status)}
    if status == 429:
        return RateLimited("too many e-mails", retry_after=retry_after_of(headers), **origin)
    if status in (408, 503):
        return Unavailable(f"SendGrid answers {status}: not now", **origin)
    if status >= 500:
        lost = OutcomeUnknown if operation == "send" else Unavailable
        return lost(f"SendGrid answers {status}", **origin)
    if status not in (400, 413, 415, 422):
        words = "SendGrid refuses plugins.sendgrid: its api_key, its sender, its credits or its base_url"
        return Misconfigured(words, **origin)
    known = next((reason for pattern, reason in FIELDS if pattern.fullmatch(field)), "invalid_request")
    return Rejected("SendGrid refuses the e-mail", reason="too_large" if status == 413 else known, **origin)


def field_of(answer: Mapping[str, Any]) -> str:
    """The first field that SendGrid says is wrong, empty where it says none."""
    errors = answer.get("errors")
    for error in errors if isinstance(errors, list) else []:
        field = error.get("field") if isinstance(error, dict) else None
        if isinstance(field, str) and field != "null" and _FIELD.fullmatch(field):
            return field
    return ""


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds: as told, or from the answer's own date to the end of the limit's period; None where SendGrid does not say."""
    told, end = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if re.fullmatch(r"\d{1,9}", told):
        return min(float(told), _MAX_RETRY_AFTER)
    try:
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return None
    return min(max(0.0, float(end) - now), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,12}", end) else None


def _trouble(kind: str, event: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Why it failed, in words of a fixed set (a diagnosis may repeat the address), and whether for good."""
    if kind == "bounce":
        blocked = event.get("type") == "blocked"
        told = [_fitting(_STATUS, event.get("status")), _fitting(_WORDS, event.get("bounce_classification"))]
        return " ".join(["blocked" if blocked else "bounced", *filter(None, told)]), not blocked
    if kind == "dropped":
        reason = str(event.get("reason"))
        return (reason, DROPPED[reason]) if reason in DROPPED else ("dropped", False)
    return ("complained", True) if kind == "spamreport" else (None, False)


def _fitting(pattern: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _digest(event: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()


def _moment(value: object) -> datetime | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
