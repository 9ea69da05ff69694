"""One reason to write is one message, in the person's language, to where they are when it is sent."""

import asyncio
import dataclasses
from typing import Any

import pytest

from deployment import Deployment, Member
from madang.core.identity.model import EMAIL_PURPOSE, PHONE_PURPOSE, UserStatus

LINK = "https://example.com/verify?token=fake-token"


async def notify(deployment: Deployment, member: Member, kind: str = "identity.verify_email", **changes: Any) -> None:
    values = changes.pop("values", {"link": LINK} if kind == "identity.verify_email" else {})
    async with deployment.container.units() as uow:
        asked = {"key": f"test:{kind}", "values": values, **changes}
        await deployment.container.notifications.notify(uow, member.id, kind, **asked)


async def change(deployment: Deployment, member: Member, **changes: Any) -> None:
    async with deployment.container.units() as uow:
        user = await uow.users.get(member.id, lock=True)
        assert user is not None
        await uow.users.update(dataclasses.replace(user, version=user.version + 1, **changes))


async def states(deployment: Deployment) -> list[tuple[str, str | None, str | None]]:
    rows = await deployment.rows("SELECT status, channel, failure FROM notifications ORDER BY id")
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("locale", "subject", "words"),
    [("ko", "이메일 주소를 확인해 주세요", "확인하기"), ("en", "Please confirm your e-mail address", "Confirm")],
)
async def test_it_arrives_in_the_persons_language_as_text_and_as_html(
    deployment: Deployment, locale: str, subject: str, words: str
) -> None:
    member = await deployment.member(locale=locale)
    await notify(deployment, member)
    await deployment.work()
    [mail] = await deployment.e_mails()
    assert (mail.recipient, mail.subject) == (member.email, subject)
    assert LINK in mail.text
    assert words in mail.text
    assert f'href="{LINK}"' in mail.details["html"]
    assert await states(deployment) == [("sent", "email", None)]


async def test_an_outage_of_hours_does_not_swallow_what_somebody_must_know(deployment: Deployment) -> None:
    await deployment.told_to(",".join(f"email.send:unavailable@{number}" for number in range(1, 20)))
    await notify(deployment, await deployment.member(), "identity.password_changed")
    for _ in range(8):
        await deployment.work()
        await deployment.let_pass(minutes=31)
    assert await states(deployment) == [("queued", "email", None)]
    assert await deployment.value("SELECT state FROM messages") == "waiting"


async def test_a_message_whose_work_is_lost_is_named_and_sent_once_also_when_two_mend(deployment: Deployment) -> None:
    member = await deployment.member()
    async with deployment.container.units() as uow:
        await deployment.container.notifications.notify(uow, member.id, "identity.password_changed", key="lost", values={})
    await deployment.execute("DELETE FROM messages")
    await deployment.let_pass(minutes=11)
    [invariant] = [one for one in deployment.container.invariants if one.name == "every-notification-is-sent"]
    [violation] = await invariant.violations()
    await asyncio.gather(invariant.mend(violation), invariant.mend(violation))
    assert await deployment.value("SELECT count(*) FROM messages") == 1
    assert await invariant.violations() == []
    await deployment.work()
    assert len(await deployment.e_mails()) == 1


async def test_a_hundred_at_once_for_one_reason_are_one_mail(deployment: Deployment) -> None:
    member = await deployment.member()
    await asyncio.gather(*(notify(deployment, member) for _ in range(100)))
    await deployment.work()
    assert len(await deployment.e_mails()) == 1


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("nobody.declared_it", {}),
        ("identity.verify_email", {}),
        ("identity.verify_email", {"link": LINK, "role": "admin"}),
        ("identity.verify_email", {"link": "javascript:alert(1)"}),
        ("operations.alert_raised", {"rule": "r", "summary": "s", "since": "now"}),
    ],
)
async def test_what_cannot_be_put_into_words_is_refused_where_it_is_asked_for(
    deployment: Deployment, kind: str, values: dict[str, str]
) -> None:
    member = await deployment.member()
    with pytest.raises(LookupError):
        await notify(deployment, member, kind, values=values)
    assert await states(deployment) == []


@pytest.mark.parametrize("fault", ["unavailable@1", "answer_lost@1", "rate_limited=1@1"])
async def test_whatever_goes_wrong_with_the_provider_it_is_one_mail(deployment: Deployment, fault: str) -> None:
    member = await deployment.member()
    await notify(deployment, member)
    await deployment.told_to(f"email.send:{fault}")
    await deployment.work()
    await deployment.let_pass(minutes=1)
    await deployment.work()
    assert len(await deployment.e_mails()) == 1
    [(status, channel, _)] = await states(deployment)
    assert (status in ("sent", "delivered"), channel) == (True, "email")


@pytest.mark.parametrize("status", [UserStatus.SUSPENDED, UserStatus.ERASED])
async def test_who_is_suspended_or_gone_by_then_gets_nothing(deployment: Deployment, status: UserStatus) -> None:
    member = await deployment.member()
    await notify(deployment, member)
    await change(deployment, member, status=status, email=None, email_hash=None, name=None)
    await deployment.work()
    assert await deployment.e_mails() == []
    assert await states(deployment) == [("withheld", None, "account_not_active")]


async def test_it_goes_to_the_address_that_the_person_has_when_it_is_sent(deployment: Deployment) -> None:
    member = await deployment.member()
    await notify(deployment, member)
    await deployment.told_to("email.send:unavailable@1")
    await deployment.work()
    cipher = deployment.container.cipher
    await change(
        deployment,
        member,
        email=cipher.encrypt("moved@example.com", purpose=EMAIL_PURPOSE),
        email_hash=cipher.keyed_hash("moved@example.com", purpose=EMAIL_PURPOSE),
    )
    await deployment.let_pass(minutes=1)
    await deployment.work()
    assert [mail.recipient for mail in await deployment.e_mails()] == ["moved@example.com"]


async def test_without_an_e_mail_address_what_is_no_matter_of_security_goes_to_the_phone(deployment: Deployment) -> None:
    member = await deployment.member()
    phone = deployment.container.cipher.encrypt("+821000000000", purpose=PHONE_PURPOSE)
    await change(deployment, member, email=None, email_hash=None, phone=phone)
    await notify(deployment, member, "webhooks.endpoint_disabled", values={"host": "hooks.example.com"})
    await notify(deployment, member, "identity.password_changed")
    await deployment.work()
    assert [text.recipient for text in await deployment.texts()] == ["+821000000000"]
    assert await states(deployment) == [("sent", "sms", None), ("withheld", None, "no_address")]


async def test_a_farewell_reaches_who_is_erased_in_the_same_commit_and_nothing_is_kept(deployment: Deployment) -> None:
    member = await deployment.member()
    async with deployment.container.units() as uow:
        await deployment.container.notifications.notify(uow, member.id, "privacy.erased", key="bye", values={})
        user = await uow.users.get(member.id, lock=True)
        assert user is not None
        gone = {"email": None, "email_hash": None, "name": None, "status": UserStatus.ERASED}
        await uow.users.update(dataclasses.replace(user, version=user.version + 1, **gone))
    await deployment.work()
    assert [mail.recipient for mail in await deployment.e_mails()] == [member.email]
    assert await deployment.value("SELECT num_nonnulls(recipient, text, content, user_id) FROM notifications") == 0


async def test_nothing_legible_is_stored_and_the_words_go_once_they_have_arrived(deployment: Deployment) -> None:
    member = await deployment.member()
    await notify(deployment, member)
    stored = (
        "SELECT string_agg(stored::text, '') FROM (SELECT to_jsonb(n) AS stored FROM notifications n "
        "UNION ALL SELECT to_jsonb(m) FROM messages m) everything"
    )
    queued = await deployment.value(stored)
    await deployment.work()
    sent = await deployment.value(stored)
    assert await deployment.value("SELECT num_nonnulls(text, content) FROM notifications") == 0
    for secret in (LINK, "fake-token", member.email):
        assert secret not in queued
        assert secret not in sent
