"""Text messages through Solapi over real HTTP: the kit, what Solapi gets, and what each of its refusals and states means."""

import hmac
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solapi.model.response.send_message_response import SendMessageResponse

from contract.fake_solapi import API_KEY, API_SECRET, FakeSolapi, refusal
from madang.adapters.solapi import mapping
from madang.adapters.solapi.capabilities import SMS
from madang.adapters.solapi.numbers import dialled, sending
from madang.adapters.solapi.payload import bytes_of, payload_of
from madang.adapters.solapi.settings import SolapiSettings
from madang.adapters.solapi.sms import SolapiSmsSender
from madang.plugins.conformance.remote import Reply, serving
from madang.plugins.conformance.sms import SmsConformance
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.secret import Secret
from madang.ports.sms import SmsRequest, SmsStatus

MESSAGE = SmsRequest("+821012345678", "나의 리즈 사진이 완성되었습니다!", "portrait-1")


class TestSolapi(SmsConformance):
    plugin = "madang.plugins.builtin.solapi"
    name = "solapi"
    states: ClassVar = {**mapping.STATUSES, **dict.fromkeys(mapping.FAILURES, SmsStatus.FAILED)}

    def remote(self) -> FakeSolapi:
        return FakeSolapi()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": url, "api_key": API_KEY, "api_secret": API_SECRET, "sender": "02-1234-5678"}


@pytest.fixture
def solapi() -> Iterator[FakeSolapi]:
    with serving(FakeSolapi()) as server:
        yield server


@pytest.fixture
async def sender(solapi: FakeSolapi, context: ProviderContext) -> AsyncIterator[SolapiSmsSender]:
    provider = SolapiSmsSender(settings_for(solapi.url), context)
    yield provider
    await provider.close()


def settings_for(url: str = "https://api.solapi.com", **changed: Any) -> SolapiSettings:
    given = {"api_key": Secret(API_KEY), "api_secret": Secret(API_SECRET), "sender": "0212345678", "base_url": url}
    return SolapiSettings(**{**given, **changed})


def message_of(request: SmsRequest) -> dict[str, Any]:
    [message] = payload_of(request, settings_for())["messages"]
    return dict(message)


async def test_a_message_is_signed_and_carries_our_key(solapi: FakeSolapi, sender: SolapiSmsSender) -> None:
    receipt = await sender.send(MESSAGE)
    assert (receipt.status, receipt.error) == (SmsStatus.ACCEPTED, None)
    kept = solapi.sent[receipt.id]
    assert (kept["to"], kept["from"], kept["country"], kept["type"]) == ("01012345678", "0212345678", "82", "SMS")
    assert kept["customFields"] == {"madangKey": "portrait-1"}
    body = solapi.arrived[0].json
    assert body["agent"].keys() == {"sdkVersion"}, "nothing about our machine"


async def test_each_call_has_a_signature_of_its_own(solapi: FakeSolapi, sender: SolapiSmsSender) -> None:
    await sender.send(MESSAGE)
    await sender.send(replace(MESSAGE, idempotency_key="portrait-2"))
    headers = [each.headers["authorization"] for each in solapi.arrived]
    assert headers[0] != headers[1]
    found = re.search(r"Date=(\S+), salt=(\w+), signature=(\w+)", headers[0])
    assert found is not None
    assert hmac.new(API_SECRET.encode(), f"{found[1]}{found[2]}".encode(), "sha256").hexdigest() == found[3]


async def test_the_sdk_itself_could_read_what_the_stand_in_answers(solapi: FakeSolapi, sender: SolapiSmsSender) -> None:
    await sender.send(MESSAGE)
    [arrived] = solapi.arrived
    for code, failed in (("2000", 0), ("1061", 1)):
        solapi.refusing["01012345678"] = code
        read = SendMessageResponse.model_validate(solapi.send(arrived).body)
        assert (read.group_info.count.registered_failed, len(read.failed_message_list or [])) == (failed, failed)


@pytest.mark.parametrize(
    ("text", "subject", "kind"),
    [
        ("가" * 45, None, "SMS"),
        ("a" * 90, None, "SMS"),
        ("가" * 45 + "a", None, "LMS"),
        ("a" * 91, None, "LMS"),
        ("가" * 1000, None, "LMS"),
        ("가", "알림", "LMS"),
    ],
)
def test_the_length_and_the_subject_decide_between_sms_and_lms(text: str, subject: str | None, kind: str) -> None:
    assert message_of(replace(MESSAGE, text=text, subject=subject))["type"] == kind


def test_abroad_solapi_decides_on_the_type() -> None:
    message = message_of(replace(MESSAGE, to="+12025550123"))
    assert "type" not in message
    assert (message["country"], message["to"], message["autoTypeDetect"]) == ("1", "2025550123", True)


@pytest.mark.parametrize(
    ("number", "country", "inside"),
    [
        ("+821012345678", "82", "01012345678"),
        ("+8221234567", "82", "021234567"),
        ("+827012345678", "82", "07012345678"),
        ("+8215881234", "82", "15881234"),
        ("+819012345678", "81", "9012345678"),
        ("+14415551234", "1441", "5551234"),
        ("+14165550123", "1", "4165550123"),
    ],
)
def test_a_number_is_written_as_it_is_dialled_in_its_country(number: str, country: str, inside: str) -> None:
    assert dialled(number) == (country, inside)


@pytest.mark.parametrize("number", ["02-1234-5678", "0212345678", "+82212345678"])
def test_the_sender_may_be_written_in_either_form(number: str) -> None:
    assert sending(number) == "0212345678"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": "01012345678"}, "invalid_recipient"),
        ({"to": "+0101234567"}, "invalid_recipient"),
        ({"to": "+9990001112222"}, "invalid_recipient"),
        ({"to": "+821012345678\n"}, "invalid_recipient"),
        ({"sender": "+12025550123"}, "invalid_sender"),
        ({"sender": "+999"}, "invalid_sender"),
        ({"text": "가" * 1001}, "too_long"),
        ({"text": "🙂" * 501}, "too_long"),
        ({"subject": "가" * 21}, "too_long"),
        ({"subject": " "}, "invalid_request"),
        ({"text": ""}, "invalid_request"),
        ({"text": "half a character: \ud83d"}, "invalid_request"),
    ],
)
async def test_a_bad_message_is_rejected_before_it_leaves(
    solapi: FakeSolapi, sender: SolapiSmsSender, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await sender.send(replace(MESSAGE, **change))
    assert (rejected.value.reason, rejected.value.operation) == (reason, "send")
    assert solapi.arrived == []


@given(st.text(max_size=1200), st.text(max_size=300))
def test_whatever_the_text_and_the_key_the_payload_fits_or_is_rejected(text: str, key: str) -> None:
    try:
        message = message_of(replace(MESSAGE, text=text, idempotency_key=key))
    except Rejected:
        return
    assert message["text"] == text
    assert bytes_of(text) <= (90 if message["type"] == "SMS" else SMS.max_bytes)
    assert 0 < len(message["customFields"]["madangKey"]) <= 100


def test_another_key_is_another_field_also_when_it_is_too_long() -> None:
    keys = ["", "k" * 101, "k" * 102, "\ud83d", "결제-1"]
    fields = [message_of(replace(MESSAGE, idempotency_key=key))["customFields"]["madangKey"] for key in keys]
    assert len(set(fields)) == len(keys)
    assert fields[-1] == "결제-1"


@pytest.mark.parametrize("code", [*mapping.FAILURES, "1099", "9999", "None"])
def test_every_status_code_of_a_message_that_was_not_taken_has_its_error(code: str) -> None:
    with pytest.raises(PortError) as raised:
        mapping.sent({"failedMessageList": [{"statusCode": code, "statusMessage": "01012345678"}]})
    expected = Misconfigured if code in mapping.OURS else Unavailable if code in mapping.PASSING else Rejected
    assert type(raised.value) is expected
    assert (raised.value.provider, raised.value.operation, raised.value.code) == ("solapi", "send", code)
    if isinstance(raised.value, Rejected):
        assert raised.value.reason == mapping.REFUSED.get(code, ("invalid_request", ""))[0]
    assert "1012345678" not in str(raised.value.context())


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        ("1030", Misconfigured, None),
        ("2230", Misconfigured, None),
        ("1062", Misconfigured, None),
        ("1020", Misconfigured, None),
        ("1031", Rejected, "too_long"),
        ("1060", Rejected, "blocked"),
        ("1061", Rejected, "blocked"),
        ("3032", Rejected, "invalid_recipient"),
        ("1024", Unavailable, None),
        ("1058", Unavailable, None),
    ],
)
async def test_what_matters_most_among_the_status_codes(
    solapi: FakeSolapi, sender: SolapiSmsSender, code: str, error: type[PortError], reason: str | None
) -> None:
    solapi.refusing["01012345678"] = code
    with pytest.raises(PortError) as raised:
        await sender.send(MESSAGE)
    assert type(raised.value) is error
    assert getattr(raised.value, "reason", None) == reason
    assert len(solapi.arrived) == 1


ROWS = [
    (refusal(400, "ValidationError"), Rejected, "invalid_request"),
    (refusal(400, "InvalidStatusCode"), Rejected, "invalid_request"),
    (refusal(413, "RecipientsTooMany"), Rejected, "invalid_request"),
    (refusal(400, "SomethingNew"), Rejected, "invalid_request"),
    (refusal(400, "1031"), Rejected, "too_long"),
    (refusal(400, "1030"), Misconfigured, None),
    (Reply(413, "<html>"), Rejected, "too_long"),
    (refusal(403, "InvalidAPIKey"), Misconfigured, None),
    (refusal(403, "InvalidApiKey"), Misconfigured, None),
    (refusal(400, "SignatureDoesNotMatch"), Misconfigured, None),
    (refusal(403, "RequestTimeTooSkewed"), Misconfigured, None),
    (refusal(401, "Unauthorized"), Misconfigured, None),
    (refusal(403, "Forbidden"), Misconfigured, None),
    (refusal(400, "InvalidAppId"), Misconfigured, None),
    (refusal(400, "BlockedApp"), Misconfigured, None),
    (refusal(400, "InDevelopment"), Misconfigured, None),
    (refusal(400, "InactiveApp"), Misconfigured, None),
    (refusal(402, "NotEnoughBalance"), Misconfigured, None),
    (refusal(400, "BalanceInsufficient"), Misconfigured, None),
    (refusal(404, "ResourceNotFound"), Misconfigured, None),
    (Reply(405, "<html>"), Misconfigured, None),
    (Reply(302, "", {"location": "https://evil.example"}), Misconfigured, None),
    (refusal(429, "TooManyRequests", **{"retry-after": "2"}), RateLimited, 2.0),
    (Reply(429, "<html>", {"retry-after": "soon"}), RateLimited, None),
    (refusal(403, "DuplicatedSignature"), OutcomeUnknown, None),
    (refusal(409, "GroupInProcessing"), OutcomeUnknown, None),
    (refusal(409, "AlreadySent"), OutcomeUnknown, None),
    (refusal(409, "ScheduledGroup"), OutcomeUnknown, None),
    (refusal(500, "InternalError"), OutcomeUnknown, None),
    (refusal(500, "1031"), OutcomeUnknown, None),
    (Reply(502, "<html>"), OutcomeUnknown, None),
    (Reply(503, "<html>"), Unavailable, None),
    (Reply(408, "<html>"), Unavailable, None),
    (Reply(200, "not json"), OutcomeUnknown, None),
    (Reply(200, {"messageList": [{"statusCode": "2000"}]}), OutcomeUnknown, None),
    (Reply(200, {"groupInfo": {"groupId": "G4V1", "count": {"registeredSuccess": 0}}}), OutcomeUnknown, None),
    (Reply(200, {"failedMessageList": [{"statusCode": "1061"}]}), Rejected, "blocked"),
    (Reply(200, {"messageList": [{"messageId": "M4V1", "statusCode": "1061"}]}), Rejected, "blocked"),
    (Reply(200, {"x": "x" * 2_000_000}), OutcomeUnknown, None),
]


@pytest.mark.parametrize(("reply", "error", "detail"), ROWS)
async def test_every_refusal_of_solapi_is_one_of_the_taxonomy(
    solapi: FakeSolapi, sender: SolapiSmsSender, reply: Reply, error: type[PortError], detail: str | float | None
) -> None:
    solapi.next.append(reply)
    with pytest.raises(PortError) as raised:
        await sender.send(MESSAGE)
    assert type(raised.value) is error
    assert (raised.value.provider, raised.value.operation) == ("solapi", "send")
    assert getattr(raised.value, "reason", getattr(raised.value, "retry_after", None)) == detail
    assert "1012345678" not in str(raised.value.context())
    assert len(solapi.arrived) == 1, "nothing is tried twice"


@pytest.mark.parametrize(
    ("status", "of_sending", "of_looking"),
    [
        *((status, Misconfigured, Misconfigured) for status in (302, 399, 401, 402, 403, 405)),
        (404, Misconfigured, Rejected),
        *((status, Rejected, Rejected) for status in (400, 406, 413, 499)),
        (408, Unavailable, Unavailable),
        (429, RateLimited, RateLimited),
        (503, Unavailable, Unavailable),
        *((status, OutcomeUnknown, Unavailable) for status in (500, 502, 504, 599)),
    ],
)
@pytest.mark.parametrize("name", [None, "two words", "", "n" * 65])
def test_without_a_name_the_status_decides(
    status: int, of_sending: type[PortError], of_looking: type[PortError], name: str | None
) -> None:
    answer = {} if name is None else {"errorCode": name}
    for operation, kind in (("send", of_sending), ("fetch", of_looking)):
        told = mapping.error_of(status, {}, answer, operation)
        assert (type(told), told.code, told.operation, told.provider) == (kind, str(status), operation, "solapi")
        if isinstance(told, Rejected):
            assert told.reason == {404: "not_found", 413: "too_long"}.get(status, "invalid_request")


@pytest.mark.parametrize(
    ("header", "seconds"), [("2", 2.0), ("0.5", 0.5), ("999999999", 86_400.0), ("soon", None), ("-1", None), ("", None)]
)
def test_a_wait_is_read_in_seconds(header: str, seconds: float | None) -> None:
    assert mapping.retry_after_of({"retry-after": header}) == seconds


def test_every_name_of_solapi_has_its_row() -> None:
    told = {row[0].body["errorCode"] for row in ROWS if isinstance(row[0].body, dict) and "errorCode" in row[0].body}
    assert {*mapping.REASONS, *mapping.WRONG_KEYS, *mapping.LIMITS, *mapping.UNDER_WAY} <= told


async def test_an_answer_without_its_message_leaves_the_group_to_ask_for(solapi: FakeSolapi, sender: SolapiSmsSender) -> None:
    first = await sender.send(MESSAGE)
    group = solapi.sent[first.id]["groupId"]
    solapi.next.append(Reply(200, {"groupInfo": {"groupId": group, "count": {"registeredSuccess": 1}}}))
    receipt = await sender.send(MESSAGE)
    assert receipt.id == group
    solapi.becomes(first.id, "4000")
    assert (await sender.fetch(group)).status is SmsStatus.DELIVERED


@pytest.mark.parametrize("identity", ["M4V1", "G4V1", "", "../groups", "M4V1&to=01012345678", "x"])
async def test_a_message_that_is_not_there_is_not_found(sender: SolapiSmsSender, identity: str) -> None:
    with pytest.raises(Rejected) as unknown:
        await sender.fetch(identity)
    assert unknown.value.reason == "not_found"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(404, "ResourceNotFound"), Rejected),
        (refusal(403, "DuplicatedSignature"), Unavailable),
        (refusal(403, "Forbidden"), Misconfigured),
        (Reply(200, {"messageList": []}), Unavailable),
        (Reply(200, {"messageList": {"M4V1": {"messageId": "M4V2", "statusCode": "4000"}}}), Rejected),
    ],
)
async def test_a_look_up_that_fails_says_how(
    solapi: FakeSolapi, sender: SolapiSmsSender, reply: Reply, error: type[PortError]
) -> None:
    solapi.next.append(reply)
    with pytest.raises(PortError) as raised:
        await sender.fetch("M4V1")
    assert type(raised.value) is error


async def test_a_check_tells_what_money_is_left(solapi: FakeSolapi, sender: SolapiSmsSender) -> None:
    assert "10050 won" in (await sender.check()).detail
    solapi.next.append(Reply(200, {}))
    assert (await sender.check()).detail == "the keys are taken"


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.solapi.example"},
        {"base_url": "api.solapi.com"},
        {"sender": "Madang"},
        {"sender": "+12025550123"},
        {"sender": "0212345678\r\n"},
        {"api_key": Secret("key\r\nX-Evil: 1")},
        {"api_key": Secret("")},
        {"api_secret": Secret("secret\n")},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"base_url|sender|api_key|api_secret") as refused:
        settings_for(**wrong)
    assert "Evil" not in str(refused.value)
