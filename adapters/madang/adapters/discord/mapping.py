"""Our message as Discord's JSON, and Discord's answers as ours. Pure: no clock, no network.

Source: Discord's OpenAPI description, API v10 (`execute_webhook`, `IncomingWebhookRequestPartial`: content up to 2,000
characters; `RichEmbed`: title 256, description 4,096, fields of 256 and 1,024; `RatelimitedResponse`: `retry_after` in
seconds) and its table of JSON error codes. Not verified, because the description does not say so: 6,000 characters for all
texts of an embed together, and which characters Discord reads as mark-up. Discord documents no id of a call.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from madang.adapters.discord.capabilities import CHAT
from madang.adapters.provider_http.answers import object_in
from madang.ports.chat import ChatReceipt, ChatRequest, ChatTone
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable, Unsupported

NAME: Final = "discord"
MAX_CONTENT: Final = 2000
MAX_TITLE: Final = 256
MAX_DESCRIPTION: Final = 4096
MAX_FIELD_NAME: Final = 256
MAX_FIELD_VALUE: Final = 1024
MAX_EMBED: Final = 6000
COLOURS: Final[Mapping[ChatTone, int]] = {ChatTone.GOOD: 0x2EB67D, ChatTone.WARNING: 0xECB22E, ChatTone.BAD: 0xE01E5A}

REASONS: Final[Mapping[int, str]] = {
    10003: "unknown_channel",
    40005: "too_long",
    50006: "invalid_request",
    50035: "invalid_request",
    50083: "channel_closed",
    160005: "channel_closed",
    20009: "content_policy",
    200000: "content_policy",
    200001: "content_policy",
}
"""Refusals for good, by Discord's code: unknown channel, too large, empty, invalid form, archived and locked thread, and what
its filters block."""

WRONG_ADDRESS: Final = frozenset({10015, 50001, 50013, 50027})
"""Unknown webhook, missing access, missing permissions, invalid webhook token."""

_MAX_RETRY_AFTER: Final = 86_400.0
_ADDRESS: Final = re.compile(r"https?://[^\s<>]+")
_MARK_UP: Final = re.compile(r"[\\*_~`|>#\[\]<@-]")
_NUMBERED: Final = re.compile(r"^(\s*\d+)\.", re.MULTILINE)


def payload_of(request: ChatRequest) -> Mapping[str, Any]:
    """The body to post: as content where that is all and fits, else as an embed. Raises `Unsupported` and `Rejected`."""
    _check(request)
    text = escaped(request.text)
    quiet: dict[str, Any] = {"allowed_mentions": {"parse": []}}
    alone = not request.title and not request.fields and request.tone is ChatTone.NEUTRAL
    if alone and len(text) <= MAX_CONTENT:
        return {"content": text, **quiet, **request.extra}
    title = escaped(request.title or "")
    embed: dict[str, Any] = {"description": text}
    if title and len(title) > MAX_TITLE and not request.link:
        embed["description"] = f"**{title}**\n{text}"
    elif title:
        embed["title"] = title
    if request.link:
        embed["url"] = request.link
    if request.tone in COLOURS:
        embed["color"] = COLOURS[request.tone]
    if request.fields:
        embed["fields"] = [
            {"name": escaped(each.label), "value": escaped(each.value), "inline": True} for each in request.fields
        ]
    _check_embed(embed)
    return {"embeds": [embed], **quiet, **request.extra}


def escaped(text: str) -> str:
    """The text without mark-up, mentions included; addresses stay what they are."""
    parts, end = [], 0
    for address in _ADDRESS.finditer(text):
        parts += [_plain(text[end : address.start()]), address[0]]
        end = address.end()
    return "".join([*parts, _plain(text[end:])])


def receipt_of(status: int, body: bytes) -> ChatReceipt:
    """The message that Discord answers with, without an id where it tells none. Raises `ValueError` for what is no message:
    something else than Discord may have answered."""
    message = object_in(body)
    if not message and status != 204:
        raise ValueError("there is no message")
    identity, moment = message.get("id"), message.get("timestamp")
    try:
        posted_at = datetime.fromisoformat(moment) if isinstance(moment, str) else None
    except ValueError:
        posted_at = None
    return ChatReceipt(identity if isinstance(identity, str) and identity.isdigit() else None, posted_at)


def error_of(status: int, headers: Mapping[str, str], body: bytes, operation: str) -> PortError:
    """The error of an answer that is no success. A failure of Discord's (5xx) leaves open whether the message was posted."""
    answer = object_in(body)
    number = answer.get("code")
    number = number if isinstance(number, int) and not isinstance(number, bool) else 0
    code = str(number or status)
    if status == 429:
        return RateLimited(
            "too many messages", retry_after=retry_after_of(headers, answer), provider=NAME, operation=operation, code=code
        )
    if number in REASONS and status < 500:
        return Rejected("Discord refuses the message", reason=REASONS[number], provider=NAME, operation=operation, code=code)
    if number in WRONG_ADDRESS or 300 <= status < 400 or status in (401, 403, 404, 405):
        message = "plugins.discord.webhook_url is not a webhook that takes messages"
        return Misconfigured(message, provider=NAME, operation=operation, code=code)
    if status == 408:
        return Unavailable("the message did not arrive whole", provider=NAME, operation=operation, code=code)
    if 400 <= status < 500:
        return Rejected("Discord refuses the message", reason="invalid_request", provider=NAME, operation=operation, code=code)
    return OutcomeUnknown(f"Discord answers {status}: it may be posted", provider=NAME, operation=operation, code=code)


def retry_after_of(headers: Mapping[str, str], answer: Mapping[str, Any]) -> float | None:
    """Seconds: of the body, which has fractions, else of the header; None where neither says."""
    told = answer.get("retry_after")
    if isinstance(told, int | float) and not isinstance(told, bool) and told >= 0:
        return float(min(told, _MAX_RETRY_AFTER))
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def _plain(text: str) -> str:
    return _NUMBERED.sub(r"\1\\.", _MARK_UP.sub(r"\\\g<0>", text))


def _check(request: ChatRequest) -> None:
    if request.channel is not None or request.thread is not None:
        raise Unsupported("a webhook has one channel, and cannot answer under a message", provider=NAME, operation="post")
    if not request.text.strip() or len(request.fields) > CHAT.max_fields:
        raise _rejected("there is no text, or there are too many fields", "invalid_request")
    if len(request.text) > CHAT.max_length:
        raise _rejected("the text is too long", "too_long")
    if any(not each.label.strip() or not each.value.strip() for each in request.fields):
        raise _rejected("a field has no label or no value", "invalid_request")
    if request.link is not None and not (request.title and re.fullmatch(r"https?://[!-~]{1,2000}", request.link)):
        raise _rejected("a link is an http address behind a title", "invalid_request")


def _check_embed(embed: Mapping[str, Any]) -> None:
    fields = embed.get("fields", [])
    sizes = [len(embed.get("title", "")), len(embed["description"]), *(len(each["name"] + each["value"]) for each in fields)]
    too_long = any(len(each["name"]) > MAX_FIELD_NAME or len(each["value"]) > MAX_FIELD_VALUE for each in fields)
    too_long |= sizes[0] > MAX_TITLE or sizes[1] > MAX_DESCRIPTION or sum(sizes) > MAX_EMBED
    if too_long:
        raise _rejected("the title or a field is too long, or all texts together", "too_long")


def _rejected(message: str, reason: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation="post")
