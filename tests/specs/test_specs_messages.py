"""What the message providers send, against their own descriptions. Slack's describes its Web API and no incoming webhook."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from contract.fake_twilio import ACCOUNT, API_KEY, API_SECRET, AUTH_TOKEN, SERVICE
from madang.adapters.discord.chat import DiscordChat
from madang.adapters.discord.settings import DiscordSettings
from madang.adapters.resend.email import ResendEmailSender
from madang.adapters.resend.settings import ResendSettings
from madang.adapters.sendgrid.email import SendgridEmailSender
from madang.adapters.sendgrid.settings import SendgridSettings
from madang.adapters.twilio.settings import TwilioSettings
from madang.adapters.twilio.sms import TwilioSmsSender
from madang.ports.chat import ChatField, ChatRequest, ChatTone
from madang.ports.context import ProviderContext
from madang.ports.email import Attachment, EmailAddress, EmailRequest, EmailTemplate
from madang.ports.secret import Secret
from madang.ports.sms import SmsRequest
from specs.prism import Recorder
from specs.saying import said

KEY = Secret("test-key-not-secret")
EMAIL = EmailRequest([EmailAddress("buyer@example.com", "구매자")], "영수증", "email-1", text="9,900원을 결제했습니다.")
EVERYTHING = replace(
    EMAIL,
    html='<p>9,900원 <img src="cid:logo"></p>',
    to=[EmailAddress("a@example.com"), EmailAddress("b@example.com", 'The "B", Ltd.')],
    cc=[EmailAddress("cc@example.com")],
    bcc=[EmailAddress("hidden@example.com", "숨은 이")],
    sender=EmailAddress("other@madang.example", "다른 이"),
    reply_to=EmailAddress("help@madang.example", "도움"),
    headers={"X-Entity-Ref-ID": "7"},
    tags=["receipt", "paid"],
    attachments=[
        Attachment("a.txt", "text/plain", b"paper"),
        Attachment("logo.png", "image/png", b"\x89PNG", content_id="logo"),
    ],
)
SMS = SmsRequest("+821012345678", "나의 리즈 사진이 완성되었습니다! <&>+%", "sms-1")
CHAT = ChatRequest("결제 실패율이 10%를 넘었습니다.", "chat-1")
LOUD = replace(
    CHAT,
    title="마당 알림",
    link="https://madang.example/alerts",
    tone=ChatTone.BAD,
    fields=[ChatField("실패율", "12%"), ChatField("한도", "10%")],
)


@pytest.fixture(scope="module")
def resend(mocked: Any) -> Iterator[Recorder]:
    with mocked("resend") as recorder:
        yield recorder


@pytest.fixture(scope="module")
def sendgrid(mocked: Any) -> Iterator[Recorder]:
    with mocked("sendgrid-mail") as recorder:
        yield recorder


@pytest.fixture(scope="module")
def twilio(mocked: Any) -> Iterator[Recorder]:
    with mocked("twilio-2010") as recorder:
        yield recorder


@pytest.fixture(scope="module")
def discord(mocked: Any) -> Iterator[Recorder]:
    with mocked("discord", "/api") as recorder:
        yield recorder


async def test_resend_gets_what_it_describes(resend: Recorder, context: ProviderContext) -> None:
    provider = ResendEmailSender(ResendSettings(KEY, "noreply@madang.example", "마당", base_url=resend.base_url), context)
    template = replace(EMAIL, text=None, template=EmailTemplate("tmpl-1", {"name": "지우", "count": 3}))
    await said(
        provider,
        resend,
        {
            "a text": partial(provider.send, EMAIL),
            "HTML alone": partial(provider.send, replace(EMAIL, text=None, html="<p>")),
            "everything": partial(provider.send, EVERYTHING),
            "a template": partial(provider.send, template),
            "something extra": partial(provider.send, replace(EMAIL, extra={"scheduled_at": "in 1 min"})),
            "a look-up": partial(provider.fetch, "4ef9a417-02e9-4d39-ad75-9611e0fcc33c"),
            "a check": provider.check,
        },
    )


async def test_sendgrid_gets_what_it_describes(sendgrid: Recorder, context: ProviderContext) -> None:
    """The description has no scopes, which `check` asks for."""
    settings = SendgridSettings(KEY, "noreply@madang.example", "마당", base_url=sendgrid.base_url)
    provider = SendgridEmailSender(settings, context)
    template = replace(EMAIL, text=None, template=EmailTemplate(f"d-{'0' * 32}", {"name": "지우", "list": [1, {"a": None}]}))
    sandbox = {"mail_settings": {"sandbox_mode": {"enable": True}}, "ip_pool_name": "receipts"}
    await said(
        provider,
        sendgrid,
        {
            "a text": partial(provider.send, EMAIL),
            "HTML alone": partial(provider.send, replace(EMAIL, text=None, html="<p>")),
            "everything": partial(provider.send, EVERYTHING),
            "a template": partial(provider.send, template),
            "something extra": partial(provider.send, replace(EMAIL, extra=sandbox)),
            "a domain of another script": partial(provider.send, replace(EMAIL, to=[EmailAddress("a@한국.kr")])),
        },
    )


async def test_twilio_gets_what_it_describes(twilio: Recorder, context: ProviderContext) -> None:
    number = TwilioSettings(ACCOUNT, Secret(AUTH_TOKEN), sender="+12025550123", base_url=twilio.base_url)
    service = TwilioSettings(
        ACCOUNT,
        api_key_sid=API_KEY,
        api_key_secret=Secret(API_SECRET),
        messaging_service_sid=SERVICE,
        base_url=twilio.base_url,
    )
    for settings in (number, service):
        provider = TwilioSmsSender(settings, context)
        await said(
            provider,
            twilio,
            {
                "a message": partial(provider.send, SMS),
                "a message of its own sender": partial(provider.send, replace(SMS, sender="+12025550124")),
                "the longest message": partial(provider.send, replace(SMS, text="a" * 1600)),
                "a look-up": partial(provider.fetch, f"SM{'0' * 32}"),
                "a check": provider.check,
            },
        )


async def test_discord_gets_what_it_describes(discord: Recorder, context: ProviderContext) -> None:
    """Its server is `/api/v10`, a webhook's address has no version."""
    address = f"{discord.base_url}/webhooks/1234567890123456789/test-token-not-secret"
    provider = DiscordChat(DiscordSettings(Secret(address)), context)
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "a text": partial(provider.post, CHAT),
        "a long text": partial(provider.post, replace(CHAT, text="*" * 2000)),
        "everything": partial(provider.post, LOUD),
        "a long title": partial(provider.post, replace(LOUD, link=None, title="제목 " * 60)),
        "something extra": partial(provider.post, replace(CHAT, extra={"username": "Madang"})),
        "a check": provider.check,
    }
    for tone in ChatTone:
        calls[f"a {tone} one"] = partial(provider.post, replace(LOUD, tone=tone, fields=[]))
    await said(provider, discord, calls)


async def test_prism_would_notice_a_wrong_request(
    resend: Recorder, sendgrid: Recorder, twilio: Recorder, discord: Recorder, context: ProviderContext
) -> None:
    """A description that Prism cannot compile accepts everything and says nothing."""
    email = ResendEmailSender(ResendSettings(KEY, "a@b.example", base_url=resend.base_url), context)
    other = SendgridEmailSender(SendgridSettings(KEY, "a@b.example", base_url=sendgrid.base_url), context)
    chat = DiscordChat(DiscordSettings(Secret(f"{discord.base_url}/webhooks/1/x")), context)
    sms = TwilioSmsSender(
        TwilioSettings(ACCOUNT, Secret(AUTH_TOKEN), messaging_service_sid=SERVICE, base_url=twilio.base_url), context
    )
    await said(email, resend, {"a subject of numbers": partial(email.send, replace(EMAIL, extra={"subject": 7}))}, wrong=True)
    await said(other, sendgrid, {"a content of none": partial(other.send, replace(EMAIL, extra={"content": [{}]}))}, wrong=True)
    await said(chat, discord, {"a long content": partial(chat.post, replace(CHAT, extra={"content": "x" * 2001}))}, wrong=True)
    await said(sms, twilio, {"an id that is none": partial(_fetched_wrongly, sms)}, wrong=True)


async def _fetched_wrongly(sender: TwilioSmsSender) -> None:
    await sender._client.call("fetch", "GET", f"/2010-04-01/Accounts/{ACCOUNT}/Messages/SM1.json", 10.0)
