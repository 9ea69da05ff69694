"""What SendGrid is sent and what its answers and events mean at their edges; over no network."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contract.test_contract_email_sendgrid import ARRIVED, EMAIL, SIGNER, delivery, event, settings_for, shown
from madang.adapters.sendgrid import checks, mapping
from madang.adapters.sendgrid.capabilities import EMAIL as ABLE
from madang.adapters.sendgrid.payload import key_of, payload_of
from madang.adapters.sendgrid.webhooks import public_key, verified
from madang.ports.email import Attachment, EmailAddress, EmailStatus, EmailTemplate
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, SignatureInvalid, Unavailable

SETTINGS = settings_for()
BUYER = {"email": "buyer@example.com", "name": "구매자"}
SMALL = Attachment("a.txt", "text/plain", b"x")


def sent(**changed: Any) -> dict[str, Any]:
    return payload_of(replace(EMAIL, **changed), SETTINGS)


def test_an_email_says_what_it_has_and_nothing_else() -> None:
    least: dict[str, Any] = {
        "personalizations": [{"to": [BUYER], "custom_args": {"madang_key": "email-1"}}],
        "from": {"email": "noreply@madang.example", "name": "마당"},
        "subject": "영수증",
        "content": [{"type": "text/plain", "value": EMAIL.text}],
    }
    assert sent() == least
    assert sent(text=None, html="<p>") == {**least, "content": [{"type": "text/html", "value": "<p>"}]}
    other = sent(sender=EmailAddress("a@b.example"), reply_to=EmailAddress("c@d.example", "C"), extra={"send_at": 5})
    changed = {"from": {"email": "a@b.example"}, "reply_to": {"email": "c@d.example", "name": "C"}, "send_at": 5}
    assert other == {**least, **changed}
    template = sent(text=None, subject="", template=EmailTemplate("d-1"))
    assert template == {
        "personalizations": least["personalizations"],
        "from": least["from"],
        "template_id": "d-1",
    }
    filled = sent(text=None, template=EmailTemplate("d-1", {"a": 1}))
    assert filled["personalizations"] == [{**least["personalizations"][0], "dynamic_template_data": {"a": 1}}]


@pytest.mark.parametrize(
    ("key", "goes"),
    [("k", True), ("k" * 256, True), ("k" * 257, False), ("", False), ("a\nb", False), ("\ud83d", False), ("열쇠", True)],
)
def test_a_key_that_an_event_cannot_carry_goes_as_its_digest(key: str, goes: bool) -> None:
    assert key_of(key) == (key if goes else hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest())


@pytest.mark.parametrize("name", sorted(checks.OWN_HEADERS))
def test_no_header_of_sendgrids_own_is_set(name: str) -> None:
    with pytest.raises(Rejected) as refused:
        checks.check(replace(EMAIL, headers={name.upper(): "x"}))
    assert (refused.value.reason, refused.value.operation) == ("invalid_request", "send")


FITTING: dict[str, dict[str, Any]] = {
    "ten tags": {"tags": [*(f"tag-{number}" for number in range(10)), "tag-1"]},
    "a long tag": {"tags": ["x" * 255]},
    "a tabulator": {"subject": "a\tb"},
    "a header of 76": {"headers": {"X" * 76: ""}},
    "a long local part": {"to": [EmailAddress(f"{'x' * 64}@example.com")]},
    "a file without a line": {"attachments": [SMALL]},
    "as many people as may be": {"to": [EmailAddress(f"p{number}@example.com") for number in range(ABLE.max_recipients)]},
    "as large as may be": {"attachments": [replace(SMALL, data=bytes(ABLE.max_bytes * 3 // 4 - 100))]},
}
UNFITTING: dict[str, tuple[dict[str, Any], str]] = {
    "a header without a name": ({"headers": {"": "x"}}, "invalid_request"),
    "a header of 77": ({"headers": {"X" * 77: "x"}}, "invalid_request"),
    "a header with a colon": ({"headers": {"X:": "x"}}, "invalid_request"),
    "a long local part": ({"to": [EmailAddress(f"{'x' * 65}@example.com")]}, "invalid_recipient"),
    "a hidden one": ({"bcc": [EmailAddress("nobody")]}, "invalid_recipient"),
    "a visible one": ({"cc": [EmailAddress("nobody")]}, "invalid_recipient"),
    "a name of a hidden one": ({"bcc": [EmailAddress("a@b.example", "a\nb")]}, "invalid_request"),
    "a name of the sender": ({"sender": EmailAddress("a@b.example", "a\nb")}, "invalid_request"),
    "a name to answer to": ({"reply_to": EmailAddress("a@b.example", "a\x85b")}, "invalid_request"),
    "an empty html": ({"html": ""}, "invalid_request"),
    "half a html": ({"html": "\ud83d"}, "invalid_request"),
    "a tag of two lines": ({"tags": ["a\nb"]}, "invalid_request"),
    "half a tag": ({"tags": ["\ud83d"]}, "invalid_request"),
    "a file without a type": ({"attachments": [SMALL, replace(SMALL, content_type="")]}, "invalid_request"),
    "a type of two lines": ({"attachments": [replace(SMALL, content_type="a\nb")]}, "invalid_request"),
    "an id of two lines": ({"attachments": [replace(SMALL, content_id="a\nb")]}, "invalid_request"),
    "a large file": ({"attachments": [replace(SMALL, data=bytes(ABLE.max_bytes * 3 // 4 + 100))]}, "too_large"),
    "a large text": ({"text": "가" * (ABLE.max_bytes // 3 + 1)}, "too_large"),
    "a large html": ({"html": "가" * (ABLE.max_bytes // 3 + 1)}, "too_large"),
}


@pytest.mark.parametrize("what", FITTING)
def test_what_fits_is_sent(what: str) -> None:
    checks.check(replace(EMAIL, **FITTING[what]))


@pytest.mark.parametrize("what", UNFITTING)
def test_what_does_not_fit_is_refused(what: str) -> None:
    change, reason = UNFITTING[what]
    with pytest.raises(Rejected) as refused:
        checks.check(replace(EMAIL, **change))
    assert (refused.value.provider, refused.value.operation, refused.value.reason) == ("sendgrid", "send", reason)


@pytest.mark.parametrize("field", ["to", "cc", "bcc", "sender", "reply_to"])
def test_a_domain_that_no_name_server_can_have_is_refused(field: str) -> None:
    person = EmailAddress("a@b..example")
    with pytest.raises(Rejected) as refused:
        sent(**{field: person if field in ("sender", "reply_to") else [person]})
    expected = {"sender": "invalid_sender", "reply_to": "invalid_request"}.get(field, "invalid_recipient")
    assert (refused.value.reason, refused.value.operation) == (expected, "send")


@pytest.mark.parametrize(
    ("status", "sending", "asking"),
    [
        (302, Misconfigured, Misconfigured), (400, Rejected, Rejected), (401, Misconfigured, Misconfigured),
        (403, Misconfigured, Misconfigured), (404, Misconfigured, Misconfigured), (408, Unavailable, Unavailable),
        (413, Rejected, Rejected), (415, Rejected, Rejected), (422, Rejected, Rejected), (429, RateLimited, RateLimited),
        (500, OutcomeUnknown, Unavailable), (503, Unavailable, Unavailable), (504, OutcomeUnknown, Unavailable),
    ],
)  # fmt: skip
def test_an_error_is_known_by_its_status(status: int, sending: type[PortError], asking: type[PortError]) -> None:
    for operation, expected in (("send", sending), ("check", asking)):
        for field in ("", "from.email"):
            error = mapping.error_of(status, {}, {"errors": [{"field": field}]}, operation)
            assert (type(error), error.code, error.operation) == (expected, field or str(status), operation)
            told = "too_large" if status == 413 else "invalid_sender" if field else "invalid_request"
            assert getattr(error, "reason", told) == told


@pytest.mark.parametrize(
    ("errors", "field"),
    [
        ([{"field": "null"}, {"field": "subject"}, {"field": "from"}], "subject"),
        ([7, {}, {"field": None}, {"field": "x" * 65}, {"field": "x" * 64}], "x" * 64),
        ({"field": "subject"}, ""),
        (None, ""),
    ],
)
def test_the_first_field_that_is_named_is_wrong(errors: Any, field: str) -> None:
    assert mapping.field_of({"errors": errors}) == field


def test_a_receipt_has_the_id_of_the_message() -> None:
    for identity in ("a", "a" * 100, "a_b-1"):
        receipt = mapping.receipt_of({"x-message-id": identity})
        assert (receipt.id, receipt.status) == (identity, EmailStatus.ACCEPTED)
    for wrong in ("", "a" * 101, "a b", "a.b"):
        with pytest.raises(ValueError, match="X-Message-Id"):
            mapping.receipt_of({"x-message-id": wrong})


def test_a_wait_is_told_in_seconds_of_at_most_a_day() -> None:
    assert [mapping.retry_after_of({"retry-after": said}) for said in ("0", "9", "999999999")] == [0.0, 9.0, 86_400.0]
    assert mapping.retry_after_of({"retry-after": "9999999999", "date": "Sun, 01 Mar 2026 12:00:00 GMT"}) is None


def test_an_event_without_an_id_of_its_own_is_known_by_its_content() -> None:
    told = event("open")
    for identity in (None, "", 7, "x" * 201):
        strange = {**told, "sg_event_id": identity}
        digest = hashlib.sha256(json.dumps(strange, sort_keys=True).encode()).hexdigest()
        assert mapping.notice_of(strange, ARRIVED).event_id == digest
        assert mapping.notice_of(dict(reversed(strange.items())), ARRIVED).event_id == digest
    assert mapping.notice_of({**told, "sg_event_id": "x" * 200}, ARRIVED).event_id == "x" * 200
    nobody = mapping.notice_of({"event": "e" * 101, "email": 7, "sg_message_id": ".x", "timestamp": 1.5}, ARRIVED)
    assert (nobody.kind, nobody.recipient, nobody.receipt_id) == ("e" * 100, None, None)
    assert nobody.occurred_at.timestamp() == 1.5


@pytest.mark.parametrize("away", [timedelta(hours=-12), timedelta(), timedelta(minutes=5)])
def test_a_delivery_is_good_for_half_a_day(away: timedelta) -> None:
    key = public_key(shown(SIGNER))
    assert verified(key, delivery(event("open"), moment=ARRIVED + away)) == [event("open")]
    beyond = away + (timedelta(seconds=1) if away > timedelta() else timedelta(days=-1))
    with pytest.raises(SignatureInvalid) as refused:
        verified(key, delivery(event("open"), moment=ARRIVED + beyond))
    assert (refused.value.provider, refused.value.operation) == ("sendgrid", "read_webhook")


def test_a_time_beyond_all_calendars_is_no_time() -> None:
    genuine = delivery(event("open"))
    for stamp in ("9" * 12, "", "-1", "１７"):
        headers = {**genuine.headers, "x-twilio-email-event-webhook-timestamp": stamp}
        with pytest.raises(SignatureInvalid, match="timestamp"):
            verified(public_key(shown(SIGNER)), replace(genuine, headers=headers))
