"""What Replicate answers and announces, as ours. Pure: no clock, no network.

Source: Replicate's OpenAPI description 1.0.0-a1 (the prediction with its statuses), its pages "Prediction lifecycle", "Data
retention", "Rate limits", "Error codes" and "Set deadlines for predictions". Errors are problem details (`title`, `detail`,
`status`); a 429 has `retry_after` in seconds beside them. Replicate documents no id of a call and no price in an answer: the
time that a prediction took is not turned into a cost. A spent credit (402) is `Misconfigured`: waiting does not fill it.

Not verified: `E003` to `E006`, codes of three digits that official models put behind their words, are not on the page of
codes. Not verified: that 403 is answered where a token may not do something.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

from madang.adapters.replicate.payload import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.image_model import Prediction, PredictionStatus, RemotePicture

STATUSES: Final[Mapping[str, PredictionStatus]] = {
    "starting": PredictionStatus.PENDING,
    "processing": PredictionStatus.RUNNING,
    "succeeded": PredictionStatus.SUCCEEDED,
    "failed": PredictionStatus.FAILED,
    "canceled": PredictionStatus.CANCELLED,
    "aborted": PredictionStatus.CANCELLED,
}
"""Any other is pending. A deadline that passes aborts what had not begun, and cancels what ran."""

FILES_LIVE: Final = timedelta(hours=1)
"""Outputs are removed this long after the end."""
HOPELESS: Final = frozenset({"E005", "E006", "E1001"})
"""Codes after which the same input cannot succeed: refused content, invalid input, out of memory. Every other may be tried
again: E1000 (unknown), E4875 (webhook), E6716 (it did not start in time) and what is added."""

MEDIA_TYPES: Final = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}

_MAX_PICTURES: Final = 16
_MAX_TEXT: Final = 2000
_MAX_RETRY_AFTER: Final = 86_400.0
_INLINE: Final = re.compile(r"data:(image/[\w.+-]{1,64})", re.ASCII)
_CODE: Final = re.compile(r"\bE\d{3,4}\b")
_REFUSED: Final = re.compile(r"nsfw|\bsensitive|\bsafety|moderat|content polic|prohibited|inappropriate", re.IGNORECASE)
_INVALID: Final = re.compile(r"\binvalid\b|validation|unsupported|cannot identify image|not a valid", re.IGNORECASE)
_NOT_PERMITTED: Final = re.compile(r"version", re.IGNORECASE)


def prediction_of(document: Mapping[str, Any]) -> Prediction:
    """A success that has no picture for us is a failure. Raises `ValueError` for what is no prediction."""
    identity, status = document.get("id"), document.get("status")
    if not isinstance(identity, str) or not identity or not isinstance(status, str):
        raise ValueError("there is no id or no status")
    known, model = STATUSES.get(status, PredictionStatus.PENDING), _text(document.get("model"))
    if known is PredictionStatus.SUCCEEDED:
        pictures = tuple(_pictures(document))
        if pictures:
            return Prediction(identity, known, pictures, model)
        removed = document.get("data_removed") is True
        why = "the output was removed" if removed else "the output holds no picture"
        return Prediction(identity, PredictionStatus.FAILED, (), model, why, removed)
    if known is PredictionStatus.FAILED:
        why, retryable = _trouble(_text(document.get("error")))
        return Prediction(identity, known, (), model, why, retryable)
    return Prediction(identity, known, (), model, retryable=known is PredictionStatus.CANCELLED)


def error_of(
    status: int, headers: Mapping[str, str], document: Mapping[str, Any], operation: str, *, acts: bool = False
) -> PortError:
    """The error of an answer that is no success. A failure of Replicate's (5xx) leaves open whether what `acts` was done."""
    code = _code_of(status, document)
    if status == 429:
        wait = retry_after_of(headers, document)
        return RateLimited("too many calls", retry_after=wait, provider=NAME, operation=operation, code=code)
    if status >= 500 or status == 408:
        lost = OutcomeUnknown if acts else Unavailable
        return lost(f"Replicate answers {status}", provider=NAME, operation=operation, code=code)
    if status == 402:
        message = "Replicate wants to be paid: the account's credit is used up, or its spend limit is reached"
        return Misconfigured(message, provider=NAME, operation=operation, code=code)
    if status == 404 and operation in ("fetch", "cancel"):
        message = "Replicate knows no such prediction"
        return Rejected(message, reason="not_found", provider=NAME, operation=operation, code=code)
    if _is_ours(status, document):
        message = "Replicate refuses plugins.replicate: its api_key, its model or its base_url"
        return Misconfigured(message, provider=NAME, operation=operation, code=code)
    reason = "too_large" if status == 413 else "content_policy" if _REFUSED.search(_words(document)) else "invalid_request"
    return Rejected("Replicate refuses the request", reason=reason, provider=NAME, operation=operation, code=code)


def retry_after_of(headers: Mapping[str, str], document: Mapping[str, Any]) -> float | None:
    """Seconds; None where Replicate does not say."""
    value = headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value):
        return min(float(value), _MAX_RETRY_AFTER)
    told = document.get("retry_after")
    if isinstance(told, bool) or not isinstance(told, int | float) or not told >= 0:
        return None
    return float(min(told, _MAX_RETRY_AFTER))


def file_url_of(document: Mapping[str, Any]) -> str:
    """The address of an uploaded file. Raises `ValueError` without one."""
    urls = document.get("urls")
    url = urls.get("get") if isinstance(urls, dict) else None
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise ValueError("there is no address")
    return url


def _pictures(document: Mapping[str, Any]) -> Iterator[RemotePicture]:
    ended = _moment(document.get("completed_at"))
    until = ended + FILES_LIVE if ended else None
    for place in islice(_places(document.get("output")), _MAX_PICTURES):
        yield RemotePicture(place, _media_type(place), until)


def _places(output: Any) -> Iterator[str]:
    """Addresses and data URIs, however deep a model puts them."""
    if isinstance(output, str) and output.startswith(("https://", "http://", "data:image/")):
        yield output
    elif isinstance(output, list):
        for each in output:
            yield from _places(each)
    elif isinstance(output, dict):
        for each in output.values():
            yield from _places(each)


def _media_type(place: str) -> str:
    """By the ending of its name: what really came is seen when it is fetched."""
    inline = _INLINE.match(place)
    if inline:
        return inline[1]
    return MEDIA_TYPES.get(urlsplit(place).path.rpartition(".")[2].lower(), "application/octet-stream")


def _trouble(words: str) -> tuple[str, bool]:
    """Why it failed, in words of our own (a model's may repeat the prompt), and whether the same input may yet succeed."""
    code = next(iter(_CODE.findall(words)), "")
    if code == "E005" or _REFUSED.search(words):
        return "the model refused the content", False
    hopeless = code in HOPELESS or (not code and _INVALID.search(words) is not None)
    return f"the model failed{f' ({code})' if code else ''}", not hopeless


def _is_ours(status: int, document: Mapping[str, Any]) -> bool:
    """Whether the operator must change something: the key, the model, the address."""
    if status == 422:
        return bool(_NOT_PERMITTED.search(_text(document.get("title"))))
    return status < 400 or status in (401, 403, 404, 405)


def _code_of(status: int, document: Mapping[str, Any]) -> str:
    found = _CODE.search(_words(document))
    return found[0] if found else str(status)


def _words(document: Mapping[str, Any]) -> str:
    return f"{_text(document.get('title'))} {_text(document.get('detail'))}"


def _text(value: Any) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ""


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
