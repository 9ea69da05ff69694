"""E-mail through Resend over real HTTP: what it gets, what each of its refusals means, and what it reports."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contract.fake_resend import API_KEY, SENDING_KEY, FakeResend, refusal
from contract.signed_by_resend import ARRIVED, SECRET, delivery
from madang.adapters.resend import mapping
from madang.adapters.resend.email import ResendEmailSender
from madang.adapters.resend.payload import shown
from madang.adapters.resend.settings import ResendSettings
from madang.plugins.conformance.remote import Fault, Reply, serving
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


async def test_a_key_that_was_used_for_another_email_is_refused(sender: ResendEmailSender) -> None:
    await sender.send(EMAIL)
    with pytest.raises(Rejected) as reused:
        await sender.send(replace(EMAIL, text="another text"))
    assert (reused.value.reason, reused.value.code) == ("invalid_request", "invalid_idempotent_request")


@pytest.mark.parametrize("key", ["", "\ud83d", "k" * 257, "line\r\nX-Evil: 1", "결제-1", " "])
async def test_a_key_that_no_header_can_carry_is_digested(resend: FakeResend, sender: ResendEmailSender, key: str) -> None:
    first = await sender.send(replace(EMAIL, idempotency_key=key))
    again = await sender.send(replace(EMAIL, idempotency_key=key))
    assert first.id == again.id
    assert len(resend.sent) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": [EmailAddress("a@b@c.example")]}, "invalid_recipient"),
        ({"reply_to": EmailAddress("nobody")}, "invalid_sender"),
        ({"subject": "hello\u2028Bcc: everyone@example.com"}, "invalid_request"),
        ({"headers": {"content-TYPE": "text/html"}}, "invalid_request"),
        ({"headers": {"": "1"}}, "invalid_request"),
        ({"template": EmailTemplate("t")}, "invalid_request"),
        ({"text": None, "template": EmailTemplate("t", {"who": ["list"]})}, "invalid_request"),
        ({"text": "half a character: \ud83d"}, "invalid_request"),
        ({"text": None, "template": EmailTemplate("t", {"who": float("nan")})}, "invalid_request"),
        ({"extra": {"scheduled_at": object()}}, "invalid_request"),
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
    (Reply(408, "<html>"), Unavailable, None),
    (refusal(409, "concurrent_idempotent_requests"), OutcomeUnknown, None),
    (refusal(500, "application_error"), OutcomeUnknown, None),
    (refusal(500, "internal_server_error"), OutcomeUnknown, None),
    (Reply(502, "<html>"), OutcomeUnknown, None),
    (Reply(200, "not json"), OutcomeUnknown, None),
    (Reply(200, {"id": None}), OutcomeUnknown, None),
    (Fault.ANSWER_LOST, OutcomeUnknown, None),
]


@pytest.mark.parametrize(("reply", "error", "detail"), ROWS)
async def test_every_refusal_of_resend_is_one_of_the_taxonomy(
    resend: FakeResend, sender: ResendEmailSender, reply: Reply | Fault, error: type[PortError], detail: str | float | None
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
    bodies = [row[0].body for row in ROWS if isinstance(row[0], Reply)]
    told = {json.loads(body)["name"] for body in bodies if isinstance(body, str) and body.startswith("{")}
    assert {*mapping.REASONS, *mapping.WRONG_KEYS, *mapping.LIMITS, mapping.UNDER_WAY} <= told


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(500, "internal_server_error"), Unavailable),
        (Fault.ANSWER_LOST, Unavailable),
        (Reply(200, "not json"), Unavailable),
        (Reply(200, {"html": "x" * (9 * 1024**2)}), Unavailable),
        (refusal(401, "restricted_api_key"), Misconfigured),
        (refusal(429, "rate_limit_exceeded"), RateLimited),
    ],
)
async def test_a_look_up_that_fails_changes_nothing(
    resend: FakeResend, sender: ResendEmailSender, reply: Reply | Fault, error: type[PortError]
) -> None:
    resend.next.append(reply)
    with pytest.raises(error):
        await sender.fetch("4ef9a417")


async def test_a_key_that_may_only_send_is_enough(resend: FakeResend, context: ProviderContext) -> None:
    for key, detail in ((API_KEY, "taken"), (SENDING_KEY, "may send")):
        provider = ResendEmailSender(ResendSettings(Secret(key), "a@b.example", base_url=resend.url), context)
        assert detail in (await provider.check()).detail
        await provider.close()
    assert resend.sent == {}


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
