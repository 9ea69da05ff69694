"""Messages as Discord's embeds and Discord's answers as ours, at the bounds of each rule."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from madang.adapters.discord.mapping import error_of, payload_of, receipt_of, retry_after_of
from madang.ports.chat import ChatField, ChatReceipt, ChatRequest, ChatTone
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable

MESSAGE = ChatRequest("결제 실패율", "chat-1")
QUIET = {"allowed_mentions": {"parse": []}}


def embed_of(**changes: Any) -> dict[str, Any]:
    [embed] = payload_of(replace(MESSAGE, **changes))["embeds"]
    return dict(embed)


def test_a_text_alone_is_content_and_anything_more_an_embed() -> None:
    assert payload_of(replace(MESSAGE, extra={"username": "m"})) == {"content": "결제 실패율", **QUIET, "username": "m"}
    assert payload_of(replace(MESSAGE, text="x" * 2000)) == {"content": "x" * 2000, **QUIET}
    assert payload_of(replace(MESSAGE, text="*" * 1001)) == {"embeds": [{"description": "\\*" * 1001}], **QUIET}
    text = {"description": "결제 실패율"}
    assert embed_of(title="a*b") == {**text, "title": "a\\*b"}
    assert embed_of(title="a", link="https://a.example/_b_") == {**text, "title": "a", "url": "https://a.example/_b_"}
    assert embed_of(tone=ChatTone.BAD) == {**text, "color": 0xE01E5A}
    fields = [ChatField("실패_율", "12%"), ChatField("n", "1*2")]
    assert embed_of(fields=fields) == {
        **text,
        "fields": [
            {"name": "실패\\_율", "value": "12%", "inline": True},
            {"name": "n", "value": "1\\*2", "inline": True},
        ],
    }
    whole = payload_of(replace(MESSAGE, title="a", extra={"tts": False}))
    assert whole == {"embeds": [{**text, "title": "a"}], **QUIET, "tts": False}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a https://a.example/x_y_z b*", "a https://a.example/x_y_z b\\*"),
        ("https://a.example/*", "https://a.example/*"),
        ("x_ https://a.example/_ https://b.example/_ _", "x\\_ https://a.example/_ https://b.example/_ \\_"),
        ("1. one\n 22. two\n3 . three", "1\\. one\n 22\\. two\n3 . three"),
    ],
)
def test_addresses_stay_what_they_are(text: str, shown: str) -> None:
    assert payload_of(replace(MESSAGE, text=text))["content"] == shown


def test_a_long_title_is_a_bold_first_line_unless_it_is_a_link() -> None:
    assert embed_of(title="x" * 256)["title"] == "x" * 256
    assert embed_of(title="x" * 257) == {"description": f"**{'x' * 257}**\n결제 실패율"}
    assert embed_of(title="x" * 256, link="https://a.example")["title"] == "x" * 256


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"fields": [ChatField("x" * 256, "y" * 1024)]}, True),
        ({"fields": [ChatField("x" * 257, "y")]}, False),
        ({"fields": [ChatField("x", "y" * 1025)]}, False),
        ({"fields": [ChatField("x", "y"), ChatField("x", "y" * 1025)]}, False),
        ({"title": "x" * 256, "link": "https://a.example"}, True),
        ({"title": "x" * 257, "link": "https://a.example"}, False),
        ({"text": "x" * 2000, "fields": [ChatField("x", "y" * 999)] * 4}, True),
        ({"text": "x" * 2000, "title": "t", "fields": [ChatField("x", "y" * 999)] * 4}, False),
        ({"text": "*" * 2000, "title": "t" * 90}, True),
        ({"text": "*" * 2000, "title": "t" * 257}, False),
    ],
)
def test_an_embed_holds_so_much(changes: dict[str, Any], fits: bool) -> None:
    if fits:
        assert embed_of(**changes)
        return
    with pytest.raises(Rejected) as refused:
        embed_of(**changes)
    assert (refused.value.reason, refused.value.operation) == ("too_long", "post")


@pytest.mark.parametrize(
    "changes",
    [
        {"text": " \n"},
        {"fields": [ChatField(" ", "y")]},
        {"fields": [ChatField("x", " ")]},
        {"fields": [ChatField("x", "y"), ChatField("", "")]},
        {"link": "https://a.example"},
        {"title": "x", "link": "ftp://a.example"},
    ],
)
def test_what_no_message_holds_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        payload_of(replace(MESSAGE, **changes))
    assert refused.value.reason == "invalid_request"


@pytest.mark.parametrize(
    ("status", "number", "error", "reason"),
    [
        (429, 0, RateLimited, None),
        (429, 50006, RateLimited, None),
        (400, 10015, Misconfigured, None),
        (499, 50027, Misconfigured, None),
        (404, 10003, Rejected, "unknown_channel"),
        (499, 20009, Rejected, "content_policy"),
        (500, 20009, OutcomeUnknown, None),
        *((status, 0, Misconfigured, None) for status in (300, 302, 399, 401, 403, 404, 405)),
        *((status, 0, Rejected, "invalid_request") for status in (400, 402, 406, 407, 409, 428, 430, 499)),
        (408, 0, Unavailable, None),
        *((status, 0, OutcomeUnknown, None) for status in (201, 299, 500, 503, 599)),
    ],
)
def test_an_answer_that_is_no_success_is_one_of_the_taxonomy(
    status: int, number: int, error: type[PortError], reason: str | None
) -> None:
    for code in (number, *(() if number else (True, "50006", None))):
        told = error_of(status, {}, json.dumps({"code": code}).encode(), "check")
        assert (type(told), told.code, getattr(told, "reason", None)) == (error, str(number or status), reason)
        assert (told.operation, told.provider) == ("check", "discord")


@pytest.mark.parametrize(
    ("told", "header", "seconds"),
    [
        (0, "9", 0.0),
        (0.65, "9", 0.65),
        (1, "", 1.0),
        (10**400, "", 86_400.0),
        (-0.5, "9", 9.0),
        (True, "9", 9.0),
        ("1", "0.5", 0.5),
        (None, "999999999", 86_400.0),
        (float("nan"), "", None),
        (None, "soon", None),
    ],
)
def test_a_refusal_says_when_to_come_again(told: Any, header: str, seconds: float | None) -> None:
    assert retry_after_of({"retry-after": header}, {"retry_after": told}) == seconds


@pytest.mark.parametrize(
    ("status", "message", "receipt"),
    [
        (200, {"id": "7", "timestamp": "2026-03-01T12:00:00+00:00"}, ChatReceipt("7", datetime(2026, 3, 1, 12, tzinfo=UTC))),
        (200, {"id": 7, "timestamp": "yesterday"}, ChatReceipt(None, None)),
        (200, {"id": "seven", "timestamp": 5}, ChatReceipt(None, None)),
        (204, {}, ChatReceipt(None, None)),
    ],
)
def test_a_message_has_its_id_and_its_time(status: int, message: dict[str, Any], receipt: ChatReceipt) -> None:
    assert receipt_of(status, json.dumps(message).encode()) == receipt
    for other in (200, 203, 205):
        with pytest.raises(ValueError, match="no message"):
            receipt_of(other, b"{}")
