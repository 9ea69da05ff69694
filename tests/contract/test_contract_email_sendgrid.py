"""E-mail through SendGrid over real HTTP: what it gets, what each of its refusals means, and what it reports."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from contract.fake_sendgrid import API_KEY, READING_KEY, TEMPLATE, FakeSendgrid, refusal, wrong_fields
from madang.adapters.sendgrid import mapping
from madang.adapters.sendgrid.email import SendgridEmailSender
from madang.adapters.sendgrid.payload import payload_of
from madang.adapters.sendgrid.settings import SendgridSettings
from madang.plugins.conformance.email import EmailConformance
from madang.plugins.conformance.remote import Fault, Reply, serving
from madang.plugins.conformance.suite import LIMITS
from madang.ports.context import ProviderContext
from madang.ports.email import Attachment, EmailAddress, EmailRequest, EmailStatus, EmailTemplate
from madang.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    SignatureInvalid,
    Unavailable,
    Unsupported,
)
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

SIGNER = ec.derive_private_key(20261121, ec.SECP256R1())
ANOTHER = ec.derive_private_key(11212026, ec.SECP256R1())
ARRIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EMAIL = EmailRequest([EmailAddress("buyer@example.com", "구매자")], "영수증", "email-1", text="9,900원을 결제했습니다.")


def shown(key: ec.EllipticCurvePrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def settings_for(url: str = "https://api.sendgrid.com", **changed: Any) -> SendgridSettings:
    given = {"api_key": Secret(API_KEY), "sender": "noreply@madang.example", "sender_name": "마당", "base_url": url}
    return SendgridSettings(**{"webhook_key": shown(SIGNER), **given, **changed})


class TestSendgrid(EmailConformance):
    plugin = "madang.plugins.builtin.sendgrid"
    name = "sendgrid"
    template = EmailTemplate(TEMPLATE, {"name": "지우", "count": 3})
    extra: ClassVar[Mapping[str, Any]] = {"ip_pool_name": "receipts"}

    def remote(self) -> FakeSendgrid:
        return FakeSendgrid()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"api_key": API_KEY, "sender": "noreply@madang.example", "webhook_key": shown(SIGNER), "base_url": url}

    def reports(self) -> Mapping[EmailStatus, WebhookRequest]:
        return {
            EmailStatus.DELIVERED: delivery(event("delivered")),
            EmailStatus.BOUNCED: delivery(event("bounce", type="bounce", status="5.1.1")),
            EmailStatus.COMPLAINED: delivery(event("spamreport")),
        }

    def webhook(self) -> WebhookRequest:
        return delivery(event("delivered"), event("bounce"))


@pytest.fixture
def sendgrid() -> Iterator[FakeSendgrid]:
    with serving(FakeSendgrid()) as server:
        yield server


@pytest.fixture
async def sender(sendgrid: FakeSendgrid, context: ProviderContext) -> AsyncIterator[SendgridEmailSender]:
    provider = SendgridEmailSender(settings_for(sendgrid.url), context)
    yield provider
    await provider.close()


async def test_an_email_goes_out_with_everything_that_was_asked(sendgrid: FakeSendgrid, sender: SendgridEmailSender) -> None:
    request = replace(
        EMAIL,
        html="<p>9,900원</p>",
        cc=[EmailAddress("cc@example.com")],
        bcc=[EmailAddress("hidden@example.com")],
        reply_to=EmailAddress("help@madang.example", "도움"),
        headers={"X-Entity-Ref-ID": "7"},
        tags=["receipt", "영수증", "receipt"],
        attachments=[
            Attachment("a.txt", "text/plain", b"paper"),
            Attachment("logo.png", "image/png", b"\x89PNG", content_id="logo"),
        ],
        extra={"ip_pool_name": "receipts"},
    )
    receipt = await sender.send(request)
    assert receipt.status is EmailStatus.ACCEPTED
    assert sendgrid.sent[receipt.id] == {
        "personalizations": [
            {
                "to": [{"email": "buyer@example.com", "name": "구매자"}],
                "cc": [{"email": "cc@example.com"}],
                "bcc": [{"email": "hidden@example.com"}],
                "custom_args": {"madang_key": "email-1"},
            }
        ],
        "from": {"email": "noreply@madang.example", "name": "마당"},
        "reply_to": {"email": "help@madang.example", "name": "도움"},
        "subject": "영수증",
        "content": [
            {"type": "text/plain", "value": "9,900원을 결제했습니다."},
            {"type": "text/html", "value": "<p>9,900원</p>"},
        ],
        "attachments": [
            {"content": "cGFwZXI=", "type": "text/plain", "filename": "a.txt", "disposition": "attachment"},
            {"content": "iVBORw==", "type": "image/png", "filename": "logo.png", "disposition": "inline", "content_id": "logo"},
        ],
        "headers": {"X-Entity-Ref-ID": "7"},
        "categories": ["receipt", "영수증"],
        "ip_pool_name": "receipts",
    }


async def test_a_template_goes_out_with_its_values(sendgrid: FakeSendgrid, sender: SendgridEmailSender) -> None:
    template = EmailTemplate(TEMPLATE, {"name": "지우", "pictures": [1, 2, 3]})
    receipt = await sender.send(replace(EMAIL, text=None, template=template))
    body = sendgrid.sent[receipt.id]
    assert body["template_id"] == TEMPLATE
    assert body["personalizations"][0]["dynamic_template_data"] == {"name": "지우", "pictures": [1, 2, 3]}
    assert "content" not in body


def test_everybody_gets_it_once_where_they_are_seen_best() -> None:
    request = replace(
        EMAIL,
        to=[EmailAddress("a@example.com"), EmailAddress("A@example.com")],
        cc=[EmailAddress("a@example.com"), EmailAddress("b@example.com")],
        bcc=[EmailAddress("B@example.com")],
    )
    [envelope] = payload_of(request, settings_for())["personalizations"]
    assert (envelope["to"], envelope["cc"]) == ([{"email": "a@example.com"}], [{"email": "b@example.com"}])
    assert "bcc" not in envelope


def test_a_domain_of_another_script_is_written_in_ascii() -> None:
    [envelope] = payload_of(replace(EMAIL, to=[EmailAddress("a@한국.kr")]), settings_for())["personalizations"]
    assert envelope["to"] == [{"email": "a@xn--3e0b707e.kr"}]


@given(st.lists(st.text(max_size=300), min_size=1, max_size=3), st.text(max_size=400), st.text(max_size=50))
def test_whatever_is_written_the_payload_fits_or_is_rejected(words: list[str], key: str, name: str) -> None:
    request = replace(
        EMAIL,
        subject=words[0],
        text=words[-1],
        to=[EmailAddress("a@example.com", name)],
        idempotency_key=key,
        tags=words,
        headers={"X-Words": words[0]},
    )
    try:
        payload = payload_of(request, settings_for())
    except Rejected:
        return
    assert list(wrong_fields(json.loads(json.dumps(payload)))) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": []}, "invalid_recipient"),
        ({"to": [EmailAddress("no-domain")]}, "invalid_recipient"),
        ({"to": [EmailAddress("a@example..com")]}, "invalid_recipient"),
        ({"to": [EmailAddress(f"a@{'x' * 64}.example")]}, "invalid_recipient"),
        ({"to": [EmailAddress("a@example.com\r\nBcc: b@example.com")]}, "invalid_recipient"),
        ({"cc": [EmailAddress("a@example.com, b@example.com")]}, "invalid_recipient"),
        ({"to": [EmailAddress(f"p{n}@example.com") for n in range(1001)]}, "too_many_recipients"),
        ({"sender": EmailAddress("nobody")}, "invalid_sender"),
        ({"sender": EmailAddress("a@example..com")}, "invalid_sender"),
        ({"reply_to": EmailAddress("nobody")}, "invalid_sender"),
        ({"subject": "hello\r\nBcc: everyone@example.com"}, "invalid_request"),
        ({"subject": "hello\u2028Bcc: everyone@example.com"}, "invalid_request"),
        ({"subject": ""}, "invalid_request"),
        ({"subject": "half a character: \ud83d"}, "invalid_request"),
        ({"to": [EmailAddress("a@example.com", "Name\nBcc: b@example.com")]}, "invalid_request"),
        ({"headers": {"Bcc": "everyone@example.com"}}, "invalid_request"),
        ({"headers": {"X-SG-EID": "1"}}, "invalid_request"),
        ({"headers": {"X-A": "1\r\nBcc: everyone@example.com"}}, "invalid_request"),
        ({"headers": {"X-A: 1\r\nBcc": "everyone@example.com"}}, "invalid_request"),
        ({"text": None}, "invalid_request"),
        ({"text": ""}, "invalid_request"),
        ({"text": "half a character: \ud83d"}, "invalid_request"),
        ({"template": EmailTemplate(TEMPLATE)}, "invalid_request"),
        ({"text": None, "template": EmailTemplate(TEMPLATE, {"who": object()})}, "invalid_request"),
        ({"text": None, "template": EmailTemplate(TEMPLATE, {"who": "\ud83d"})}, "invalid_request"),
        ({"extra": {"send_at": float("nan")}}, "invalid_request"),
        ({"tags": [""]}, "invalid_request"),
        ({"tags": ["x" * 256]}, "invalid_request"),
        ({"tags": [f"tag-{n}" for n in range(11)]}, "invalid_request"),
        ({"attachments": [Attachment("", "text/plain", b"x")]}, "invalid_request"),
        ({"attachments": [Attachment("a.txt", "text/plain", b"")]}, "invalid_request"),
        ({"attachments": [Attachment("a\r\nb", "text/plain", b"x")]}, "invalid_request"),
        ({"attachments": [Attachment("big", "text/plain", bytes(23 * 1024**2))]}, "too_large"),
    ],
)
async def test_a_bad_email_is_rejected_before_it_leaves(
    sendgrid: FakeSendgrid, sender: SendgridEmailSender, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await sender.send(replace(EMAIL, **change))
    assert (rejected.value.reason, rejected.value.operation) == (reason, "send")
    assert sendgrid.arrived == []


ROWS = [
    (refusal(400, "personalizations"), Rejected, "invalid_request"),
    (refusal(400, "personalizations.0.to"), Rejected, "invalid_recipient"),
    (refusal(400, "personalizations.0.to.0.email"), Rejected, "invalid_recipient"),
    (refusal(400, "personalizations.0.cc.1.email"), Rejected, "invalid_recipient"),
    (refusal(400, "personalizations.0.bcc"), Rejected, "invalid_recipient"),
    (refusal(400, "from"), Rejected, "invalid_sender"),
    (refusal(400, "from.email"), Rejected, "invalid_sender"),
    (refusal(400, "personalizations.0.from.email"), Rejected, "invalid_sender"),
    (refusal(400, "reply_to.email"), Rejected, "invalid_request"),
    (refusal(400, "subject"), Rejected, "invalid_request"),
    (refusal(400, "content.0.value"), Rejected, "invalid_request"),
    (refusal(400, "template_id"), Rejected, "invalid_request"),
    (refusal(400, "attachments.0.content"), Rejected, "invalid_request"),
    (refusal(400, "headers"), Rejected, "invalid_request"),
    (refusal(400, "categories"), Rejected, "invalid_request"),
    (refusal(400, "custom_args"), Rejected, "invalid_request"),
    (refusal(400, "send_at"), Rejected, "invalid_request"),
    (refusal(400, "batch_id"), Rejected, "invalid_request"),
    (refusal(400, "asm.group_id"), Rejected, "invalid_request"),
    (refusal(400, "ip_pool_name"), Rejected, "invalid_request"),
    (refusal(400, "mail_settings"), Rejected, "invalid_request"),
    (refusal(400, "null"), Rejected, "invalid_request"),
    (refusal(400, "buyer@example.com"), Rejected, "invalid_request"),
    (Reply(400, "<html>"), Rejected, "invalid_request"),
    (Reply(400, {"errors": "?"}), Rejected, "invalid_request"),
    (refusal(413), Rejected, "too_large"),
    (refusal(415), Rejected, "invalid_request"),
    (refusal(401), Misconfigured, None),
    (refusal(403, "from"), Misconfigured, None),
    (refusal(404), Misconfigured, None),
    (refusal(405), Misconfigured, None),
    (refusal(406), Misconfigured, None),
    (refusal(451), Misconfigured, None),
    (Reply(302, "", {"location": "https://evil.example"}), Misconfigured, None),
    (refusal(429, **{"retry-after": "2"}), RateLimited, 2.0),
    (refusal(429, **{"x-ratelimit-reset": "soon"}), RateLimited, None),
    (Reply(429, "<html>"), RateLimited, None),
    (refusal(503), Unavailable, None),
    (Reply(408, "<html>"), Unavailable, None),
    (refusal(500), OutcomeUnknown, None),
    (Reply(502, "<html>"), OutcomeUnknown, None),
    (Reply(504, "<html>"), OutcomeUnknown, None),
    (Reply(202, b""), OutcomeUnknown, None),
    (Reply(200, {"id": "1"}, {"x-message-id": "not an id"}), OutcomeUnknown, None),
    (Reply(202, "x" * 2_000_000, {"x-message-id": "1"}), OutcomeUnknown, None),
]


@pytest.mark.parametrize(("reply", "error", "detail"), ROWS)
async def test_every_refusal_of_sendgrid_is_one_of_the_taxonomy(
    sendgrid: FakeSendgrid, sender: SendgridEmailSender, reply: Reply, error: type[PortError], detail: str | float | None
) -> None:
    sendgrid.next.append(reply)
    with pytest.raises(PortError) as raised:
        await sender.send(EMAIL)
    assert type(raised.value) is error
    assert (raised.value.provider, raised.value.operation) == ("sendgrid", "send")
    assert getattr(raised.value, "reason", getattr(raised.value, "retry_after", None)) == detail
    assert "example.com" not in str(raised.value.context())
    assert len(sendgrid.arrived) == 1, "nothing is tried twice"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "5", "x-ratelimit-reset": "1772366999"}, 5.0),
        ({"date": "Sun, 01 Mar 2026 12:00:00 GMT", "x-ratelimit-reset": "1772366430"}, 30.0),
        ({"date": "Sun, 01 Mar 2026 12:00:00 GMT", "x-ratelimit-reset": "1772366000"}, 0.0),
        ({"date": "Sun, 01 Mar 2026 12:00:00 GMT", "x-ratelimit-reset": "999999999999"}, 86_400.0),
        ({"date": "yesterday", "x-ratelimit-reset": "1772366430"}, None),
        ({"date": "Sun, 01 Mar 2026 12:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_the_end_of_a_limit_is_counted_from_the_answers_own_date(headers: dict[str, str], wait: float | None) -> None:
    assert mapping.retry_after_of(headers) == wait


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.SILENT, Fault.SLOW])
async def test_a_lost_answer_leaves_it_unknown(sendgrid: FakeSendgrid, sender: SendgridEmailSender, fault: Fault) -> None:
    sendgrid.plan(fault)
    for limit in LIMITS:
        with pytest.raises((OutcomeUnknown, Unavailable)) as lost:
            await sender.send(replace(EMAIL, timeout=limit))
        if isinstance(lost.value, OutcomeUnknown):
            break  # else this machine was too busy to send it
    assert isinstance(lost.value, OutcomeUnknown)
    assert await asyncio.to_thread(sendgrid.wait_until, lambda: sendgrid.done == 1)
    assert len(sendgrid.sent) == len(sendgrid.arrived) == 1


async def test_what_it_cannot_tell_is_unsupported(sender: SendgridEmailSender) -> None:
    assert not sender.capabilities.delivery_reports
    assert not sender.capabilities.finds_by_key
    with pytest.raises(Unsupported):
        await sender.fetch("id-1")
    with pytest.raises(Unsupported):
        await sender.find("email-1")


async def test_check_tries_whether_the_key_may_send(
    sendgrid: FakeSendgrid, sender: SendgridEmailSender, context: ProviderContext
) -> None:
    assert (await sender.check()).detail == "the key is taken"
    for key in (READING_KEY, "SG.wrong"):
        other = SendgridEmailSender(settings_for(sendgrid.url, api_key=Secret(key)), context)
        with pytest.raises(Misconfigured):
            await other.check()
        await other.close()
    sendgrid.plan(Fault.SERVER_ERROR)
    with pytest.raises(Unavailable):
        await sender.check()
    assert sendgrid.sent == {}


def delivery(*events: Any, moment: datetime = ARRIVED, key: ec.EllipticCurvePrivateKey = SIGNER) -> WebhookRequest:
    body = json.dumps(list(events)).encode()
    stamp = str(int(moment.timestamp()))
    headers = {
        "x-twilio-email-event-webhook-timestamp": stamp,
        "x-twilio-email-event-webhook-signature": base64.b64encode(
            key.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
        ).decode(),
    }
    return WebhookRequest(headers, body, ARRIVED)


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {
        "email": "buyer@example.com",
        "timestamp": int(ARRIVED.timestamp()) - 60,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": kind,
        "category": ["receipt"],
        "madang_key": "email-1",
        "sg_event_id": f"event-{kind}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        **data,
    }


@pytest.mark.parametrize(
    ("kind", "data", "status", "permanent", "error"),
    [
        ("processed", {}, EmailStatus.ACCEPTED, False, None),
        ("delivered", {"response": "250 OK"}, EmailStatus.DELIVERED, False, None),
        ("deferred", {"response": "400 try again later"}, EmailStatus.DELAYED, False, None),
        ("bounce", {"type": "bounce", "status": "5.1.1"}, EmailStatus.BOUNCED, True, "bounced 5.1.1"),
        ("bounce", {"type": "blocked", "status": "4.7.1"}, EmailStatus.BOUNCED, False, "blocked 4.7.1"),
        ("bounce", {"bounce_classification": "Invalid Address"}, EmailStatus.BOUNCED, True, "bounced Invalid Address"),
        ("bounce", {"status": "buyer@example.com", "reason": "550 buyer@example.com"}, EmailStatus.BOUNCED, True, "bounced"),
        *[("dropped", {"reason": why}, EmailStatus.FAILED, final, why) for why, final in mapping.DROPPED.items()],
        ("dropped", {"reason": "buyer@example.com is new to us"}, EmailStatus.FAILED, False, "dropped"),
        ("spamreport", {}, EmailStatus.COMPLAINED, True, "complained"),
        ("open", {}, None, False, None),
        ("click", {"url": "https://example.com"}, None, False, None),
        ("unsubscribe", {}, None, False, None),
        ("group_unsubscribe", {"asm_group_id": 1}, None, False, None),
        ("group_resubscribe", {"asm_group_id": 1}, None, False, None),
        ("something_new", {}, None, False, None),
    ],
)
def test_what_sendgrid_reports_is_read(
    sender: SendgridEmailSender, kind: str, data: dict[str, Any], status: EmailStatus | None, permanent: bool, error: str | None
) -> None:
    [notice] = sender.read_webhook(delivery(event(kind, **data)))
    assert (notice.event_id, notice.kind, notice.receipt_id, notice.recipient) == (
        f"event-{kind}", kind, "14c5d75ce93", "buyer@example.com",
    )  # fmt: skip
    assert (notice.status, notice.permanent, notice.error) == (status, permanent, error)
    assert notice.occurred_at == ARRIVED - timedelta(minutes=1)


def test_one_delivery_tells_of_many_emails(sender: SendgridEmailSender) -> None:
    told = [event("delivered"), event("bounce", sg_message_id="another.0"), {"event": "account_status_change"}, {}]
    notices = sender.read_webhook(delivery(*told))
    assert [each.receipt_id for each in notices] == ["14c5d75ce93", "another", None, None]
    assert [each.occurred_at for each in notices[2:]] == [ARRIVED, ARRIVED]
    ids = [each.event_id for each in notices]
    assert len(set(ids)) == 4
    assert ids == [each.event_id for each in sender.read_webhook(delivery(*told))]


async def test_what_is_reported_names_the_email_that_was_sent(sender: SendgridEmailSender) -> None:
    receipt = await sender.send(EMAIL)
    [notice] = sender.read_webhook(delivery(event("delivered", sg_message_id=f"{receipt.id}.recvd-5f5c-1-2.0")))
    assert notice.receipt_id == receipt.id


@pytest.mark.parametrize("timestamp", [None, "soon", True, float("inf"), 10**20])
def test_an_event_without_a_moment_happened_when_it_arrived(sender: SendgridEmailSender, timestamp: Any) -> None:
    [notice] = sender.read_webhook(delivery(event("open", timestamp=timestamp)))
    assert notice.occurred_at == ARRIVED


GENUINE = delivery(event("delivered"))


@pytest.mark.parametrize(
    "request_",
    [
        delivery(event("delivered"), key=ANOTHER),
        delivery(event("delivered"), moment=ARRIVED - timedelta(hours=12, seconds=1)),
        delivery(event("delivered"), moment=ARRIVED + timedelta(minutes=6)),
        replace(GENUINE, body=GENUINE.body.replace(b"delivered", b"bounce")),
        replace(GENUINE, body=GENUINE.body + b" "),
        replace(GENUINE, headers={}),
        replace(GENUINE, headers={**GENUINE.headers, "x-twilio-email-event-webhook-timestamp": "now"}),
        replace(GENUINE, headers={**GENUINE.headers, "x-twilio-email-event-webhook-signature": "?"}),
        replace(GENUINE, headers={**GENUINE.headers, "x-twilio-email-event-webhook-signature": "MEUCIQ=="}),
        delivery("not an event"),
    ],
)
def test_what_sendgrid_did_not_send_is_refused(sender: SendgridEmailSender, request_: WebhookRequest) -> None:
    with pytest.raises(SignatureInvalid):
        sender.read_webhook(request_)


def test_without_a_key_no_webhook_is_read(context: ProviderContext) -> None:
    provider = SendgridEmailSender(settings_for(webhook_key=None), context)
    assert not provider.capabilities.webhooks
    with pytest.raises(Unsupported):
        provider.read_webhook(GENUINE)


def test_a_key_that_is_no_point_of_the_curve_is_misconfigured(context: ProviderContext) -> None:
    key = bytearray(base64.b64decode(shown(SIGNER)))
    key[-1] ^= 1
    with pytest.raises(Misconfigured):
        SendgridEmailSender(settings_for(webhook_key=base64.b64encode(key).decode()), context)


async def test_neither_key_nor_people_show_in_logs_or_errors(
    sendgrid: FakeSendgrid, sender: SendgridEmailSender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await sender.send(EMAIL)
    sendgrid.next.append(refusal(401))
    with pytest.raises(Misconfigured) as refused:
        await sender.send(EMAIL)
    seen = caplog.text + repr(refused.value) + str(refused.value.context()) + repr(settings_for()) + repr(EMAIL)
    for secret in (API_KEY, "buyer", "9,900"):
        assert secret not in seen


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.sendgrid.example"},
        {"base_url": "api.sendgrid.com"},
        {"sender": "nobody"},
        {"sender": "Madang <a@b.example>"},
        {"sender_name": "Madang\r\nBcc: x@example.com"},
        {"api_key": Secret("SG.\r\nX-Evil: 1")},
        {"api_key": Secret("")},
        {"webhook_key": "?"},
        {"webhook_key": ""},
        {"webhook_key": base64.b64encode(bytes(91)).decode()},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"base_url|sender|api_key|webhook_key") as refused:
        settings_for(**wrong)
    assert "Evil" not in str(refused.value)
