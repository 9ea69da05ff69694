"""People say which messages they want and by which channel, signed in or by a letter's own link."""

import asyncio
import io
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import structlog

from deployment import Deployment, Member, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from madang.adapters.sandbox import messages
from madang.core.identity.roles import Role
from madang.core.kernel.errors import StaleVersion
from madang.core.notifications.model import Category
from madang.entrypoints.logs import configure_logs

PATH = "/notifications/preferences"
ALL = {"transactional": ["email", "sms"], "product": ["email"], "marketing": ["email"]}
IN_CHAT = {**ALL, "product": ["chat", "email"]}
NEWS = {"title": "소식", "text": "글"}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that this process logs; what the test's own client says of its calls is told apart by its name."""
    root = logging.getLogger()
    handlers, level, stream = list(root.handlers), root.level, io.StringIO()
    configure_logs(level="debug", log_format="json", stream=stream)
    structlog.configure(cache_logger_on_first_use=False)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


async def write(deployment: Deployment, member: Member, kind: str, key: str = "1", **values: str) -> None:
    async with deployment.container.units() as uow:
        await deployment.container.notifications.notify(uow, member.id, kind, key=f"{kind}:{key}", values=values)
    await deployment.work()


async def subjects(deployment: Deployment) -> list[str | None]:
    return [mail.subject for mail in await deployment.e_mails()]


async def channels(deployment: Deployment, member: Member) -> dict[str, list[str]]:
    answer = await deployment.client.get(PATH, headers=member.headers)
    return {each["category"]: each["channels"] for each in answer.json()["data"]["categories"]}


async def posts(deployment: Deployment) -> list[tuple[str | None, str]]:
    found = await deployment.world.run(lambda c: messages.recent(c, "chat"))
    return [(each.subject, each.text) for each in found]


async def link_in_a_letter(deployment: Deployment, member: Member) -> str:
    await write(deployment, member, "product.news", "for-the-link", **NEWS)
    [mail] = await deployment.e_mails()
    assert mail.details["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail.details["headers"]["List-Unsubscribe"].strip("<>")
    assert link in mail.text
    assert link.replace("&", "&amp;") in mail.details["html"]
    return link


async def test_what_is_switched_off_does_not_come_and_what_is_asked_for_does(deployment: Deployment) -> None:
    member = await deployment.member()
    assert await channels(deployment, member) == {
        "security": ["email"],
        "transactional": ["email", "sms"],
        "product": ["email"],
        "marketing": [],
    }
    await write(deployment, member, "marketing.offer", "before", title="싸다", text="글")
    changed = await deployment.client.put(PATH, headers=member.headers, json={**ALL, "product": []})
    assert changed.status_code == 200
    await write(deployment, member, "marketing.offer", "after", title="싸다", text="글")
    await write(deployment, member, "product.news", **NEWS)
    await write(deployment, member, "identity.password_changed")
    assert await subjects(deployment) == ["(광고) 싸다", "비밀번호가 변경되었습니다"]
    assert await deployment.value("SELECT count(*) FROM audit_events WHERE action = 'PREFERENCES_CHANGED'") == 1


async def test_of_two_who_edit_at_once_the_second_reads_again_first(deployment: Deployment) -> None:
    member = await deployment.member()
    before = await deployment.client.get(PATH, headers=member.headers)
    headers = {**member.headers, "If-Match": before.headers["etag"]}
    answers = await asyncio.gather(*(deployment.client.put(PATH, headers=headers, json=ALL) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    again = await deployment.client.put(PATH, headers=headers, json=ALL)
    assert (again.status_code, again.json()["error"]["code"]) == (412, StaleVersion.code)
    assert (await deployment.client.get(PATH, headers=member.headers)).headers["etag"] == '"1"'


@pytest.mark.parametrize(
    "body",
    [
        {**ALL, "transactional": []},
        {**ALL, "product": ["email", "email"]},
        {**ALL, "product": ["chat"]},
        {**ALL, "marketing": ["sms"]},
        {**ALL, "security": []},
        {**ALL, "userId": "01997f2e-6c00-7a10-9c3e-0242ac120002"},
        {"product": []},
    ],
)
async def test_what_cannot_be_wanted_is_refused_with_its_place(deployment: Deployment, body: dict[str, Any]) -> None:
    member = await deployment.member()
    answer = await deployment.client.put(PATH, headers=member.headers, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert await deployment.value("SELECT count(*) FROM notification_preferences") == 0


async def test_a_letters_link_shows_a_page_and_changes_nothing_until_the_button(deployment: Deployment) -> None:
    member = await deployment.member()
    link = await link_in_a_letter(deployment, member)
    for language, words in (("ko", "그만 받으시겠어요?"), ("en", "Stop these messages?")):
        page = await deployment.client.get(link, headers={"Accept-Language": language})
        assert page.status_code == 200
        assert words in page.text
        assert "Madang" in page.text
    assert (await channels(deployment, member))["product"] == ["email"]
    action = page.text.partition('action="')[2].partition('"')[0].replace("&amp;", "&")
    done = await deployment.client.post(httpx.URL(link).join(action), headers={"Origin": "null"})
    assert done.status_code == 200
    assert "We have stopped" in done.text
    assert (await channels(deployment, member))["product"] == []


async def test_one_click_twice_is_one_change_and_its_letters_stop(deployment: Deployment) -> None:
    member = await deployment.member()
    link = await link_in_a_letter(deployment, member)
    clicks = [
        deployment.client.post(link, data={"List-Unsubscribe": "One-Click"}),
        deployment.client.post(link, files={"List-Unsubscribe": (None, "One-Click")}),
        deployment.client.post(link, headers={"Origin": "https://mail.example.com", "Sec-Fetch-Site": "cross-site"}),
    ]
    assert [answer.status_code for answer in await asyncio.gather(*clicks)] == [200, 200, 200]
    assert await deployment.value("SELECT version FROM notification_preferences") == 1
    assert await deployment.value("SELECT count(*) FROM audit_events WHERE action = 'PREFERENCES_CHANGED'") == 1
    await write(deployment, member, "product.news", "after", **NEWS)
    assert len(await deployment.e_mails()) == 1
    assert await deployment.value("SELECT failure FROM notifications WHERE status = 'withheld'") == "switched_off"


async def test_a_link_that_is_none_of_ours_switches_nothing_off(deployment: Deployment) -> None:
    member = await deployment.member()
    link = await link_in_a_letter(deployment, member)
    at = deployment.container.clock.now()
    tokens = deployment.container.tokens
    security = tokens.issue("unsubscribe", str(member.id), expires_at=at + timedelta(days=365), extra={"category": "security"})
    api = member.headers["Authorization"].removeprefix("Bearer ")
    for token in ("", "x", link.partition("token=")[2][:-2], api, security, "ä", "x" * 10_000):
        for call in (deployment.client.get, deployment.client.post):
            answer = await call(link.partition("?")[0], params={"token": token})
            assert answer.status_code in (400, 414)
    assert (await channels(deployment, member))["product"] == ["email"]


async def test_who_has_gone_is_not_remembered_for_a_click(deployment: Deployment) -> None:
    member = await deployment.member()
    link = await link_in_a_letter(deployment, member)
    await deployment.execute(
        "UPDATE users SET status = 'erased', email = NULL, email_hash = NULL, name = NULL WHERE id = $1", member.id
    )
    assert (await deployment.client.post(link)).status_code == 200
    assert await deployment.value("SELECT count(*) FROM notification_preferences") == 0


async def test_a_link_opens_nothing_else_and_is_in_no_log_line(deployment: Deployment, lines: io.StringIO) -> None:
    member = await deployment.member()
    link = await link_in_a_letter(deployment, member)
    token = link.partition("token=")[2]
    refused = await deployment.client.get("/notifications", headers={"Authorization": f"Bearer {token}"})
    await deployment.client.post(link)
    assert refused.status_code == 401
    assert f'"path": "{urlsplit(link).path}"' in lines.getvalue()
    assert token not in "".join(line for line in lines.getvalue().splitlines() if '"logger": "httpx"' not in line)


async def test_an_unsubscribe_that_comes_between_two_tries_is_heard(deployment: Deployment) -> None:
    member = await deployment.member()
    await deployment.told_to("email.send:unavailable@1")
    await write(deployment, member, "product.news", **NEWS)
    token = deployment.container.tokens.issue(
        "unsubscribe",
        str(member.id),
        expires_at=deployment.container.clock.now().replace(year=2100),
        extra={"category": "product"},
    )
    caller = deployment.container.notification_preferences
    assert caller.subscription(token) is Category.PRODUCT
    await deployment.client.post(f"{deployment.container.settings.base_url}/unsubscribe", params={"token": token})
    await deployment.let_pass(minutes=1)
    await deployment.work()
    assert await deployment.e_mails() == []


async def test_an_unconfirmed_address_gets_what_it_must_and_no_news(deployment: Deployment) -> None:
    member = await deployment.member()
    await deployment.execute("UPDATE users SET email_verified_at = NULL")
    await write(deployment, member, "product.news", **NEWS)
    await write(deployment, member, "identity.verify_email", link="https://example.com/v")
    assert await subjects(deployment) == ["이메일 주소를 확인해 주세요"]


async def test_who_is_in_the_team_has_messages_in_its_chat_by_name(open_deployment: OpenDeployment) -> None:
    async with open_deployment(routes={**SANDBOX_ROUTES, "chat": ["sandbox"]}) as deployment:
        developer = await deployment.member(Role.DEVELOPER)
        chosen = await deployment.client.put(PATH, json=IN_CHAT, headers=dict(developer.headers))
        assert chosen.status_code == 200, chosen.text
        await deployment.told_to("chat.post:answer_lost@1")
        await write(deployment, developer, "product.news", **NEWS)
        await deployment.let_pass(minutes=1)
        await deployment.work()
        assert await posts(deployment) == [("홍길동: 소식", "글")]
        assert await subjects(deployment) == []
        await deployment.execute("UPDATE users SET role = 'client'")
        await write(deployment, developer, "product.news", "later", **NEWS)
        assert len(await posts(deployment)) == 1
        assert await subjects(deployment) == ["소식"]


async def test_without_a_chat_the_next_channel_is_used(deployment: Deployment) -> None:
    developer = await deployment.member(Role.DEVELOPER)
    await deployment.client.put(PATH, json=IN_CHAT, headers=dict(developer.headers))
    await write(deployment, developer, "product.news", **NEWS)
    assert await subjects(deployment) == ["소식"]


async def test_the_teams_chat_is_for_the_team(deployment: Deployment) -> None:
    member = await deployment.member()
    refused = await deployment.client.put(PATH, json=IN_CHAT, headers=dict(member.headers))
    assert refused.status_code == 400
    assert refused.json()["error"]["details"] == [{"path": "product", "message": "the chat is the team's own"}]
