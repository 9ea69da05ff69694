"""The API's refusals as errors of the taxonomy. Pure: no clock, no network.

Source: Google's page "Troubleshooting guide" of the Gemini API and `google.rpc.Code` for the statuses, `google.rpc.ErrorInfo`,
`RetryInfo` and `RequestInfo` for the details. A key that is not known comes as 400 INVALID_ARGUMENT with the reason
API_KEY_INVALID. Google's page on billing says that nothing is charged for what fails with 400 or 500: behind a failure in
Google's own words there is no picture that was bought. Not verified: the wording by which a prompt that is too long is told
from other bad requests.
"""

import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from madang.adapters.gemini.names import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable


class NotExpressible(Exception):
    """Gemini, or the SDK that it is spoken to through, has no words for what is asked."""


class Refusal(Enum):
    """What a status means for the caller."""

    BAD_REQUEST = "Gemini refuses the request"
    OUR_SETTINGS = "Gemini refuses plugins.gemini: its api_key, its model, its base_url or where it is called from"
    TOO_MANY = "too many requests"
    FAILED = "Gemini fails"


STATUSES: Final[Mapping[str, Refusal]] = {
    "INVALID_ARGUMENT": Refusal.BAD_REQUEST,
    "OUT_OF_RANGE": Refusal.BAD_REQUEST,
    "UNIMPLEMENTED": Refusal.BAD_REQUEST,
    "FAILED_PRECONDITION": Refusal.OUR_SETTINGS,
    "PERMISSION_DENIED": Refusal.OUR_SETTINGS,
    "UNAUTHENTICATED": Refusal.OUR_SETTINGS,
    "NOT_FOUND": Refusal.OUR_SETTINGS,
    "RESOURCE_EXHAUSTED": Refusal.TOO_MANY,
    "INTERNAL": Refusal.FAILED,
    "UNAVAILABLE": Refusal.FAILED,
    "DEADLINE_EXCEEDED": Refusal.FAILED,
    "ABORTED": Refusal.FAILED,
    "CANCELLED": Refusal.FAILED,
    "UNKNOWN": Refusal.FAILED,
}
"""By `error.status`; for an answer without one, or with another, the HTTP status decides."""

WRONG_KEY: Final = "API_KEY_"
"""What all reasons begin with that are about the key: API_KEY_INVALID, API_KEY_SERVICE_BLOCKED …"""

_TOO_LONG: Final = re.compile(r"exceeds the maximum number of (input )?tokens", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?")
_MAX_RETRY_AFTER: Final = 86_400.0
_MAX_ID: Final = 200
_KIND: Final = "type.googleapis.com/google.rpc."


def error_of(http_status: int, headers: Mapping[str, str], body: bytes, operation: str) -> PortError:
    """The error of an answer that is no success."""
    error = _error_in(body)
    status, reason = _word(error.get("status")), _word(_detail(error, "ErrorInfo").get("reason"))
    origin: dict[str, Any] = {
        "provider": NAME,
        "operation": operation,
        "code": reason or status or str(http_status),
        "request_id": _request_id(error),
    }
    if http_status >= 500 and not status and operation == "start":
        return OutcomeUnknown(f"something before Gemini answers {http_status}: it may be made", **origin)
    refusal = Refusal.OUR_SETTINGS if reason.startswith(WRONG_KEY) else STATUSES.get(status) or _by_number(http_status)
    match refusal:
        case Refusal.OUR_SETTINGS:
            return Misconfigured(refusal.value, **origin)
        case Refusal.TOO_MANY:
            return RateLimited(refusal.value, retry_after=_retry_after(error, headers), **origin)
        case Refusal.FAILED:
            return Unavailable(f"{refusal.value} with {status or http_status}", **origin)
    message = error.get("message")
    is_long = isinstance(message, str) and _TOO_LONG.search(message) is not None
    return Rejected(refusal.value, reason="context_length" if is_long else "invalid_request", **origin)


def _by_number(http_status: int) -> Refusal:
    if http_status == 429:
        return Refusal.TOO_MANY
    if http_status >= 500 or http_status in (408, 409, 499):
        return Refusal.FAILED
    if http_status < 400 or http_status in (401, 403, 404, 405, 407):
        return Refusal.OUR_SETTINGS
    return Refusal.BAD_REQUEST


def _error_in(body: bytes) -> Mapping[str, Any]:
    """A refused stream's error stands in a list."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    document = document[0] if isinstance(document, list) and document else document
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    yield from (each for each in (details if isinstance(details, list) else ()) if isinstance(each, dict))


def _detail(error: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((each for each in _details(error) if each.get("@type") == _KIND + kind), {})


def _retry_after(error: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Seconds; None where Google does not say."""
    delay = _DURATION.fullmatch(str(_detail(error, "RetryInfo").get("retryDelay", "")))
    header = headers.get("retry-after", "")
    seconds = delay[1] if delay else header if _SECONDS.fullmatch(header) else None
    return None if seconds is None else min(float(seconds), _MAX_RETRY_AFTER)


def _request_id(error: Mapping[str, Any]) -> str | None:
    found = _detail(error, "RequestInfo").get("requestId")
    return found[:_MAX_ID] if isinstance(found, str) and found.isprintable() else None


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""
