"""Our message as Slack's JSON, and Slack's answers as ours. Pure: no clock, no network.

Source: Slack's guides "Sending messages using incoming webhooks" and "Formatting text" (`&`, `<` and `>` are control
characters of text objects), the reference of Block Kit (section: text up to 3,000 characters, up to 10 fields of up to
2,000; header: up to 150), and "Changes to errors for incoming webhooks" for the errors with their status. Not verified: the
status of the errors below that this page does not name, and that an answer carries `x-slack-req-id`. So the word of the body
counts before the status.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from madang.adapters.slack.capabilities import CHAT
from madang.ports.chat import ChatRequest, ChatTone
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable, Unsupported

NAME: Final = "slack"
MAX_SECTION: Final = 3000
MAX_FIELD: Final = 2000
MAX_HEADER: Final = 150
COLOURS: Final[Mapping[ChatTone, str]] = {ChatTone.GOOD: "#2eb67d", ChatTone.WARNING: "#ecb22e", ChatTone.BAD: "#e01e5a"}

REASONS: Final[Mapping[str, str]] = {
    "invalid_payload": "invalid_request",
    "invalid_blocks": "invalid_request",
    "invalid_blocks_format": "invalid_request",
    "no_text": "invalid_request",
    "missing_text_or_fallback_or_attachments": "invalid_request",
    "too_many_attachments": "invalid_request",
    "user_not_found": "invalid_request",
    "channel_not_found": "unknown_channel",
    "channel_is_archived": "channel_closed",
    "action_prohibited": "channel_closed",
    "posting_to_general_channel_denied": "channel_closed",
}
"""Refusals for good, by the word in the body."""

WRONG_ADDRESS: Final = frozenset(
    {"no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "invalid_token"}
)
"""The webhook was removed, or its address was copied wrongly."""

_MAX_RETRY_AFTER: Final = 86_400.0
_WORD: Final = re.compile(r"[a-z_]{1,64}")


def payload_of(request: ChatRequest) -> Mapping[str, Any]:
    """The body to post. Raises `Unsupported` and `Rejected` for what the webhook cannot take: nothing is cut or dropped."""
    _check(request)
    content = [*_sections(request.text), *_fields(request)]
    if colour := COLOURS.get(request.tone):
        title = {"text": _title_text(request)} if request.title else {}
        return {**title, "attachments": [{"color": colour, "blocks": content}], **request.extra}
    summary = escaped("\n".join(filter(None, (request.title, request.text))))
    return {"text": summary, "blocks": [*_title(request), *content], **request.extra}


def escaped(text: str) -> str:
    """The text without Slack's control characters: no mention, no link, no channel comes out of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def error_of(status: int, headers: Mapping[str, str], body: bytes, operation: str) -> PortError:
    """The error of an answer other than `ok`. A failure of Slack's (5xx) leaves open whether the message was posted."""
    word = body.decode(errors="replace").strip()
    code = word if _WORD.fullmatch(word) else str(status)
    request_id = _request_id(headers)
    if status == 429 or code in ("rate_limited", "ratelimited"):
        return RateLimited(
            "too many messages",
            retry_after=retry_after_of(headers),
            provider=NAME,
            operation=operation,
            code=code,
            request_id=request_id,
        )
    if code in REASONS:
        message = "Slack refuses the message"
        return Rejected(message, reason=REASONS[code], provider=NAME, operation=operation, code=code, request_id=request_id)
    if code in WRONG_ADDRESS or 300 <= status < 400 or status in (401, 403, 404, 405, 410):
        message = "plugins.slack.webhook_url is not a webhook that takes messages"
        return Misconfigured(message, provider=NAME, operation=operation, code=code, request_id=request_id)
    if status == 408:
        message = "the message did not arrive whole"
        return Unavailable(message, provider=NAME, operation=operation, code=code, request_id=request_id)
    if 400 <= status < 500:
        message = "Slack refuses the message"
        return Rejected(message, reason="invalid_request", provider=NAME, operation=operation, code=code, request_id=request_id)
    message = f"Slack answers {status}: it may be posted"
    return OutcomeUnknown(message, provider=NAME, operation=operation, code=code, request_id=request_id)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where Slack does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def _check(request: ChatRequest) -> None:
    if request.channel is not None or request.thread is not None:
        raise Unsupported("a webhook has one channel and no threads", provider=NAME, operation="post")
    if not request.text.strip() or len(request.fields) > CHAT.max_fields:
        raise _rejected("there is no text, or there are too many fields", "invalid_request")
    if len(request.text) > CHAT.max_length:
        raise _rejected("the text is too long", "too_long")
    if request.link is not None and not (request.title and re.fullmatch(r"https?://[!-~]{1,2000}", request.link)):
        raise _rejected("a link is an http address behind a title", "invalid_request")


def _title(request: ChatRequest) -> Iterator[Mapping[str, Any]]:
    if not request.title:
        return
    if request.link:
        yield {"type": "section", "text": {"type": "mrkdwn", "text": _title_text(request)}}
        return
    title = _plain(escaped(request.title))
    if len(title["text"]) > MAX_SECTION:
        raise _rejected("the title is too long", "too_long")
    yield {"type": "header" if len(title["text"]) <= MAX_HEADER else "section", "text": title}


def _title_text(request: ChatRequest) -> str:
    """The title in Slack's mark-up. An address cannot end its own link: `|`, `<` and `>` are percent-encoded."""
    title = escaped(" ".join((request.title or "").split()))
    if request.link:
        address = request.link.replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace("&", "&amp;")
        title = f"<{address}|{title}>"
    if len(title) > MAX_SECTION:
        raise _rejected("the title is too long", "too_long")
    return title


def _sections(text: str) -> Iterator[Mapping[str, Any]]:
    """As many sections as the escaped text fills: an entity takes up to five characters and is not torn."""
    part: list[str] = []
    size = 0
    for entity in map(escaped, text):
        if size + len(entity) > MAX_SECTION:
            yield {"type": "section", "text": _plain("".join(part))}
            part, size = [], 0
        part.append(entity)
        size += len(entity)
    yield {"type": "section", "text": _plain("".join(part))}


def _fields(request: ChatRequest) -> Iterator[Mapping[str, Any]]:
    fields = [_plain(escaped(f"{each.label}\n{each.value}")) for each in request.fields]
    if any(len(each["text"]) > MAX_FIELD for each in fields):
        raise _rejected("a field is too long", "too_long")
    if fields:
        yield {"type": "section", "fields": fields}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _request_id(headers: Mapping[str, str]) -> str | None:
    value = headers.get("x-slack-req-id", "")
    return value if re.fullmatch(r"[\w.-]{1,64}", value) else None


def _rejected(message: str, reason: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation="post")
