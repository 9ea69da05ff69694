"""The words, amounts and addresses on the sandbox's pages, and what its pages show as HTML and as JSON."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from madang.adapters.sandbox.chat import SandboxChat
from madang.adapters.sandbox.email import SandboxEmailSender
from madang.adapters.sandbox.messages import SentMessage
from madang.adapters.sandbox.pages import METHODS, ROOMS
from madang.adapters.sandbox.payment import SandboxPaymentGateway
from madang.adapters.sandbox.sms import SandboxSmsSender
from madang.adapters.sandbox.social import SandboxSocialPlatform
from madang.adapters.sandbox.views import HERE, amount_text, message_view, time_text, with_links
from madang.adapters.sandbox.wording import WORDS, language_of, say
from madang.plugins.conformance.social import CHALLENGE, VERIFIER
from madang.ports.chat import ChatField, ChatRequest
from madang.ports.email import Attachment, EmailAddress, EmailRequest
from madang.ports.money import Money
from madang.ports.payment import CheckoutRequest, RemotePaymentStatus
from madang.ports.secret import Secret
from madang.ports.sms import SmsRequest
from madang.ports.social import CodeExchange

Build = Callable[..., Any]
CHECKOUT = CheckoutRequest(
    "payment-1", Money(9900, "KRW"), "portrait", "http://shop.example/ok?a=1", "http://shop.example/no", "order-1", locale="en"
)
UNTOLD = {RemotePaymentStatus.AUTHORISED, RemotePaymentStatus.DISPUTED}


@pytest.fixture
def browser(visit: Callable[[], httpx.AsyncClient]) -> httpx.AsyncClient:
    return visit()


def test_every_word_of_the_templates_is_there_in_both_languages_and_none_besides() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in Path(HERE / "templates").iterdir())
    said = set(re.findall(r'say\("([a-z_]+)"[,)]', pages))
    made = {f"method_{each}" for each in METHODS} | set(ROOMS) | {f"{room}_note" for room in ROOMS}
    made |= {f"status_{status.value}" for status in RemotePaymentStatus if status not in UNTOLD}
    assert set(WORDS) == said | made | {"failure_declined", "not_found"}
    for korean, english in WORDS.values():
        assert re.search("[가-힣]", korean)
        assert english.isascii()


def test_a_word_is_said_in_one_language_and_an_unknown_one_as_it_is() -> None:
    assert (say("ko", "sum"), say("en", "sum"), say("fr", "sum")) == ("금액", "Amount", "Amount")
    assert (say("ko", "pay", amount="9,900원"), say("en", "elsewhere")) == ("9,900원 결제하기", "elsewhere")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "ko"), ("en-GB,ko;q=0.8", "en"), ("fr, EN;q=0.3", "en"), ("ko-KR,en", "ko"), ("fr", "ko"), (" ko , en", "ko")],
)
def test_a_page_speaks_the_language_that_the_browser_names_first(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


def test_amounts_times_and_links_are_written_for_people() -> None:
    assert (amount_text(Money(9900, "KRW"), "ko"), amount_text(Money(9900, "KRW"), "en")) == ("9,900원", "KRW 9,900")
    assert (amount_text(Money(123456, "USD"), "ko"), amount_text(Money(5, "USD"), "en")) == ("USD 1,234.56", "USD 0.05")
    assert time_text(0) == "1970-01-01 09:00:00"
    shown = with_links("<b> see http://a.example/x?y=1, then (https://b.example).")
    assert shown == (
        '&lt;b&gt; see <a href="http://a.example/x?y=1">http://a.example/x?y=1</a>, then '
        '(<a href="https://b.example">https://b.example</a>).'
    )
    message = SentMessage("id", "key", "sms", "to", "text", "subject", {"a": 1}, "delivered", 0.0)
    assert message_view(message) == {
        "id": "id",
        "key": "key",
        "recipient": "to",
        "subject": "subject",
        "text": "text",
        "details": {"a": 1},
        "status": "delivered",
        "time": "1970-01-01 09:00:00",
    }


async def test_what_was_sent_arrives_in_its_room_the_newest_first(sandbox: Build, browser: httpx.AsyncClient) -> None:
    sms, email, chat = sandbox(SandboxSmsSender), sandbox(SandboxEmailSender), sandbox(SandboxChat)
    for number, text in enumerate(("one", "two")):
        await sms.send(SmsRequest(f"+82101234567{number}", text, f"sms-{number}"))
    people = {name: EmailAddress(f"{name}@a.example", name.upper()) for name in ("to", "cc", "bcc", "sender", "back")}
    html = "<p>see</p>\n <p>http://a.example/x</p>"
    await email.send(
        EmailRequest(
            [people["to"], EmailAddress("b@a.example")],
            "subject",
            "email-1",
            html=html,
            cc=[people["cc"]],
            bcc=[people["bcc"]],
            sender=people["sender"],
            reply_to=people["back"],
            headers={"X-A": "1"},
            tags=["receipt"],
            attachments=[Attachment("a.txt", "text/plain", b"paper")],
        )
    )
    await chat.post(ChatRequest("<script>", "chat-1", fields=[ChatField("결과", "좋음")]))
    heard = (await browser.get("/sandbox/api/sms")).json()
    assert [(each["key"], each["text"], each["details"]) for each in heard] == [
        ("sms-1", "two", {"sender": "+821000000000"}),
        ("sms-0", "one", {"sender": "+821000000000"}),
    ]
    for narrowed in ("key=sms-0", "to=%2B821012345670"):
        assert [each["text"] for each in (await browser.get(f"/sandbox/api/sms?{narrowed}")).json()] == ["one"]
    [letter] = (await browser.get("/sandbox/api/emails")).json()
    assert (letter["recipient"], letter["text"]) == ("to@a.example, b@a.example", "see\nhttp://a.example/x")
    assert letter["details"] == {
        "sender": "SENDER <sender@a.example>",
        "replyTo": "BACK <back@a.example>",
        "cc": ["CC <cc@a.example>"],
        "bcc": ["BCC <bcc@a.example>"],
        "html": html,
        "tags": ["receipt"],
        "headers": {"X-A": "1"},
        "attachments": [{"filename": "a.txt", "contentType": "text/plain", "size": 5, "data": "cGFwZXI="}],
    }
    [posted] = (await browser.get("/sandbox/api/chat")).json()
    assert posted["recipient"] == "#general"
    assert posted["details"] == {
        "thread": None,
        "link": None,
        "tone": "neutral",
        "fields": [{"label": "결과", "value": "좋음"}],
    }
    for room, shown in (("sms", "two"), ("emails", '<a href="http://a.example/x">'), ("chat", "&lt;script&gt;")):
        page = await browser.get(f"/sandbox/{room}", headers={"accept-language": "en"})
        assert (page.headers["content-type"], page.headers["cache-control"]) == ("text/html; charset=utf-8", "no-store")
        assert shown in page.text
        assert say("en", room) in page.text
    index = (await browser.get("/sandbox/")).text
    assert [*map(int, re.findall(r'<span class="muted">(\d+)</span>', index))] == [2, 1, 1, 0]


@pytest.mark.parametrize("path", ["attic", "api/attic", "files/prd_1/x.jpg", "files/prd_1/0", "files/prd_1/10.jpg"])
async def test_what_is_not_there_is_not_found(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(f"/sandbox/{path}")
    error = {"code": "NOT_FOUND", "message": "찾을 수 없습니다.", "retryable": False}
    assert (answer.status_code, answer.json()) == (404, {"success": False, "error": error})
    assert error["message"] in answer.text, "people read it in a shell, too"


async def test_a_checkout_may_be_paid_stayed_at_cancelled_or_declined(sandbox: Build, browser: httpx.AsyncClient) -> None:
    gateway = sandbox(SandboxPaymentGateway)
    ended = {}
    for number, wishes in enumerate(
        (
            {"method": "phone", "stay": True},
            {"action": "pay", "method": "gold"},
            {"action": "cancel"},
            {"action": "decline"},
            {"action": "decline", "stay": True},
        )
    ):
        request = replace(CHECKOUT, payment_id=f"payment-{number}", idempotency_key=f"order-{number}")
        opened = (await gateway.open_checkout(request)).reference
        path = f"/sandbox/checkout/{opened}"
        assert "Pay KRW 9,900" in (await browser.get(path)).text
        answer = (await browser.post(f"{path}/pay", json=wishes)).json()
        payment = await gateway.fetch(opened)
        assert (answer["reference"], answer["paymentId"]) == (opened, f"payment-{number}")
        ended[number] = (answer["status"], payment.method, answer["redirectTo"].replace(path, "here"))
        page = (await browser.get(path)).text
        assert say("en", f"status_{answer['status']}") in page
        assert (say("en", "ended") in page) == (answer["status"] != "failed")
    assert ended == {
        0: ("paid", "phone", "here"),
        1: ("paid", "card", "http://shop.example/ok?a=1"),
        2: ("cancelled", None, "http://shop.example/no"),
        3: ("failed", None, "here"),
        4: ("failed", None, "here"),
    }
    refused = await browser.post(f"{path}/pay", json={"action": "steal"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    listed = (await browser.get("/sandbox/api/payments")).json()
    assert {each["payment_id"]: each["status"] for each in listed} == {
        f"payment-{number}": status for number, (status, _, _) in ended.items()
    }
    assert set(listed[0]) == {
        "reference", "payment_id", "status", "amount", "currency", "refunded", "method", "failure", "paid_at",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("handle", "redirect_uri", "known_as", "joined"),
    [
        ("Cafe-Seoul!", "http://a.example/back?x=1", "cafeseoul", "&"),
        ("", "http://a.example/back", "sandbox_member", "?"),
        ("a" * 40, "http://a.example/back", "a" * 30, "?"),
    ],
)
async def test_a_person_connects_the_account_that_they_name(
    sandbox: Build, browser: httpx.AsyncClient, handle: str, redirect_uri: str, known_as: str, joined: str
) -> None:
    wanted = {"redirect_uri": redirect_uri, "state": "s", "code_challenge": CHALLENGE}
    page = (await browser.get("/sandbox/authorize", params=wanted)).text
    assert all(f'value="{each}"' in page for each in wanted.values())
    answer = (await browser.post("/sandbox/authorize", json={**wanted, "handle": handle})).json()
    assert re.fullmatch(re.escape(f"{redirect_uri}{joined}code=") + "code_[0-9a-f]{24}&state=s", answer["redirectTo"])
    code = answer["redirectTo"].rpartition("code=")[2].partition("&")[0]
    grant = await sandbox(SandboxSocialPlatform).exchange_code(CodeExchange(Secret(code), Secret(VERIFIER), redirect_uri))
    assert grant.account.handle == known_as
    sent = await browser.post("/sandbox/authorize", data={**wanted, "handle": handle})
    assert (sent.status_code, sent.headers["location"].startswith(f"{redirect_uri}{joined}code=")) == (303, True)


async def test_the_pages_have_one_stylesheet(browser: httpx.AsyncClient) -> None:
    sheet = await browser.get("/sandbox/assets/sandbox.css")
    assert sheet.headers["content-type"] == "text/css; charset=utf-8"
    assert sheet.headers["cache-control"] == "public, max-age=300"
    assert "body" in sheet.text
