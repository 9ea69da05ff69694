"""SMS, e-mail and chat: sent once for each key, found by it, and refused for the reason that the contract names."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from madang.adapters.sandbox.chat import SandboxChat
from madang.adapters.sandbox.email import SandboxEmailSender
from madang.adapters.sandbox.sms import SandboxSmsSender, network_bytes
from madang.ports.chat import ChatField, ChatRequest
from madang.ports.email import Attachment, EmailAddress, EmailRequest, EmailStatus, EmailTemplate
from madang.ports.errors import OutcomeUnknown, Rejected, Unsupported
from madang.ports.sms import SmsRequest, SmsStatus

Build = Callable[..., Any]
SMS = SmsRequest("+821012345678", "나의 리즈 사진이 완성되었습니다!", "sms-1")
EMAIL = EmailRequest([EmailAddress("buyer@example.com", "구매자")], "영수증", "email-1", text="9,900원을 결제했습니다.")
CHAT = ChatRequest("결제 실패율이 10%를 넘었습니다.", "chat-1", channel="#alerts", fields=[ChatField("rate", "12%")])


async def test_an_sms_is_accepted_delivered_and_found_by_its_key(sandbox: Build) -> None:
    sender = sandbox(SandboxSmsSender)
    receipt = await sender.send(SMS)
    assert receipt.status is SmsStatus.ACCEPTED
    assert (await sender.fetch(receipt.id)).status is SmsStatus.DELIVERED
    found = await sender.find("sms-1")
    assert found is not None
    assert found.id == receipt.id
    assert await sender.find("never-sent") is None


@pytest.mark.parametrize(
    ("provider", "method", "request_"),
    [(SandboxSmsSender, "send", SMS), (SandboxEmailSender, "send", EMAIL), (SandboxChat, "post", CHAT)],
)
async def test_the_same_key_sends_once_also_after_a_lost_answer(
    sandbox: Build, provider: Any, method: str, request_: Any
) -> None:
    port = {SandboxSmsSender: "sms", SandboxEmailSender: "email", SandboxChat: "chat"}[provider]
    sender = sandbox(provider, faults=f"{port}.{method}:answer_lost")
    with pytest.raises(OutcomeUnknown) as lost:
        await getattr(sender, method)(request_)
    assert (lost.value.provider, lost.value.operation) == ("sandbox", f"{port}.{method}")
    found = await sender.find(request_.idempotency_key)
    again = await getattr(sender, method)(request_)
    assert found.id == again.id
    with pytest.raises(Rejected) as reused:
        await getattr(sender, method)(replace(request_, text="another text"))
    assert reused.value.reason == "invalid_request"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": "010-1234-5678"}, "invalid_recipient"),
        ({"text": "  "}, "invalid_request"),
        ({"text": "가" * 1001}, "too_long"),
    ],
)
async def test_a_bad_sms_is_rejected_with_its_reason(sandbox: Build, change: dict[str, Any], reason: str) -> None:
    sender = sandbox(SandboxSmsSender)
    with pytest.raises(Rejected) as rejected:
        await sender.send(replace(SMS, **change))
    assert rejected.value.reason == reason
    assert await sender.find("sms-1") is None


def test_hangul_counts_two_bytes_on_the_network() -> None:
    assert network_bytes("리즈 ok") == 7


async def test_an_email_is_reported_delivered(sandbox: Build) -> None:
    sender = sandbox(SandboxEmailSender)
    receipt = await sender.send(
        replace(EMAIL, html="<p>9,900원</p>", attachments=[Attachment("a.txt", "text/plain", b"hello")])
    )
    assert (await sender.fetch(receipt.id)).status is EmailStatus.DELIVERED
    with pytest.raises(Rejected, match="no e-mail") as unknown:
        await sender.fetch("email_unknown")
    assert unknown.value.reason == "not_found"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": []}, "invalid_recipient"),
        ({"to": [EmailAddress("no-domain")]}, "invalid_recipient"),
        ({"to": [EmailAddress(f"p{n}@example.com") for n in range(51)]}, "too_many_recipients"),
        ({"subject": "hello\r\nBcc: everyone@example.com"}, "invalid_request"),
        ({"headers": {"Bcc": "everyone@example.com"}}, "invalid_request"),
        ({"text": None}, "invalid_request"),
        ({"attachments": [Attachment("big", "text/plain", bytes(9 * 1024**2))]}, "too_large"),
    ],
)
async def test_a_bad_email_is_rejected_with_its_reason(sandbox: Build, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as rejected:
        await sandbox(SandboxEmailSender).send(replace(EMAIL, **change))
    assert rejected.value.reason == reason


async def test_what_the_email_capabilities_exclude_is_unsupported(sandbox: Build) -> None:
    sender = sandbox(SandboxEmailSender)
    assert sender.capabilities.templates is False
    with pytest.raises(Unsupported):
        await sender.send(replace(EMAIL, text=None, template=EmailTemplate("welcome")))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"channel": "#closed"}, "channel_closed"),
        ({"text": "x" * 2001}, "too_long"),
        ({"text": ""}, "invalid_request"),
        ({"fields": [ChatField("n", str(n)) for n in range(11)]}, "invalid_request"),
    ],
)
async def test_a_bad_chat_message_is_rejected_with_its_reason(sandbox: Build, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as rejected:
        await sandbox(SandboxChat).post(replace(CHAT, **change))
    assert rejected.value.reason == reason
