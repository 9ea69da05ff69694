"""Text messages through Twilio over real HTTP: the kit, what Twilio gets, and what each of its refusals and states means."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fake_twilio import ACCOUNT, API_KEY, API_SECRET, AUTH_TOKEN, SERVICE, FakeTwilio, refusal
from madang.adapters.twilio import mapping
from madang.adapters.twilio.capabilities import SMS
from madang.adapters.twilio.payload import bytes_of, form_of
from madang.adapters.twilio.settings import TwilioSettings
from madang.adapters.twilio.sms import TwilioSmsSender
from madang.plugins.conformance.remote import Reply, serving
from madang.plugins.conformance.sms import SmsConformance
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable, Unsupported
from madang.ports.secret import Secret
from madang.ports.sms import SmsReceipt, SmsRequest, SmsStatus

MESSAGE = SmsRequest("+821012345678", "나의 리즈 사진이 완성되었습니다!", "portrait-1")
SID = f"SM{'a' * 32}"


class TestTwilio(SmsConformance):
    plugin = "madang.plugins.builtin.twilio"
    name = "twilio"
    request_id = "twilio-request-id"
    states: ClassVar = mapping.STATUSES

    def remote(self) -> FakeTwilio:
        return FakeTwilio()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": url, "account_sid": ACCOUNT, "auth_token": AUTH_TOKEN, "sender": "+12025550123"}


class TestTwilioByApiKeyAndService(SmsConformance):
    plugin = "madang.plugins.builtin.twilio"
    name = "twilio"
    request_id = "twilio-request-id"
    states: ClassVar = mapping.STATUSES

    def remote(self) -> FakeTwilio:
        return FakeTwilio()

    def settings(self, url: str) -> Mapping[str, Any]:
        key = {"api_key_sid": API_KEY, "api_key_secret": API_SECRET}
        return {"base_url": url, "account_sid": ACCOUNT, "messaging_service_sid": SERVICE, **key}


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with serving(FakeTwilio()) as server:
        yield server


@pytest.fixture
async def sender(twilio: FakeTwilio, context: ProviderContext) -> AsyncIterator[TwilioSmsSender]:
    provider = TwilioSmsSender(settings_for(twilio.url), context)
    yield provider
    await provider.close()


def settings_for(url: str = "https://api.twilio.com", **changed: Any) -> TwilioSettings:
    given = {"account_sid": ACCOUNT, "auth_token": Secret(AUTH_TOKEN), "sender": "+12025550123", "base_url": url}
    return TwilioSettings(**{**given, **changed})


def test_the_form_names_the_sender_the_service_or_both() -> None:
    assert form_of(MESSAGE, settings_for()) == {"To": MESSAGE.to, "From": "+12025550123", "Body": MESSAGE.text}
    service = settings_for(sender=None, messaging_service_sid=SERVICE)
    assert form_of(MESSAGE, service).keys() == {"To", "MessagingServiceSid", "Body"}
    chosen = form_of(replace(MESSAGE, sender="Madang"), service)
    assert (chosen["From"], chosen["MessagingServiceSid"]) == ("Madang", SERVICE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": "01012345678"}, "invalid_recipient"),
        ({"to": "+0101234567"}, "invalid_recipient"),
        ({"to": "+821012345678\n"}, "invalid_recipient"),
        ({"to": "whatsapp:+821012345678"}, "invalid_recipient"),
        ({"sender": "a name that is too long"}, "invalid_sender"),
        ({"sender": "+1 202"}, "invalid_sender"),
        ({"text": "가" * 801}, "too_long"),
        ({"text": "🙂" * 401}, "too_long"),
        ({"text": "🙂" * 400 + "가"}, "too_long"),
        ({"text": ""}, "invalid_request"),
        ({"text": "half a character: \ud83d"}, "invalid_request"),
    ],
)
async def test_a_bad_message_is_rejected_before_it_leaves(
    twilio: FakeTwilio, sender: TwilioSmsSender, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await sender.send(replace(MESSAGE, **change))
    assert (rejected.value.reason, rejected.value.operation) == (reason, "send")
    assert twilio.arrived == []


async def test_a_subject_is_not_dropped_silently(twilio: FakeTwilio, sender: TwilioSmsSender) -> None:
    with pytest.raises(Unsupported):
        await sender.send(replace(MESSAGE, subject="알림"))
    assert twilio.arrived == []


@given(st.text(max_size=1700))
def test_whatever_the_text_it_goes_out_as_it_is_or_is_rejected(text: str) -> None:
    try:
        form = form_of(replace(MESSAGE, text=text), settings_for())
    except Rejected:
        return
    assert form["Body"] == text
    assert len(text) <= bytes_of(text) <= SMS.max_bytes


@pytest.mark.parametrize("code", sorted({*mapping.REFUSED, *mapping.OURS, *mapping.LIMITS, *mapping.PASSING, 21999}))
def test_every_code_of_twilio_has_its_error(code: int) -> None:
    told = refusal(400, code)
    error = mapping.error_of(told.status, told.headers, told.body, "send")
    expected = {
        **dict.fromkeys(mapping.OURS, Misconfigured),
        **dict.fromkeys(mapping.LIMITS, RateLimited),
        **dict.fromkeys(mapping.PASSING, Unavailable),
    }.get(code, Rejected)
    assert type(error) is expected
    assert (error.provider, error.operation, error.code) == ("twilio", "send", str(code))
    assert error.request_id == f"RQ{'0' * 32}"
    if isinstance(error, Rejected):
        assert error.reason == mapping.REFUSED.get(code, ("invalid_request", ""))[0]
    assert "1012345678" not in str(error.context())


ROWS = [
    (refusal(400, 21211), Rejected, "invalid_recipient"),
    (refusal(400, 21408), Rejected, "blocked"),
    (refusal(400, 21610), Rejected, "blocked"),
    (refusal(400, 21614), Rejected, "invalid_recipient"),
    (refusal(400, 21617), Rejected, "too_long"),
    (Reply(413, "<html>"), Rejected, "too_long"),
    (Reply(400, "not json"), Rejected, "invalid_request"),
    (refusal(401, 20003), Misconfigured, None),
    (refusal(403, 20005), Misconfigured, None),
    (refusal(404, 20404), Misconfigured, None),
    (refusal(400, 21606), Misconfigured, None),
    (Reply(401, "<html>"), Misconfigured, None),
    (Reply(402, "<html>"), Misconfigured, None),
    (Reply(403, "<html>"), Misconfigured, None),
    (Reply(404, "<html>"), Misconfigured, None),
    (Reply(302, "", {"location": "https://evil.example"}), Misconfigured, None),
    (refusal(429, 20429, **{"retry-after": "2"}), RateLimited, 2.0),
    (refusal(429, 63038), RateLimited, None),
    (refusal(400, 21611), RateLimited, None),
    (Reply(429, "<html>", {"retry-after": "soon"}), RateLimited, None),
    (refusal(503, 20503), Unavailable, None),
    (Reply(408, "<html>"), Unavailable, None),
    (refusal(500, 20500), OutcomeUnknown, None),
    (refusal(500, 21211), OutcomeUnknown, None),
    (Reply(502, "<html>"), OutcomeUnknown, None),
    (Reply(503, "<html>"), OutcomeUnknown, None),
    (Reply(504, "<html>"), OutcomeUnknown, None),
    (Reply(201, "not json"), OutcomeUnknown, None),
    (Reply(201, {"sid": "AC1"}), OutcomeUnknown, None),
    (Reply(200, {"x": "x" * 2_000_000}), OutcomeUnknown, None),
]


@pytest.mark.parametrize(("reply", "error", "detail"), ROWS)
async def test_every_refusal_of_twilio_is_one_of_the_taxonomy(
    twilio: FakeTwilio, sender: TwilioSmsSender, reply: Reply, error: type[PortError], detail: str | float | None
) -> None:
    twilio.next.append(reply)
    with pytest.raises(PortError) as raised:
        await sender.send(MESSAGE)
    assert type(raised.value) is error
    assert (raised.value.provider, raised.value.operation) == ("twilio", "send")
    assert getattr(raised.value, "reason", getattr(raised.value, "retry_after", None)) == detail
    assert "1012345678" not in str(raised.value.context())
    assert len(twilio.arrived) == 1, "nothing is tried twice"


@pytest.mark.parametrize("status", [*mapping.STATUSES, "receiving", "received", "something_new", None])
def test_every_status_of_twilio_is_one_of_ours(status: Any) -> None:
    assert mapping.receipt_of({"sid": SID, "status": status}).status is mapping.STATUSES.get(status, SmsStatus.ACCEPTED)


@pytest.mark.parametrize("code", [*mapping.FAILURES, 39999])
def test_a_failed_delivery_says_why(code: int) -> None:
    words = mapping.FAILURES.get(code, "undelivered")
    receipt = mapping.receipt_of({"sid": SID, "status": "undelivered", "error_code": code, "error_message": "01012345678"})
    assert receipt == SmsReceipt(SID, SmsStatus.FAILED, f"{code}: {words}")


@pytest.mark.parametrize("identity", [SID, "SM1", "", "../Accounts", f"{SID}?x=1", f"MG{'0' * 32}"])
async def test_a_message_that_is_not_there_is_not_found(sender: TwilioSmsSender, identity: str) -> None:
    with pytest.raises(Rejected) as unknown:
        await sender.fetch(identity)
    assert unknown.value.reason == "not_found"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(404, 20404), Rejected),
        (refusal(401, 20003), Misconfigured),
        (refusal(500, 20500), Unavailable),
        (Reply(200, {"sid": None}), Unavailable),
    ],
)
async def test_a_look_up_that_fails_says_how(
    twilio: FakeTwilio, sender: TwilioSmsSender, reply: Reply, error: type[PortError]
) -> None:
    twilio.next.append(reply)
    with pytest.raises(PortError) as raised:
        await sender.fetch(SID)
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.twilio.example"},
        {"base_url": "api.twilio.com"},
        {"account_sid": "AC123"},
        {"account_sid": f"{ACCOUNT}/../x"},
        {"auth_token": None},
        {"auth_token": Secret("")},
        {"auth_token": Secret("token\r\nX-Evil: 1")},
        {"api_key_sid": API_KEY},
        {"api_key_sid": API_KEY, "api_key_secret": Secret(API_SECRET)},
        {"auth_token": None, "api_key_sid": "SK1", "api_key_secret": Secret(API_SECRET)},
        {"sender": None},
        {"sender": "a name that is too long"},
        {"messaging_service_sid": "MG1"},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"base_url|account_sid|auth_token|api_key|sender|messaging") as refused:
        settings_for(**wrong)
    assert "Evil" not in str(refused.value)
