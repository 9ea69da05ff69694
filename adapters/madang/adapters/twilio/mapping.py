"""What Twilio answers, as ours. Pure: no clock, no network.

Source: Twilio's OpenAPI description of the API 2010-04-01 (`message_enum_status`) and its error dictionary
(twilio.com/docs/api/errors/<code>). Of 20500 that says that a message may have been sent, of 20503 and 21730 that it is to be
sent again later. Twilio asks not to build on the codes of a delivery, so they only say why in words. Not verified, because
no description names it: the header `twilio-request-id`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.twilio.capabilities import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.sms import SmsReceipt, SmsStatus

STATUSES: Final[Mapping[str, SmsStatus]] = {
    "accepted": SmsStatus.ACCEPTED,
    "scheduled": SmsStatus.ACCEPTED,
    "queued": SmsStatus.ACCEPTED,
    "sending": SmsStatus.ACCEPTED,
    "sent": SmsStatus.ACCEPTED,
    "partially_delivered": SmsStatus.ACCEPTED,
    "delivered": SmsStatus.DELIVERED,
    "read": SmsStatus.DELIVERED,
    "undelivered": SmsStatus.FAILED,
    "failed": SmsStatus.FAILED,
    "canceled": SmsStatus.FAILED,
}
"""`message_enum_status` without `receiving` and `received`, which no message of ours has. Any other is accepted."""

REFUSED: Final[Mapping[int, tuple[str, str]]] = {
    14101: ("invalid_recipient", "the recipient's number takes no SMS"),
    14103: ("invalid_request", "the text is empty or too long"),
    21211: ("invalid_recipient", "the recipient's number is not valid"),
    21217: ("invalid_recipient", "the recipient's number is not valid"),
    21265: ("invalid_recipient", "the recipient's number is a short code"),
    21401: ("invalid_recipient", "the recipient's number takes no SMS"),
    21408: ("blocked", "the account does not send to this region"),
    21602: ("invalid_request", "the text is missing"),
    21604: ("invalid_recipient", "the recipient is missing"),
    21605: ("too_long", "the text is too long"),
    21610: ("blocked", "the recipient refused further messages"),
    21612: ("invalid_recipient", "the recipient cannot be reached from this sender"),
    21614: ("invalid_recipient", "the recipient's number takes no SMS"),
    21617: ("too_long", "the text is too long"),
    21619: ("invalid_request", "the text is missing"),
    21635: ("invalid_recipient", "the recipient's number is a landline"),
    21658: ("too_long", "a value is too long"),
}
"""Refusals for good: our reason, and our words."""

OURS: Final[Mapping[int, str]] = {
    10001: "the account is not active",
    14102: "the sender's number cannot send SMS",
    20003: "the keys are wrong",
    20005: "the account is not active",
    20008: "these are test credentials",
    20403: "the account is suspended or closed",
    20404: "the account is unknown",
    21212: "the sender is not valid",
    21601: "the sender's number cannot send SMS",
    21603: "the sender is missing",
    21606: "the sender cannot send to this number",
    21608: "a trial account only sends to verified numbers",
    21657: "the sender is not allowed there",
    21659: "the sender is not a number of Twilio's",
    21660: "the sender belongs to another account",
    21661: "the sender's number cannot send SMS",
    21703: "the messaging service has no sender",
    21704: "the messaging service has no sender",
    21705: "the messaging service is unknown",
    70051: "the keys may not do this",
    90010: "the account is not active",
}
"""What whoever runs the deployment must mend at Twilio."""

LIMITS: Final = frozenset({14107, 20429, 21611, 63017, 63038})
PASSING: Final = frozenset({20503, 21730})

FAILURES: Final[Mapping[int, str]] = {
    21610: "the recipient refused further messages",
    30001: "the queue is full",
    30002: "the account is suspended",
    30003: "the telephone cannot be reached",
    30004: "the message is blocked",
    30005: "nobody has the recipient's number",
    30006: "a landline, or its carrier cannot be reached",
    30007: "taken for spam",
    30008: "the carrier does not say why",
    30009: "a part of the message is missing",
    30010: "it costs more than allowed",
    30011: "the telephone takes no MMS",
}
"""Codes of a delivery that failed, in our words."""

_MAX_RETRY_AFTER: Final = 86_400.0
ID: Final = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")


def receipt_of(message: Mapping[str, Any]) -> SmsReceipt:
    """What became of a `Message`. Raises `ValueError` without its id."""
    identity = message.get("sid")
    if not isinstance(identity, str) or not ID.fullmatch(identity):
        raise ValueError("there is no sid")
    word = message.get("status")
    status = STATUSES.get(str(word), SmsStatus.ACCEPTED)
    return SmsReceipt(identity, status, _why(str(word), message.get("error_code")) if status is SmsStatus.FAILED else None)


def error_of(status: int, headers: Mapping[str, str], answer: Mapping[str, Any], operation: str) -> PortError:
    """The error of an answer that is no success. A failure of Twilio's (5xx) leaves open whether a message was sent."""
    number = _number(answer.get("code"))
    code = str(number or status)
    origin: Any = {"provider": NAME, "operation": operation, "code": code, "request_id": request_id_of(headers)}
    if number in LIMITS or status == 429:
        return RateLimited("too many messages", retry_after=retry_after_of(headers), **origin)
    if number in PASSING or status == 408:
        return Unavailable(f"Twilio answers {status}: not now", **origin)
    if status >= 500:
        lost = OutcomeUnknown if operation == "send" else Unavailable
        return lost(f"Twilio answers {status}", **origin)
    if operation == "fetch" and (status == 404 or number == 20404):
        return Rejected("Twilio knows no such message", reason="not_found", **origin)
    if number in REFUSED:
        reason, words = REFUSED[number]
        return Rejected(words, reason=reason, **origin)
    if number in OURS or status < 400 or status in (401, 402, 403, 404, 405):
        words = OURS.get(number, "Twilio refuses its keys, its account_sid or its base_url")
        return Misconfigured(f"plugins.twilio: {words}", **origin)
    return Rejected("Twilio refuses the message", reason="too_long" if status == 413 else "invalid_request", **origin)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where Twilio does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Twilio's own id of the call (`RQ…`)."""
    value = headers.get("twilio-request-id", "")
    return value if _REQUEST_ID.fullmatch(value) else None


def _why(word: str, code: object) -> str:
    number = _number(code)
    return f"{number}: {FAILURES.get(number, word)}" if number else word


def _number(code: object) -> int:
    return code if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 1_000_000 else 0
