"""E-mail through Resend over real HTTP: what it gets, what each of its refusals means, and what it reports."""

import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from contract.fake_resend import API_KEY, SENDING_KEY, FakeResend, refusal
from contract.loopback import ACT_AND_BE_SILENT, ACT_AND_HANG_UP, Reply, closed_port, serving
from madang.adapters.resend import mapping
from madang.adapters.resend.email import ResendEmailSender
from madang.adapters.resend.payload import shown
from madang.adapters.resend.settings import ResendSettings
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

SECRET = "whsec_dGVzdC1zZWNyZXQtbm90LWEtcmVhbC1vbmU="
ARRIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EMAIL = EmailRequest([EmailAddress("buyer@example.com", "구매자")], "영수증", "email-1", text="9,900원을 결제했습니다.")


@pytest.fixture
def resend() -> Iterator[FakeResend]:
    with serving(FakeResend()) as server:
        yield server


@pytest.fixture
async def sender(resend: FakeResend, context: ProviderContext) -> AsyncIterator[ResendEmailSender]:
    settings = ResendSettings(
        Secret(API_KEY), "noreply@madang.example", "마당", webhook_secret=Secret(SECRET), base_url=resend.url
    )
    provider = ResendEmailSender(settings, context)
    yield provider
    await provider.close()


async def test_an_email_goes_out_with_everything_that_was_asked(resend: FakeResend, sender: ResendEmailSender) -> None:
    request = replace(
        EMAIL,
        html="<p>9,900원</p>",
        cc=[EmailAddress("cc@example.com")],
        bcc=[EmailAddress("bcc@example.com", 'Kim, "Lee"')],
        reply_to=EmailAddress("help@madang.example"),
        attachments=[Attachment("a.png", "image/png", b"\x00\xff", content_id="logo")],
        headers={"X-Entity-Ref-ID": "1"},
        tags=["billing.receipt", "billing_receipt"],
    )
    receipt = await sender.send(request)
    sent = resend.sent[receipt.id]
    assert sent["from"] == "마당 <noreply@madang.example>"
    assert (sent["to"], sent["cc"], sent["bcc"]) == (
        ["구매자 <buyer@example.com>"],
        ["cc@example.com"],
        ['"Kim, \\"Lee\\"" <bcc@example.com>'],
    )
    assert (sent["subject"], sent["text"], sent["html"]) == ("영수증", EMAIL.text, "<p>9,900원</p>")
    content = base64.b64encode(b"\x00\xff").decode()
    assert sent["attachments"] == [{"filename": "a.png", "content": content, "content_type": "image/png", "content_id": "logo"}]
    assert (sent["headers"], sent["tags"]) == ({"X-Entity-Ref-ID": "1"}, [{"name": "billing_receipt", "value": "true"}])
    assert resend.arrived[-1].headers["idempotency-key"] == "email-1"


async def test_a_template_goes_out_with_its_values(resend: FakeResend, sender: ResendEmailSender) -> None:
    receipt = await sender.send(replace(EMAIL, text=None, template=EmailTemplate("tmpl-1", {"name": "지우", "count": 3})))
    assert resend.sent[receipt.id]["template"] == {"id": "tmpl-1", "variables": {"name": "지우", "count": 3}}


@pytest.mark.parametrize("bad_day", [ACT_AND_HANG_UP, ACT_AND_BE_SILENT])
async def test_the_same_key_sends_once_also_after_a_lost_answer(
    resend: FakeResend, sender: ResendEmailSender, bad_day: Reply
) -> None:
    resend.next.append(bad_day)
    with pytest.raises(OutcomeUnknown):
        await sender.send(replace(EMAIL, timeout=0.5))
    assert len(resend.sent) == 1
    receipt = await sender.send(EMAIL)
    assert [receipt.id] == list(resend.sent)
    with pytest.raises(Rejected) as reused:
        await sender.send(replace(EMAIL, text="another text"))
    assert (reused.value.reason, reused.value.code) == ("invalid_request", "invalid_idempotent_request")


@pytest.mark.parametrize("key", ["", "k" * 257, "line\r\nX-Evil: 1", "결제-1", " "])
async def test_a_key_that_no_header_can_carry_is_digested(resend: FakeResend, sender: ResendEmailSender, key: str) -> None:
    first = await sender.send(replace(EMAIL, idempotency_key=key))
    again = await sender.send(replace(EMAIL, idempotency_key=key))
    assert first.id == again.id
    assert len(resend.sent) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": []}, "invalid_recipient"),
        ({"to": [EmailAddress("no-domain")]}, "invalid_recipient"),
        ({"to": [EmailAddress("a@b@c.example")]}, "invalid_recipient"),
        ({"to": [EmailAddress("a@example.com\r\nBcc: b@example.com")]}, "invalid_recipient"),
        ({"to": [EmailAddress("a@example.com>, <b@example.com")]}, "invalid_recipient"),
        ({"cc": [EmailAddress("a@example.com, b@example.com")]}, "invalid_recipient"),
        ({"to": [EmailAddress(f"p{n}@example.com") for n in range(51)]}, "too_many_recipients"),
        ({"sender": EmailAddress("nobody")}, "invalid_sender"),
        ({"reply_to": EmailAddress("nobody")}, "invalid_sender"),
        ({"subject": "hello\r\nBcc: everyone@example.com"}, "invalid_request"),
        ({"subject": "hello\u2028Bcc: everyone@example.com"}, "invalid_request"),
        ({"to": [EmailAddress("a@example.com", "Name\nBcc: b@example.com")]}, "invalid_request"),
        ({"headers": {"Bcc": "everyone@example.com"}}, "invalid_request"),
        ({"headers": {"content-TYPE": "text/html"}}, "invalid_request"),
        ({"headers": {"X-A": "1\r\nBcc: everyone@example.com"}}, "invalid_request"),
        ({"headers": {"X-A: 1\r\nBcc": "everyone@example.com"}}, "invalid_request"),
        ({"headers": {"": "1"}}, "invalid_request"),
        ({"text": None}, "invalid_request"),
        ({"template": EmailTemplate("t")}, "invalid_request"),
        ({"text": None, "template": EmailTemplate("t", {"who": ["list"]})}, "invalid_request"),
        ({"tags": [""]}, "invalid_request"),
        ({"tags": ["x" * 257]}, "invalid_request"),
        ({"attachments": [Attachment("", "text/plain", b"")]}, "invalid_request"),
        ({"attachments": [Attachment("a\r\nb", "text/plain", b"")]}, "invalid_request"),
        ({"attachments": [Attachment("big", "text/plain", bytes(31 * 1024**2))]}, "too_large"),
    ],
)
async def test_a_bad_email_is_rejected_before_it_leaves(
    resend: FakeResend, sender: ResendEmailSender, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await sender.send(replace(EMAIL, **change))
    assert (rejected.value.reason, rejected.value.operation) == (reason, "send")
    assert resend.arrived == []


ROWS = [
    (refusal(400, "invalid_idempotency_key"), Rejected, "invalid_request"),
    (refusal(400, "validation_error"), Rejected, "invalid_request"),
    (refusal(422, "validation_error"), Rejected, "invalid_request"),
    (refusal(409, "invalid_idempotent_request"), Rejected, "invalid_request"),
    (refusal(422, "missing_required_field"), Rejected, "invalid_request"),
    (refusal(422, "missing_required_fields"), Rejected, "invalid_request"),
    (refusal(422, "invalid_attachment"), Rejected, "invalid_request"),
    (refusal(422, "invalid_access"), Rejected, "invalid_request"),
    (refusal(422, "invalid_parameter"), Rejected, "invalid_request"),
    (refusal(422, "invalid_region"), Rejected, "invalid_request"),
    (refusal(451, "security_error"), Rejected, "invalid_request"),
    (refusal(422, "invalid_from_address"), Rejected, "invalid_sender"),
    (refusal(422, "something_new"), Rejected, "invalid_request"),
    (Reply(413, "<html>"), Rejected, "too_large"),
    (refusal(401, "missing_api_key"), Misconfigured, None),
    (refusal(401, "restricted_api_key"), Misconfigured, None),
    (refusal(403, "invalid_api_key"), Misconfigured, None),
    (refusal(403, "validation_error"), Misconfigured, None),
    (refusal(403, "invalid_to_address"), Misconfigured, None),
    (refusal(404, "not_found"), Misconfigured, None),
    (refusal(405, "method_not_allowed"), Misconfigured, None),
    (Reply(403, "error code: 1010"), Misconfigured, None),
    (Reply(302, "", {"location": "https://evil.example"}), Misconfigured, None),
    (refusal(429, "rate_limit_exceeded", retry_after="2"), RateLimited, 2.0),
    (refusal(429, "daily_quota_exceeded"), RateLimited, None),
    (refusal(429, "monthly_quota_exceeded", retry_after="soon"), RateLimited, None),
    (Reply(429, "<html>", {"retry-after": "9"}), RateLimited, 9.0),
    (refusal(409, "concurrent_idempotent_requests"), OutcomeUnknown, None),
    (refusal(500, "application_error"), OutcomeUnknown, None),
    (refusal(500, "internal_server_error"), OutcomeUnknown, None),
    (Reply(502, "<html>"), OutcomeUnknown, None),
    (Reply(200, "not json"), OutcomeUnknown, None),
    (Reply(200, {"id": None}), OutcomeUnknown, None),
    (ACT_AND_HANG_UP, OutcomeUnknown, None),
]


@pytest.mark.parametrize(("reply", "error", "detail"), ROWS)
async def test_every_refusal_of_resend_is_one_of_the_taxonomy(
    resend: FakeResend, sender: ResendEmailSender, reply: Reply, error: type[PortError], detail: str | float | None
) -> None:
    resend.next.append(reply)
    with pytest.raises(error) as raised:
        await sender.send(EMAIL)
    assert type(raised.value) is error
    assert (raised.value.provider, raised.value.operation) == ("resend", "send")
    assert getattr(raised.value, "reason", getattr(raised.value, "retry_after", None)) == detail
    assert "example.com" not in str(raised.value.context())
    assert len(resend.arrived) == 1, "nothing is tried twice"


def test_every_name_of_resend_has_its_row() -> None:
    told = {json.loads(row[0].body)["name"] for row in ROWS if isinstance(row[0].body, str) and row[0].body.startswith("{")}
    assert {*mapping.REASONS, *mapping.WRONG_KEYS, *mapping.LIMITS, mapping.UNDER_WAY} <= told


async def test_without_a_connection_it_is_surely_not_sent(context: ProviderContext) -> None:
    away = ResendSettings(Secret(API_KEY), "noreply@madang.example", base_url=f"http://127.0.0.1:{closed_port()}")
    provider = ResendEmailSender(away, context)
    with pytest.raises(Unavailable):
        await provider.send(EMAIL)
    await provider.close()


@pytest.mark.parametrize(
    ("event", "status"),
    [*mapping.STATUSES.items(), ("something_new", EmailStatus.ACCEPTED), (None, EmailStatus.ACCEPTED)],
)
async def test_an_email_is_looked_up_by_its_last_event(
    resend: FakeResend, sender: ResendEmailSender, event: str | None, status: EmailStatus
) -> None:
    receipt = await sender.send(EMAIL)
    resend.sent[receipt.id]["last_event"] = event
    assert (await sender.fetch(receipt.id)).status is status


@pytest.mark.parametrize("identity", ["4ef9a417-02e9-4d39-ad75-9611e0fcc33c", "../domains", "", "a/b", "x?y=1"])
async def test_an_email_that_is_not_there_is_not_found(sender: ResendEmailSender, identity: str) -> None:
    with pytest.raises(Rejected) as unknown:
        await sender.fetch(identity)
    assert unknown.value.reason == "not_found"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(500, "internal_server_error"), Unavailable),
        (ACT_AND_HANG_UP, Unavailable),
        (Reply(200, "not json"), Unavailable),
        (Reply(200, {"html": "x" * (9 * 1024**2)}), Unavailable),
        (refusal(401, "restricted_api_key"), Misconfigured),
        (refusal(429, "rate_limit_exceeded"), RateLimited),
    ],
)
async def test_a_look_up_that_fails_changes_nothing(
    resend: FakeResend, sender: ResendEmailSender, reply: Reply, error: type[PortError]
) -> None:
    resend.next.append(reply)
    with pytest.raises(error):
        await sender.fetch("4ef9a417")


async def test_nobody_can_ask_resend_by_key(sender: ResendEmailSender) -> None:
    assert sender.capabilities.idempotent
    with pytest.raises(Unsupported):
        await sender.find("email-1")


async def test_check_tries_the_key(resend: FakeResend, context: ProviderContext) -> None:
    for key, detail in ((API_KEY, "taken"), (SENDING_KEY, "may send")):
        provider = ResendEmailSender(ResendSettings(Secret(key), "a@b.example", base_url=resend.url), context)
        assert detail in (await provider.check()).detail
        await provider.close()
    wrong = ResendEmailSender(ResendSettings(Secret("re_test_wrong"), "a@b.example", base_url=resend.url), context)
    with pytest.raises(Misconfigured):
        await wrong.check()
    await wrong.close()
    assert resend.sent == {}


def delivery(kind: str, moment: datetime = ARRIVED, secret: str = SECRET, **data: Any) -> WebhookRequest:
    told = {
        "email_id": "4ef9a417",
        "from": "a@b.example",
        "to": ["buyer@example.com"],
        "subject": "s",
        "created_at": "x",
        **data,
    }
    body = json.dumps({"type": kind, "created_at": "2026-03-01T11:59:00.000Z", "data": told})
    headers = {
        "svix-id": "msg_1",
        "svix-timestamp": str(int(moment.timestamp())),
        "svix-signature": Webhook(secret).sign("msg_1", moment, body),
    }
    return WebhookRequest(headers, body.encode(), ARRIVED)


BOUNCE = {"diagnosticCode": ["smtp; 550 buyer@example.com unknown"], "message": "m", "subType": "General", "type": "Permanent"}


@pytest.mark.parametrize(
    ("kind", "data", "status", "permanent", "error"),
    [
        ("email.sent", {}, EmailStatus.ACCEPTED, False, None),
        ("email.scheduled", {}, EmailStatus.ACCEPTED, False, None),
        ("email.delivered", {}, EmailStatus.DELIVERED, False, None),
        ("email.delivery_delayed", {}, EmailStatus.DELAYED, False, None),
        ("email.bounced", {"bounce": BOUNCE}, EmailStatus.BOUNCED, True, "Permanent General"),
        ("email.bounced", {"bounce": {**BOUNCE, "type": "Transient"}}, EmailStatus.BOUNCED, False, "Transient General"),
        ("email.bounced", {"bounce": None}, EmailStatus.BOUNCED, False, "bounced"),
        ("email.complained", {}, EmailStatus.COMPLAINED, True, "complained"),
        ("email.failed", {"failed": {"reason": "reached_daily_quota"}}, EmailStatus.FAILED, False, "reached_daily_quota"),
        ("email.suppressed", {"suppressed": {"reason": "previous_bounce"}}, EmailStatus.FAILED, True, "previous_bounce"),
        ("email.opened", {}, None, False, None),
        ("email.clicked", {}, None, False, None),
        ("email.something_new", {}, None, False, None),
    ],
)
def test_what_resend_reports_is_read(
    sender: ResendEmailSender, kind: str, data: dict[str, Any], status: EmailStatus | None, permanent: bool, error: str | None
) -> None:
    [notice] = sender.read_webhook(delivery(kind, **data))
    assert (notice.event_id, notice.kind, notice.receipt_id, notice.recipient) == (
        "msg_1", kind, "4ef9a417", "buyer@example.com",
    )  # fmt: skip
    assert (notice.status, notice.permanent, notice.error) == (status, permanent, error)
    assert notice.occurred_at == ARRIVED - timedelta(minutes=1)


def test_each_of_several_addresses_gets_a_notice_of_its_own(sender: ResendEmailSender) -> None:
    notices = sender.read_webhook(delivery("email.bounced", to=["a@example.com", "b@example.com"], bounce=BOUNCE))
    assert [(each.event_id, each.recipient) for each in notices] == [("msg_1", "a@example.com"), ("msg_1:1", "b@example.com")]


@pytest.mark.parametrize("kind", ["email.received", "contact.created", "domain.updated"])
def test_a_report_about_something_else_names_no_email(sender: ResendEmailSender, kind: str) -> None:
    [notice] = sender.read_webhook(delivery(kind, email_id=None if kind != "email.received" else "in-1"))
    assert (notice.receipt_id, notice.status) == (None, None)


@pytest.mark.parametrize(
    "request_",
    [
        delivery("email.sent", secret="whsec_YW5vdGhlci10ZXN0LXNlY3JldC1ub3QtcmVhbA=="),
        delivery("email.sent", ARRIVED - timedelta(seconds=301)),
        replace(delivery("email.sent"), body=b"{}"),
        replace(delivery("email.sent"), headers={}),
    ],
)
def test_what_resend_did_not_send_is_refused(sender: ResendEmailSender, request_: WebhookRequest) -> None:
    with pytest.raises(SignatureInvalid):
        sender.read_webhook(request_)


def test_without_a_secret_no_webhook_is_read(context: ProviderContext) -> None:
    provider = ResendEmailSender(ResendSettings(Secret(API_KEY), "a@b.example"), context)
    assert not provider.capabilities.webhooks
    with pytest.raises(Unsupported):
        provider.read_webhook(delivery("email.sent"))


async def test_neither_key_nor_people_show_in_logs_or_errors(
    resend: FakeResend, sender: ResendEmailSender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receipt = await sender.send(EMAIL)
    await sender.fetch(receipt.id)
    resend.next.append(refusal(403, "invalid_api_key"))
    with pytest.raises(Misconfigured) as refused:
        await sender.send(EMAIL)
    seen = caplog.text + repr(refused.value) + str(refused.value.context()) + repr(sender._settings) + repr(EMAIL)
    for secret in (API_KEY, "buyer", "9,900", "whsec"):
        assert secret not in seen


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.resend.example"},
        {"base_url": "api.resend.com"},
        {"sender": "nobody"},
        {"sender": "Madang <a@b.example>"},
        {"sender_name": "Madang\r\nBcc: x@example.com"},
        {"api_key": Secret("re_\r\nX-Evil: 1")},
        {"api_key": Secret("re_test\n")},
        {"api_key": Secret("")},
        {"webhook_secret": Secret("whsec_?")},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"base_url|sender|api_key|webhook_secret") as refused:
        ResendSettings(**{"api_key": Secret(API_KEY), "sender": "a@b.example", **wrong})
    assert "Evil" not in str(refused.value)


def test_a_name_cannot_become_an_address() -> None:
    assert (
        shown(EmailAddress("a@example.com", 'x" <evil@example.com>, "y')) == '"x\\" <evil@example.com>, \\"y" <a@example.com>'
    )
