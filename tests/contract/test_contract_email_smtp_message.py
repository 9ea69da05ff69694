"""E-mail through a mail server at its edges: what it is told, what it is not asked, and every part of the message."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from contract.fake_smtp import MailServer, mail_server
from madang.adapters.smtp.capabilities import EMAIL as EMAIL_CAPABILITIES
from madang.adapters.smtp.client import SmtpClient
from madang.adapters.smtp.email import SmtpEmailSender
from madang.adapters.smtp.mapping import Stage, lost, refused
from madang.adapters.smtp.message import OWN_HEADERS, composed
from madang.adapters.smtp.settings import SmtpSettings
from madang.ports.context import ProviderContext
from madang.ports.email import Attachment, EmailAddress, EmailRequest
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Rejected, Unavailable, Unsupported

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SENDER = "noreply@madang.example"
SETTINGS = SmtpSettings("mx.example.com", SENDER, sender_name="마당", max_bytes=100_000)
EMAIL = EmailRequest([EmailAddress("buyer@example.com", "구매자")], "영수증", "email-1", text="결제했습니다.", timeout=5.0)


@pytest.fixture
async def small() -> AsyncIterator[MailServer]:
    async with mail_server(data_size_limit=2000) as place:
        yield place


def sender_to(server: MailServer, context: ProviderContext, **settings: Any) -> SmtpEmailSender:
    return SmtpEmailSender(replace(SETTINGS, host="127.0.0.1", port=server.port, security="none", **settings), context)


def message_of(request: EmailRequest) -> EmailMessage:
    found = message_from_bytes(composed(request, SETTINGS, NOW).data, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


async def reason_of(call: Any) -> tuple[str, str | None]:
    with pytest.raises(Rejected) as rejected:
        await call
    return rejected.value.reason, rejected.value.code


async def test_a_server_that_asks_how_large_an_email_is_is_told(small: MailServer, context: ProviderContext) -> None:
    sender = sender_to(small, context, hello="client.example.com")
    await sender.send(EMAIL)
    assert [option for option in small.options if option.startswith("SIZE=")] == [f"SIZE={len(small.received[0][2])}"]
    assert small.greeted == ["client.example.com"]
    assert await reason_of(sender.send(replace(EMAIL, text="x" * 3000))) == ("too_large", "552")
    assert len(small.received) == 1


async def test_a_server_that_does_not_ask_is_not_told(context: ProviderContext) -> None:
    async with mail_server(data_size_limit=None) as server:
        await sender_to(server, context).send(EMAIL)
    assert (len(server.received), server.options) == (1, [])


async def test_certificates_that_cannot_be_read_are_for_the_operator(context: ProviderContext) -> None:
    sender = SmtpEmailSender(replace(SETTINGS, ca_file="/nowhere/at/all.pem"), context)
    for call, operation in ((sender.check(), "check"), (sender.send(EMAIL), "send")):
        with pytest.raises(Misconfigured, match="ca_file cannot be read: FileNotFoundError") as refusal:
            await call
        assert refusal.value.operation == operation


async def test_the_health_names_the_server(small: MailServer, context: ProviderContext) -> None:
    health = await sender_to(small, context).check()
    assert (health.reachable, health.detail) == (True, f"127.0.0.1:{small.port}")
    assert health.latency_ms is not None
    assert 0 < health.latency_ms < 60_000
    small.replies["EHLO"].append("421 4.3.2 shutting down")
    with pytest.raises(Unavailable) as busy:
        await SmtpClient(replace(SETTINGS, host="127.0.0.1", port=small.port, security="none")).greet(5.0)
    assert (busy.value.operation, busy.value.code) == ("check", "421 4.3.2")


async def test_what_mail_servers_do_not_have_is_unsupported(context: ProviderContext) -> None:
    sender = SmtpEmailSender(SETTINGS, context)
    for call, operation in (
        (sender.fetch("a"), "fetch"),
        (sender.find("a"), "find"),
        (sender.send(replace(EMAIL, tags={"a": "b"})), "send"),
        (sender.send(replace(EMAIL, extra={"a": "b"})), "send"),
    ):
        with pytest.raises(Unsupported) as refusal:
            await call
        assert (refusal.value.operation, refusal.value.provider) == (operation, "smtp")


@pytest.mark.parametrize(
    ("stage", "code", "text", "error", "shown", "reason"),
    [
        (Stage.GREETING, 220, "", Unavailable, None, None),
        (Stage.CONTENT, 399, "", OutcomeUnknown, None, None),
        (Stage.CONTENT, 600, "", OutcomeUnknown, None, None),
        (Stage.CONTENT, 400, "4.1.1 no", Unavailable, "400 4.1.1", None),
        (Stage.CONTENT, 499, "", Unavailable, "499", None),
        (Stage.CONTENT, 500, "", Rejected, "500", "invalid_request"),
        (Stage.CONTENT, 599, " 5.1.1", Rejected, "599 5.1.1", "invalid_request"),
        (Stage.SENDER, 523, "", Rejected, "523", "too_large"),
        (Stage.SENDER, 452, "4.5.3", Unavailable, "452 4.5.3", None),
        (Stage.RECIPIENT, 523, "", Rejected, "523", "invalid_recipient"),
        (Stage.RECIPIENT, 550, "5.5.3 many", Rejected, "550 5.5.3", "too_many_recipients"),
        (Stage.LOGIN, 454, "4.7.0", Unavailable, "454 4.7.0", None),
        (Stage.LOGIN, 503, "", Misconfigured, "503", None),
        (Stage.SENDER, 530, "5.7.0", Misconfigured, "530 5.7.0", None),
        (Stage.SENDER, 538, "", Misconfigured, "538", None),
    ],
)
def test_a_reply_is_an_error_with_its_codes(
    stage: Stage, code: int, text: str, error: type[PortError], shown: str | None, reason: str | None
) -> None:
    told = refused(stage, code, text, "send")
    assert (type(told), told.code, getattr(told, "reason", None)) == (error, shown, reason)
    assert (told.provider, told.operation) == ("smtp", "send")


@pytest.mark.parametrize("stage", Stage)
def test_a_lost_answer_leaves_open_what_was_handed_over(stage: Stage) -> None:
    assert type(lost(stage, "x", "send")) is (OutcomeUnknown if stage is Stage.CONTENT else Unavailable)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"to": []}, "invalid_recipient"),
        ({"sender": EmailAddress("nobody")}, "invalid_sender"),
        ({"sender": EmailAddress("a@b.example", "two\nlines")}, "invalid_request"),
        ({"reply_to": EmailAddress("a@b.example", "two\nlines")}, "invalid_request"),
        ({"cc": [EmailAddress("a@b.example", "\x7f")]}, "invalid_request"),
        ({"bcc": [EmailAddress("x" * 65 + "@b.example")]}, "invalid_recipient"),
        ({"bcc": [EmailAddress("@b.example")]}, "invalid_recipient"),
        (
            {"to": [EmailAddress(f"{number}@b.example") for number in range(EMAIL_CAPABILITIES.max_recipients + 1)]},
            "too_many_recipients",
        ),
        ({"text": None}, "invalid_request"),
        ({"headers": {"": "x"}}, "invalid_request"),
        ({"headers": {"A:B": "x"}}, "invalid_request"),
        ({"headers": {"x" * 77: "x"}}, "invalid_request"),
        ({"headers": {"X": "two\nlines"}}, "invalid_request"),
        *(({"headers": {name.title(): "x"}}, "invalid_request") for name in sorted(OWN_HEADERS)),
        ({"text": "x" * 100_000}, "too_large"),
        ({"attachments": [Attachment("a", "a/b", bytes(75_001))]}, "too_large"),
        ({"attachments": [Attachment("a", "message/rfc822", b"")]}, "invalid_request"),
        ({"attachments": [Attachment("a", "Multipart/mixed", b"")]}, "invalid_request"),
        ({"attachments": [Attachment("a", "a/b\nc", b"")]}, "invalid_request"),
        ({"attachments": [Attachment("a", "a/b", b"", content_id="a b")]}, "invalid_request"),
    ],
)
def test_what_no_message_can_hold_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as rejected:
        composed(replace(EMAIL, **changes), SETTINGS, NOW)
    assert (rejected.value.reason, rejected.value.operation) == (reason, "send")


def test_an_attachment_that_is_too_large_is_not_encoded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def encoded(*_: object) -> None:
        raise AssertionError("it was encoded")

    monkeypatch.setattr("madang.adapters.smtp.message._write", encoded)
    with pytest.raises(Rejected, match="too large"):
        composed(replace(EMAIL, attachments=[Attachment("a", "a/b", bytes(40_000))] * 2), SETTINGS, NOW)


def test_the_envelope_names_each_person_once() -> None:
    buyer, other = EmailAddress("buyer@example.com"), EmailAddress("x" * 64 + "@example.com")
    request = replace(EMAIL, to=[buyer, other], cc=[buyer], bcc=[other, EmailAddress("c@example.com")])
    message = composed(request, SETTINGS, NOW)
    assert message.recipients == [buyer.address, other.address, "c@example.com"]
    assert message.sender == SENDER
    other_sender = composed(replace(EMAIL, sender=EmailAddress("shop@shop.example")), SETTINGS, NOW)
    assert (other_sender.sender, other_sender.message_id[-14:]) == ("shop@shop.example", "@shop.example>")
    assert composed(replace(EMAIL, idempotency_key="\ud800"), SETTINGS, NOW).message_id


def test_a_message_has_its_headers() -> None:
    found = message_of(replace(EMAIL, cc=[EmailAddress("cc@example.com")], headers={"X" * 76: "1"}))
    assert found["date"] == "Sun, 01 Mar 2026 12:00:00 +0000"
    assert (found["from"], found["cc"], found["reply-to"]) == (f"마당 <{SENDER}>", "cc@example.com", None)
    assert found["X" * 76].strip() == "1"
    assert found["message-id"] == composed(EMAIL, SETTINGS, NOW).message_id
    assert "cc" not in message_of(EMAIL)


def test_files_are_beside_the_text_and_pictures_within_the_html() -> None:
    logo = Attachment("logo.png", "image/png", b"\x00", content_id="logo")
    page = Attachment("a.txt", "text/csv; charset=utf-8; header=present", b"a,b")
    plain = message_of(replace(EMAIL, attachments=[logo, page]))
    assert [part.get_content_type() for part in plain.walk()] == ["multipart/mixed", "text/plain", "image/png", "text/csv"]
    assert [part["content-id"] for part in plain.walk()] == [None] * 4
    csv = list(plain.walk())[-1]
    assert (csv.get_param("header"), csv.get_content_charset(), csv.get_filename()) == ("present", "utf-8", "a.txt")
    assert csv["content-disposition"].content_disposition == "attachment"
    alone = message_of(replace(EMAIL, text=None, html="<p>가", attachments=[page, logo]))
    assert [part.get_content_type() for part in alone.walk()] == [
        "multipart/mixed", "multipart/related", "text/html", "image/png", "text/csv",
    ]  # fmt: skip
    both = message_of(replace(EMAIL, html="<p>", attachments=[replace(logo, content_type="image/png; a=b")]))
    shown = list(both.walk())[-1]
    assert (shown["content-id"], shown.get_filename(), shown.get_param("a")) == ("<logo>", "logo.png", "b")
    assert both.get_content_type() == "multipart/alternative"
