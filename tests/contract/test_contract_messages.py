"""What only the sandbox's messages do, besides what the conformance kit asks of all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from madang.adapters.sandbox.chat import SandboxChat
from madang.adapters.sandbox.email import SandboxEmailSender
from madang.adapters.sandbox.sms import SandboxSmsSender, network_bytes
from madang.ports.chat import ChatRequest
from madang.ports.email import EmailAddress, EmailRequest, EmailStatus
from madang.ports.errors import Rejected
from madang.ports.sms import SmsRequest, SmsStatus

Build = Callable[..., Any]
SMS = SmsRequest("+821012345678", "나의 리즈 사진이 완성되었습니다!", "sms-1")
EMAIL = EmailRequest([EmailAddress("buyer@example.com", "구매자")], "영수증", "email-1", text="9,900원을 결제했습니다.")
CHAT = ChatRequest("결제 실패율이 10%를 넘었습니다.", "chat-1", channel="#alerts")


@pytest.mark.parametrize(
    ("provider", "message", "status"),
    [(SandboxSmsSender, SMS, SmsStatus.DELIVERED), (SandboxEmailSender, EMAIL, EmailStatus.DELIVERED)],
)
async def test_what_was_sent_is_delivered_at_once(sandbox: Build, provider: Any, message: Any, status: Any) -> None:
    sender = sandbox(provider)
    assert (await sender.fetch((await sender.send(message)).id)).status is status


@pytest.mark.parametrize(
    ("provider", "method", "message"),
    [(SandboxSmsSender, "send", SMS), (SandboxEmailSender, "send", EMAIL), (SandboxChat, "post", CHAT)],
)
async def test_a_key_that_was_used_for_another_message_is_refused(
    sandbox: Build, provider: Any, method: str, message: Any
) -> None:
    send = getattr(sandbox(provider), method)
    await send(message)
    with pytest.raises(Rejected) as reused:
        await send(replace(message, text="another text"))
    assert reused.value.reason == "invalid_request"


async def test_one_channel_is_closed(sandbox: Build) -> None:
    with pytest.raises(Rejected) as closed:
        await sandbox(SandboxChat).post(replace(CHAT, channel="#closed"))
    assert closed.value.reason == "channel_closed"


def test_hangul_counts_two_bytes_on_the_network() -> None:
    assert network_bytes("리즈 ok") == 7
