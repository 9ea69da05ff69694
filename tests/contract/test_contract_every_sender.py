"""What every sender of e-mail and every chat must do alike, each built by its plugin from settings and variables."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contract.fake_chat import FakeDiscord, FakeSlack
from contract.fake_resend import API_KEY, FakeResend
from contract.fake_smtp import mail_server
from contract.loopback import serving
from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports.chat import ChatField, ChatPoster, ChatRequest
from madang.ports.email import Attachment, EmailAddress, EmailRequest, EmailSender, EmailStatus, EmailTemplate
from madang.ports.errors import Rejected, Unsupported
from madang.ports.provider import ProviderKind
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

EMAIL = EmailRequest([EmailAddress("buyer@example.com", "구매자")], "영수증", "email-1", text="9,900원을 결제했습니다.")
CHAT = ChatRequest("결제 실패율이 10%를 넘었습니다.", "chat-1", fields=[ChatField("rate", "12%")])
SENDER = "noreply@madang.example"


def registry(folder: Path, name: str, variables: dict[str, str], **settings: Any) -> PluginRegistry:
    deployment = Deployment("http://127.0.0.1:8000", folder, Secret("test-key-not-secret"))
    return PluginRegistry.load({name: settings}, deployment, variables=variables, strict=True)


@pytest.fixture(params=["sandbox", "resend", "smtp"])
async def email(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EmailSender]:
    async with AsyncExitStack() as stack:
        match request.param:
            case "resend":
                server = stack.enter_context(serving(FakeResend()))
                settings = {"sender": SENDER, "base_url": server.url}
                plugins = registry(tmp_path, "resend", {"MADANG_RESEND_API_KEY": API_KEY}, **settings)
            case "smtp":
                place = await stack.enter_async_context(mail_server())
                settings = {"host": "127.0.0.1", "port": place.port, "security": "none", "hello": "client.example.com"}
                plugins = registry(tmp_path, "smtp", {"MADANG_SMTP_SENDER": SENDER}, **settings)
            case _:
                plugins = registry(tmp_path, "sandbox", {})
        yield plugins.build(ProviderKind.EMAIL, request.param)
        await plugins.close()


@pytest.fixture(params=["sandbox", "slack", "discord"])
async def chat(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ChatPoster]:
    async with AsyncExitStack() as stack:
        variables = {}
        if request.param != "sandbox":
            server = stack.enter_context(serving(FakeSlack() if request.param == "slack" else FakeDiscord()))
            variables = {f"MADANG_{request.param}_WEBHOOK_URL".upper(): server.webhook}
        plugins = registry(tmp_path, request.param, variables)
        yield plugins.build(ProviderKind.CHAT, request.param)
        await plugins.close()


async def test_an_email_is_accepted_and_looked_up_where_that_can_be(email: EmailSender) -> None:
    receipt = await email.send(replace(EMAIL, html="<p>9,900원</p>", attachments=[Attachment("a.txt", "text/plain", b"a")]))
    assert receipt.status is EmailStatus.ACCEPTED
    assert (await email.check()).reachable
    if email.capabilities.delivery_reports:
        assert (await email.fetch(receipt.id)).id == receipt.id
        with pytest.raises(Rejected) as unknown:
            await email.fetch("email_unknown")
        assert unknown.value.reason == "not_found"


async def test_an_idempotent_sender_sends_the_same_key_once(email: EmailSender) -> None:
    receipts = [await email.send(EMAIL) for _ in range(2)]
    if email.capabilities.idempotent:
        assert receipts[0].id == receipts[1].id
        with pytest.raises(Rejected) as reused:
            await email.send(replace(EMAIL, text="another text"))
        assert reused.value.reason == "invalid_request"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": []}, "invalid_recipient"),
        ({"to": [EmailAddress("no-domain")]}, "invalid_recipient"),
        ({"subject": "hello\r\nBcc: everyone@example.com"}, "invalid_request"),
        ({"to": [EmailAddress("a@example.com", "A\r\nBcc: b@example.com")]}, "invalid_request"),
        ({"headers": {"Bcc": "everyone@example.com"}}, "invalid_request"),
        ({"headers": {"X-A": "1\nBcc: everyone@example.com"}}, "invalid_request"),
        ({"text": None}, "invalid_request"),
    ],
)
async def test_a_bad_email_is_rejected_for_the_same_reason_by_all(
    email: EmailSender, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await email.send(replace(EMAIL, **change))
    assert rejected.value.reason == reason


async def test_more_than_the_capabilities_say_is_rejected(email: EmailSender) -> None:
    many = [EmailAddress(f"p{n}@example.com") for n in range(email.capabilities.max_recipients + 1)]
    large = Attachment("big", "text/plain", bytes(email.capabilities.max_bytes))
    for change, reason in ({"to": many}, "too_many_recipients"), ({"attachments": [large]}, "too_large"):
        with pytest.raises(Rejected) as rejected:
            await email.send(replace(EMAIL, **change))
        assert rejected.value.reason == reason


async def test_what_an_emails_capabilities_exclude_is_unsupported(email: EmailSender) -> None:
    able = email.capabilities
    calls = {
        "templates": lambda: email.send(replace(EMAIL, text=None, template=EmailTemplate("welcome"))),
        "tags": lambda: email.send(replace(EMAIL, tags=["receipt"])),
        "delivery_reports": lambda: email.fetch("id"),
        "finds_by_key": lambda: email.find("email-1"),
    }
    for name, call in calls.items():
        if not getattr(able, name):
            with pytest.raises(Unsupported):
                await call()
    with pytest.raises(Unsupported):
        email.read_webhook(WebhookRequest({}, b"", datetime.now(UTC)))


async def test_a_message_is_posted_with_as_much_as_the_capabilities_say(chat: ChatPoster) -> None:
    able = chat.capabilities
    receipt = await chat.post(replace(CHAT, text="가" * able.max_length, fields=[CHAT.fields[0]] * able.max_fields))
    assert (receipt.id is not None) == able.returns_id
    assert (await chat.check()).reachable


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": ""}, "invalid_request"),
        ({"text": "x" * 3001}, "too_long"),
        ({"fields": [CHAT.fields[0]] * 11}, "invalid_request"),
    ],
)
async def test_a_bad_chat_message_is_rejected_for_the_same_reason_by_all(
    chat: ChatPoster, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await chat.post(replace(CHAT, **change))
    assert rejected.value.reason == reason


async def test_what_a_chats_capabilities_exclude_is_unsupported(chat: ChatPoster) -> None:
    calls = {
        "channels": lambda: chat.post(replace(CHAT, channel="#general")),
        "threads": lambda: chat.post(replace(CHAT, thread="1")),
        "finds_by_key": lambda: chat.find("chat-1"),
    }
    for name, call in calls.items():
        if not getattr(chat.capabilities, name):
            with pytest.raises(Unsupported):
                await call()
