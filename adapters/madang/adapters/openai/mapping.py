"""OpenAI's errors as ours. Pure: no clock, no network.

Source: OpenAI's guide "Error codes" (statuses, `error.type`, `error.code`; a spent balance is a 429 of type
`insufficient_quota`, and 503 `server_is_overloaded` had no capacity for the request), its description of the API 2.3.0
(`ErrorResponse`, `ResponseErrorCode`), and the SDK for `retry-after-ms`. Not verified: codes that only answers show and no page
lists (`moderation_blocked`, `billing_hard_limit_reached`, `string_above_max_length`).

A spent balance is `Misconfigured` and not `RateLimited`: waiting does not fill it, somebody must pay, so it raises the alert; a
route goes on to the next provider all the same.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable

NAME: Final = "openai"

NOTHING_TO_SPEND: Final = frozenset(
    {
        "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded", "billing_hard_limit_reached", "billing_not_active",
    }
)  # fmt: skip
NOT_ALLOWED: Final = frozenset(
    {
        "content_policy_violation", "moderation_blocked", "content_filter", "invalid_prompt", "bio_policy",
        "image_content_policy_violation",
    }
)  # fmt: skip
TOO_MANY_WORDS: Final = frozenset({"context_length_exceeded", "string_above_max_length"})
TOO_LARGE: Final = frozenset({"image_too_large", "image_file_too_large"})
TOO_FAST: Final = frozenset({"rate_limit_exceeded", "rate_limit_error", "slow_down"})
NOT_SERVED: Final = frozenset({"server_is_overloaded", "service_unavailable_error"})
FAILED: Final = frozenset({"server_error", "vector_store_timeout"})
UNUSABLE: Final = frozenset(
    {
        "invalid_request_error", "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url",
        "image_too_small", "image_parse_error", "invalid_image_mode", "unsupported_image_media_type", "empty_image_file",
        "failed_to_download_image", "image_file_not_found",
    }
)  # fmt: skip
WRONG_KEYS: Final = frozenset(
    {"invalid_api_key", "model_not_found", "unsupported_country_region_territory", "data_residency_mismatch"}
)

_MAX_RETRY_AFTER: Final = 86_400.0
_WORD: Final = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_NUMBER: Final = re.compile(r"\d{1,9}(\.\d{1,6})?")


def error_of(status: int, headers: Mapping[str, str], document: Mapping[str, Any], operation: str) -> PortError:
    """The error of an answer that is no success; `status` is 0 for an error inside an answer or a stream.

    A failure of OpenAI's (5xx) leaves open whether pictures were made and are to be paid for; of a text nothing lasts.
    """
    told = _told(document)
    words = {word for word in (_word(told.get("code")), _word(told.get("type"))) if word}
    code = _word(told.get("code")) or _word(told.get("type")) or str(status)
    about: dict[str, Any] = {"provider": NAME, "operation": operation, "code": code, "request_id": request_id_in(headers)}
    if words & NOTHING_TO_SPEND:
        return Misconfigured("OpenAI's account has nothing left to spend: add credit or raise its limit", **about)
    if reason := _reason(status, words):
        return Rejected(f"OpenAI refuses the request{_parameter(told)}", reason=reason, **about)
    if status == 429 or words & TOO_FAST:
        return RateLimited("too many requests", retry_after=retry_after_in(headers), **about)
    if words & NOT_SERVED or status == 409:
        return Unavailable("OpenAI has no capacity for the request", **about)
    if status >= 500 or status == 408 or words & FAILED:
        answered = f"OpenAI answers {status}" if status else "OpenAI failed while answering"
        if operation == "start":
            return OutcomeUnknown(f"{answered}: pictures may be made", **about)
        return Unavailable(answered, **about)
    if words & WRONG_KEYS or 0 < status < 400 or status in (401, 403, 404, 405):
        return Misconfigured("OpenAI refuses plugins.openai: its api_key, its model or its base_url", **about)
    if status == 0 and not words & UNUSABLE:
        return Unavailable("OpenAI failed while answering", **about)
    return Rejected(f"OpenAI refuses the request{_parameter(told)}", reason="invalid_request", **about)


def retry_after_in(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where OpenAI does not say."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if _NUMBER.fullmatch(value):
            return min(float(value) / unit, _MAX_RETRY_AFTER)
    return None


def request_id_in(headers: Mapping[str, str]) -> str | None:
    """OpenAI's own id of the call."""
    return _word(headers.get("x-request-id")) or None


def mapping_in(value: object) -> Mapping[str, Any]:
    """An object as it should be, empty where it is something else."""
    return value if isinstance(value, dict) else {}


def list_in(value: object) -> list[Any]:
    """A list as it should be, empty where it is something else."""
    return value if isinstance(value, list) else []


def text_in(value: object) -> str:
    """A text as it should be, empty where it is something else."""
    return value if isinstance(value, str) else ""


def rejected(message: str, reason: str, operation: str) -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason=reason, provider=NAME, operation=operation)


def _told(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is said of the error: OpenAI says it under `error`, some servers at the top or as a mere text."""
    return document["error"] if isinstance(document.get("error"), dict) else document


def _reason(status: int, words: set[str]) -> str | None:
    """Why it never will be done, where a word says so."""
    if words & NOT_ALLOWED:
        return "content_policy"
    if words & TOO_MANY_WORDS:
        return "context_length"
    return "too_large" if status == 413 or words & TOO_LARGE else None


def _parameter(told: Mapping[str, Any]) -> str:
    """The name of the field that is wrong; the message is not repeated, for it may repeat the prompt."""
    name = _word(told.get("param"))
    return f": {name}" if name else ""


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""
