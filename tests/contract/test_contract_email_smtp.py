"""E-mail through a mail server over real SMTP: what it gets, what its replies mean, and what a lost answer leaves open."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.fake_smtp import (
    BE_SILENT,
    HANG_UP,
    PASSWORD,
    USER,
    Certificate,
    MailServer,
    authenticate,
    mail_server,
    make_certificate,
)
from madang.adapters.smtp.email import SmtpEmailSender
from madang.adapters.smtp.mapping import Stage, refused
from madang.adapters.smtp.message import composed, message_id_of
from madang.adapters.smtp.settings import SmtpSettings
from madang.ports.context import ProviderContext
from madang.ports.email import Attachment, EmailAddress, EmailRequest, EmailStatus
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Rejected, Unavailable
from madang.ports.secret import Secret

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SENDER = "noreply@madang.example"
EMAIL = EmailRequest([EmailAddress("buyer@example.com", "구매자")], "영수증", "email-1", text="9,900원을 결제했습니다.")
Build = Callable[..., SmtpEmailSender]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as place:
        yield place


@pytest.fixture
def sender(server: MailServer, context: ProviderContext) -> SmtpEmailSender:
    return sender_to(server, context)


def sender_to(server: MailServer, context: ProviderContext, **settings: Any) -> SmtpEmailSender:
    given_settings = {"sender_name": "마당", "port": server.port, "security": "none", "hello": "client.example.com", **settings}
    return SmtpEmailSender(SmtpSettings("127.0.0.1", SENDER, **given_settings), context)


async def test_an_email_arrives_with_everything_that_was_asked(server: MailServer, sender: SmtpEmailSender) -> None:
    request = replace(
        EMAIL,
        html='<p>9,900원 <img src="cid:logo"></p>',
        cc=[EmailAddress("cc@example.com")],
        bcc=[EmailAddress("hidden@example.com")],
        reply_to=EmailAddress("help@madang.example", "Help, please"),
        attachments=[
            Attachment("로고.png", "image/png", b"\x00\xff", content_id="logo"),
            Attachment("영수증.pdf", "application/pdf", b"%PDF \r\n.\r\n"),
            Attachment("a.txt", "text/plain; charset=utf-8", "가".encode()),
        ],
        headers={"X-Entity-Ref-ID": "1"},
    )
    receipt = await sender.send(request)
    [(envelope_sender, recipients, data)] = server.received
    assert (envelope_sender, recipients) == (SENDER, ["buyer@example.com", "cc@example.com", "hidden@example.com"])
    assert b"hidden" not in data
    message = server.message()
    assert (message["from"], message["to"], message["cc"]) == (
        f"마당 <{SENDER}>",
        "구매자 <buyer@example.com>",
        "cc@example.com",
    )
    assert (message["subject"], message["x-entity-ref-id"]) == ("영수증", "1")
    assert message["reply-to"] == '"Help, please" <help@madang.example>'
    assert (receipt.id, receipt.status) == (message["message-id"], EmailStatus.ACCEPTED)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert (text.get_content().strip(), html.get_content().strip()) == (EMAIL.text, request.html)
    files = {part.get_filename(): part.get_payload(decode=True) for part in message.walk() if part.get_filename()}
    assert files == {each.filename: each.data for each in request.attachments}
    assert [part["content-id"] for part in message.walk() if part["content-id"]] == ["<logo>"]
    assert max(map(len, data.split(b"\r\n"))) <= 998


async def test_lines_that_are_a_dot_or_begin_with_one_arrive(server: MailServer, sender: SmtpEmailSender) -> None:
    await sender.send(replace(EMAIL, text="one\n.\n..two\n.three\nQUIT"))
    assert server.message().get_content().splitlines() == ["one", ".", "..two", ".three", "QUIT"]


async def test_an_internationalised_domain_is_written_in_ascii(server: MailServer, sender: SmtpEmailSender) -> None:
    await sender.send(replace(EMAIL, to=[EmailAddress("buyer@한국.example")]))
    assert server.received[0][1] == ["buyer@xn--3e0b707e.example"]


async def test_the_message_id_is_the_same_for_the_same_key(server: MailServer, sender: SmtpEmailSender) -> None:
    receipts = [await sender.send(replace(EMAIL, idempotency_key=key)) for key in ("a", "a", "b")]
    assert receipts[0].id == receipts[1].id != receipts[2].id
    assert receipts[0].id == message_id_of("a", "madang.example")
    assert not sender.capabilities.idempotent, "the server takes both copies"
    assert len(server.received) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": [EmailAddress("a b@example.com")]}, "invalid_recipient"),
        ({"to": [EmailAddress("a@example..com")]}, "invalid_recipient"),
        ({"to": [EmailAddress("a@" + "x" * 64 + ".example")]}, "invalid_recipient"),
        ({"to": [EmailAddress("a@example.com\r\nRCPT TO:<b@example.com>")]}, "invalid_recipient"),
        ({"to": [EmailAddress("a@example.com> SIZE=1")]}, "invalid_recipient"),
        ({"to": [EmailAddress("가@example.com")]}, "invalid_recipient"),
        ({"reply_to": EmailAddress("nobody")}, "invalid_sender"),
        ({"subject": "hello\rBcc: everyone@example.com"}, "invalid_request"),
        ({"subject": "hello\u2028Bcc: everyone@example.com"}, "invalid_request"),
        ({"subject": "half a character: \ud83d"}, "invalid_request"),
        ({"text": "half a character: \ud83d"}, "invalid_request"),
        ({"html": "half a character: \ud83d"}, "invalid_request"),
        ({"headers": {"message-ID": "<x@y>"}}, "invalid_request"),
        ({"attachments": [Attachment("", "text/plain", b"")]}, "invalid_request"),
        ({"attachments": [Attachment("a\r\nb", "text/plain", b"")]}, "invalid_request"),
        ({"attachments": [Attachment("a", "text", b"")]}, "invalid_request"),
        ({"attachments": [Attachment("a", "multipart/mixed", b"")]}, "invalid_request"),
        ({"html": "<p>", "attachments": [Attachment("a", "image/png", b"", content_id="a>\t<b")]}, "invalid_request"),
        ({"attachments": [Attachment("big", "text/plain", bytes(20 * 1024**2))]}, "too_large"),
    ],
)
async def test_a_bad_email_is_rejected_before_it_leaves(
    server: MailServer, sender: SmtpEmailSender, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await sender.send(replace(EMAIL, **change))
    assert (rejected.value.reason, rejected.value.operation) == (reason, "send")
    assert server.connections == 0


ROWS = [
    ("EHLO", "421 4.3.2 shutting down", Unavailable, None),
    ("EHLO", "554 5.7.1 go away", Misconfigured, None),
    ("MAIL", "421 4.3.2 shutting down", Unavailable, None),
    ("MAIL", "451 4.7.1 later", Unavailable, None),
    ("MAIL", "452 4.3.1 disk full", Unavailable, None),
    ("MAIL", "530 5.7.0 authentication required", Misconfigured, None),
    ("MAIL", "550 5.7.1 not from there", Rejected, "invalid_sender"),
    ("MAIL", "553 5.1.8 bad sender", Rejected, "invalid_sender"),
    ("MAIL", "552 5.3.4 too big", Rejected, "too_large"),
    ("RCPT", "450 4.2.1 greylisted", Unavailable, None),
    ("RCPT", "452 4.2.2 mailbox full", Unavailable, None),
    ("RCPT", "452 4.5.3 too many recipients", Rejected, "too_many_recipients"),
    ("RCPT", "550 5.1.1 no buyer@example.com here", Rejected, "invalid_recipient"),
    ("RCPT", "551 not local", Rejected, "invalid_recipient"),
    ("RCPT", "552 5.2.2 mailbox full", Rejected, "invalid_recipient"),
    ("RCPT", "553 5.1.3 bad address", Rejected, "invalid_recipient"),
    ("RCPT", "554 5.7.1 relay denied", Rejected, "invalid_recipient"),
    ("RCPT", "538 5.7.11 encryption required", Misconfigured, None),
    ("DATA", "451 4.3.0 local error", Unavailable, None),
    ("DATA", "452 4.3.1 disk full", Unavailable, None),
    ("DATA", "550 5.7.1 looks like spam", Rejected, "invalid_request"),
    ("DATA", "552 5.3.4 too big", Rejected, "too_large"),
    ("DATA", "554 5.6.0 no", Rejected, "invalid_request"),
    ("DATA", "299 what", OutcomeUnknown, None),
    ("DATA", "what", OutcomeUnknown, None),
    ("EHLO", HANG_UP, Unavailable, None),
    ("MAIL", HANG_UP, Unavailable, None),
    ("RCPT", HANG_UP, Unavailable, None),
    ("DATA", HANG_UP, OutcomeUnknown, None),
    ("EHLO", BE_SILENT, Unavailable, None),
    ("RCPT", BE_SILENT, Unavailable, None),
    ("DATA", BE_SILENT, OutcomeUnknown, None),
]


@pytest.mark.parametrize(("command", "reply", "error", "reason"), ROWS)
async def test_every_reply_of_a_server_is_one_of_the_taxonomy(
    server: MailServer, sender: SmtpEmailSender, command: str, reply: str, error: type[PortError], reason: str | None
) -> None:
    server.replies[command].append(reply)
    for limit in (0.5, 2.0, 8.0, 30.0) if reply == BE_SILENT else (30.0,):
        with pytest.raises((error, Unavailable)) as raised:
            await sender.send(replace(EMAIL, timeout=limit))
        if type(raised.value) is error:
            break  # else this machine was too busy to come so far
    assert type(raised.value) is error
    assert (raised.value.provider, raised.value.operation) == ("smtp", "send")
    assert getattr(raised.value, "reason", None) == reason
    assert "buyer" not in str(raised.value.context())
    codes = re.match(r"[45]\d\d( [45]\.\d\.\d+)?", reply)
    assert raised.value.code == (codes[0] if codes else None)
    assert limit > 0.5 or server.connections == 1, "nothing is tried twice"
    assert len(server.received) == (reply in (HANG_UP, BE_SILENT) and command == "DATA")


@pytest.mark.parametrize("code", [534, 535])
@pytest.mark.parametrize("stage", Stage)
def test_a_refused_password_is_for_the_operator_whenever_it_is_told(stage: Stage, code: int) -> None:
    assert isinstance(refused(stage, code, "5.7.8 no", "send"), Misconfigured)


@pytest.mark.parametrize(
    ("replies", "error", "reason"),
    [
        (["250 OK", "550 5.1.1 no"], Rejected, "invalid_recipient"),
        (["250 OK", "450 4.2.1 later"], Unavailable, None),
        (["450 4.2.1 later", "550 5.1.1 no"], Rejected, "invalid_recipient"),
    ],
)
async def test_when_one_recipient_is_refused_nobody_gets_it(
    server: MailServer, sender: SmtpEmailSender, replies: list[str], error: type[PortError], reason: str | None
) -> None:
    server.replies["RCPT"] += replies
    with pytest.raises(error) as raised:
        await sender.send(replace(EMAIL, cc=[EmailAddress("cc@example.com")]))
    assert getattr(raised.value, "reason", None) == reason
    assert server.received == []


@pytest.mark.parametrize(
    ("greeting", "error"), [("421 busy", Unavailable), ("554 no", Misconfigured), ("HTTP/1.1 400", Unavailable)]
)
async def test_a_server_that_does_not_greet_gets_nothing(
    context: ProviderContext, greeting: str, error: type[PortError]
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{greeting}\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(error) as raised:
        await sender_to(MailServer(port=port), context).send(replace(EMAIL, timeout=5.0))
    assert type(raised.value) is error
    server.close()


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_passwords_and_mail_travel_over_tls(context: ProviderContext, certificate: Certificate, security: str) -> None:
    at_once = security == "tls"
    secured = {"require_starttls": True} if not at_once else {"auth_require_tls": False}
    async with mail_server(
        tls=certificate.context, at_once=at_once, authenticator=authenticate, auth_required=True, **secured
    ) as server:
        keys = {"security": security, "username": USER, "ca_file": certificate.file}
        good = sender_to(server, context, password=Secret(PASSWORD), **keys)
        assert (await good.check()).reachable
        await good.send(EMAIL)
        assert len(server.received) == 1
        with pytest.raises(Misconfigured, match="password"):
            await sender_to(server, context, password=Secret("wrong"), **keys).send(EMAIL)
        with pytest.raises(Misconfigured):
            await sender_to(server, context, security=security, ca_file=certificate.file).send(EMAIL)
        with pytest.raises(Misconfigured, match="TLS"):
            await sender_to(server, context, security=security).send(EMAIL)
    assert len(server.received) == 1


async def test_a_server_without_starttls_gets_no_mail_in_the_clear(server: MailServer, context: ProviderContext) -> None:
    with pytest.raises(Misconfigured):
        await sender_to(server, context, security="starttls").send(EMAIL)
    assert server.received == []


async def test_a_server_without_logins_gets_no_password(server: MailServer, context: ProviderContext) -> None:
    with pytest.raises(Misconfigured):
        await sender_to(server, context, username=USER, password=Secret(PASSWORD)).send(EMAIL)
    assert server.received == []


async def test_no_more_connections_than_allowed_are_open_at_once(server: MailServer, context: ProviderContext) -> None:
    sender = sender_to(server, context, connections=2)
    await asyncio.gather(*(sender.send(replace(EMAIL, idempotency_key=f"k{n}")) for n in range(8)))
    assert len(server.received) == 8
    assert server.most_at_once <= 4, "each may be leaving while the next comes"


async def test_who_waits_too_long_for_a_connection_has_surely_not_sent(server: MailServer, context: ProviderContext) -> None:
    sender = sender_to(server, context, connections=1)
    server.replies["MAIL"].append(BE_SILENT)
    slow = asyncio.create_task(sender.send(replace(EMAIL, timeout=30.0)))
    while not server.connections:
        await asyncio.sleep(0.005)
    with pytest.raises(Unavailable):
        await sender.send(replace(EMAIL, timeout=0.05))
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    await sender.send(EMAIL)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"security": "maybe"},
        {"host": ""},
        {"host": "mx.example.com\r\nQUIT"},
        {"hello": "a b"},
        {"sender": "nobody"},
        {"sender": "Madang <a@b.example>"},
        {"sender_name": "Madang\r\nBcc: x@example.com"},
        {"username": "madang"},
        {"password": Secret(PASSWORD)},
        {"username": "madang", "password": Secret(PASSWORD), "security": "none"},
        {"port": 0},
        {"port": 65_536},
        {"max_bytes": 10},
        {"connections": 0},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"security|host|sender|username|password|port|max_bytes") as refused_:
        SmtpSettings(**{"host": "mx.example.com", "sender": SENDER, **wrong})
    assert PASSWORD not in str(refused_.value)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_each_kind_of_security_has_its_port(security: str, port: int) -> None:
    assert SmtpSettings("mx.example.com", SENDER, security=security).actual_port == port


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=120)


@settings(max_examples=50)
@given(subject=WORDS, name=WORDS, text=st.text(max_size=400), value=WORDS, filename=WORDS, data=st.binary(max_size=400))
def test_whatever_words_there_are_the_message_has_one_of_each_header(
    subject: str, name: str, text: str, value: str, filename: str, data: bytes
) -> None:
    request = EmailRequest(
        [EmailAddress("buyer@example.com", name)],
        subject,
        "k",
        text=text,
        headers={"X-Note": value},
        attachments=[Attachment(filename or "a", "application/x-test", data)],
    )
    message = composed(request, SmtpSettings("mx.example.com", SENDER), NOW)
    parsed = message_from_bytes(message.data, policy=policy.default)
    allowed = {"from", "to", "subject", "date", "message-id", "x-note", "mime-version", "content-type"}
    assert sorted(key.lower() for key in parsed) == sorted(allowed)
    assert [each.addr_spec for each in parsed["to"].addresses] == ["buyer@example.com"]
    assert [part.get_payload(decode=True) for part in parsed.walk() if part.get_content_type() == "application/x-test"] == [
        data
    ]
    assert message.data.isascii()
