"""Messages as Slack's blocks and Slack's answers as ours, at the bounds of each rule."""

from dataclasses import replace
from typing import Any

import pytest

from madang.adapters.slack.mapping import error_of, payload_of
from madang.ports.chat import ChatField, ChatRequest, ChatTone
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable

MESSAGE = ChatRequest("결제 실패율", "chat-1")


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": plain(text)}


def test_a_message_is_written_in_blocks() -> None:
    full = replace(MESSAGE, title="a & b", fields=[ChatField("<실패율>", "12%")], extra={"unfurl_links": False})
    assert payload_of(full) == {
        "text": "a &amp; b\n결제 실패율",
        "blocks": [
            {"type": "header", "text": plain("a &amp; b")},
            section("결제 실패율"),
            {"type": "section", "fields": [plain("&lt;실패율&gt;\n12%")]},
        ],
        "unfurl_links": False,
    }
    assert payload_of(MESSAGE) == {"text": "결제 실패율", "blocks": [section("결제 실패율")]}


@pytest.mark.parametrize(
    ("tone", "colour"), [(ChatTone.GOOD, "#2eb67d"), (ChatTone.WARNING, "#ecb22e"), (ChatTone.BAD, "#e01e5a")]
)
def test_a_tone_is_a_colour_beside_the_message(tone: ChatTone, colour: str) -> None:
    coloured = {"color": colour, "blocks": [section("결제 실패율")]}
    assert payload_of(replace(MESSAGE, tone=tone)) == {"attachments": [coloured]}
    linked = replace(MESSAGE, tone=tone, title="a\n <b>", link="https://a.example/?x=1&y=<|>")
    assert payload_of(linked) == {
        "text": "<https://a.example/?x=1&amp;y=%3C%7C%3E|a &lt;b&gt;>",
        "attachments": [coloured],
    }


def test_a_title_is_a_header_as_long_as_slack_has_it() -> None:
    for length, kind in ((150, "header"), (151, "section"), (3000, "section")):
        assert payload_of(replace(MESSAGE, title="x" * length))["blocks"][0] == {"type": kind, "text": plain("x" * length)}
    linked = payload_of(replace(MESSAGE, title="x", link="http://a.example"))["blocks"][0]
    assert linked == {"type": "section", "text": {"type": "mrkdwn", "text": "<http://a.example|x>"}}
    around = len("<http://a.example|>")
    assert payload_of(replace(MESSAGE, title="x" * (3000 - around), link="http://a.example"))["blocks"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": "x" * 3001}, "too_long"),
        ({"title": "x" * (3001 - len("<http://a.example|>")), "link": "http://a.example"}, "too_long"),
        ({"fields": [ChatField("x", "y" * 1999)]}, "too_long"),
        ({"text": " \n"}, "invalid_request"),
        ({"fields": [ChatField("x", "y")] * 11}, "invalid_request"),
        ({"link": "https://a.example"}, "invalid_request"),
        ({"title": "x", "link": "ftp://a.example"}, "invalid_request"),
        ({"title": "x", "link": "https://a.example/two words"}, "invalid_request"),
    ],
)
def test_what_no_message_holds_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        payload_of(replace(MESSAGE, **changes))
    assert (refused.value.reason, refused.value.operation, refused.value.provider) == (reason, "post", "slack")


def test_a_long_text_fills_its_sections_and_tears_no_entity() -> None:
    fields = [ChatField("x", "y" * 1998)] * 10
    assert len(payload_of(replace(MESSAGE, fields=fields))["blocks"][1]["fields"]) == 10
    assert payload_of(replace(MESSAGE, text="&" * 600))["blocks"] == [section("&amp;" * 600)]
    assert payload_of(replace(MESSAGE, text="&" * 601))["blocks"] == [section("&amp;" * 600), section("&amp;")]
    torn = payload_of(replace(MESSAGE, text="xx" + "&" * 600 + "<"))["blocks"]
    assert torn == [section("xx" + "&amp;" * 599), section("&amp;&lt;")]


@pytest.mark.parametrize(
    ("status", "body", "error", "code", "reason"),
    [
        (429, b"", RateLimited, "429", None),
        (400, b"rate_limited", RateLimited, "rate_limited", None),
        (400, b"ratelimited", RateLimited, "ratelimited", None),
        (500, b" invalid_payload\n", Rejected, "invalid_payload", "invalid_request"),
        (404, b"channel_not_found", Rejected, "channel_not_found", "unknown_channel"),
        (200, b"no_service", Misconfigured, "no_service", None),
        (299, b"", OutcomeUnknown, "299", None),
        (300, b"", Misconfigured, "300", None),
        (399, b"", Misconfigured, "399", None),
        (400, b"", Rejected, "400", "invalid_request"),
        *((status, b"<html>", Misconfigured, str(status), None) for status in (401, 403, 404, 405, 410)),
        (408, b"", Unavailable, "408", None),
        (499, b"x" * 65, Rejected, "499", "invalid_request"),
        (499, b"x" * 64, Rejected, "x" * 64, "invalid_request"),
        (500, b"\xff", OutcomeUnknown, "500", None),
    ],
)
def test_an_answer_other_than_ok_is_one_of_the_taxonomy(
    status: int, body: bytes, error: type[PortError], code: str, reason: str | None
) -> None:
    told = error_of(status, {"retry-after": "99999999", "x-slack-req-id": "r" * 64}, body, "check")
    assert (type(told), told.code, getattr(told, "reason", None)) == (error, code, reason)
    assert (told.provider, told.operation, told.request_id) == ("slack", "check", "r" * 64)
    assert getattr(told, "retry_after", 86_400.0) == 86_400.0
    silent = error_of(status, {"retry-after": "soon", "x-slack-req-id": "r" * 65}, body, "check")
    assert (silent.request_id, getattr(silent, "retry_after", None)) == (None, None)
