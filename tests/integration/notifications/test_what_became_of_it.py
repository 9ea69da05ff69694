"""A person sees what was sent to them and what became of it; providers tell it, or are asked."""

import json
from typing import Any

import httpx
import msgspec
import pytest

from deployment import Deployment, Member
from integration.notifications import post_office
from madang.adapters.sandbox import messages
from madang.core.kernel.personal_data import PersonalData
from madang.ports.errors import OutcomeUnknown, Unavailable

NEWS = {"title": "소식", "text": "글"}


async def write(deployment: Deployment, member: Member, kind: str = "product.news", key: str = "1") -> None:
    values = {"product.news": NEWS, "webhooks.endpoint_disabled": {"host": "hooks.example.com"}}.get(kind, {})
    async with deployment.container.units() as uow:
        await deployment.container.notifications.notify(uow, member.id, kind, key=f"{kind}:{key}", values=values)
    await deployment.work()


async def log_of(deployment: Deployment, member: Member) -> list[dict[str, Any]]:
    answer = await deployment.client.get("/notifications", headers=member.headers)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def report(deployment: Deployment, *told: dict[str, Any], signature: str | None = None) -> httpx.Response:
    body = json.dumps(told).encode()
    headers = {"x-signature": post_office.signature_of(body) if signature is None else signature}
    answer = await deployment.client.post("/webhooks/email/post_office", content=body, headers=headers)
    await deployment.work()
    return answer


def about(letter: Any, status: str, *, event: str = "evt-1", permanent: bool = False) -> dict[str, Any]:
    receipt = post_office.receipt_of(letter.idempotency_key)
    return {"id": event, "receipt": receipt, "status": status, "permanent": permanent}


def personal_data(deployment: Deployment) -> PersonalData[Any]:
    return next(each for each in deployment.container.personal_data if each.name == "notifications")


async def test_a_person_sees_their_own_messages_page_by_page_and_nobody_elses(deployment: Deployment) -> None:
    member, other = await deployment.member(email="kim@example.com"), await deployment.member()
    for number in range(3):
        await write(deployment, member, key=f"{number}")
    await write(deployment, other)
    first = (await deployment.client.get("/notifications?limit=2", headers=member.headers)).json()
    cursor = first["meta"]["pagination"]["nextCursor"]
    second = (await deployment.client.get(f"/notifications?limit=2&cursor={cursor}", headers=member.headers)).json()
    seen = [*first["data"], *second["data"]]
    assert [each["createdAt"] for each in seen] == sorted((each["createdAt"] for each in seen), reverse=True)
    assert (len({each["id"] for each in seen}), second["meta"]["pagination"]["nextCursor"]) == (3, None)
    assert {(each["kind"], each["channel"], each["recipient"]) for each in seen} == {
        ("product.news", "email", "k***@example.com")
    }
    assert "소식" not in json.dumps(seen, ensure_ascii=False)
    wrong = await deployment.client.get("/notifications?cursor=x", headers=member.headers)
    assert wrong.json()["error"]["code"] == "VALIDATION_ERROR"
    assert (await deployment.client.get("/notifications")).status_code == 401


async def test_a_provider_with_reports_is_asked_until_it_knows(deployment: Deployment) -> None:
    member = await deployment.member()
    await write(deployment, member)
    [mail] = await deployment.e_mails()
    await deployment.world.run(lambda c: messages.set_status(c, mail.id, "delayed"))
    for minutes, expected in ((2, "sent"), (11, "delivered")):
        await deployment.let_pass(minutes=minutes)
        await deployment.work()
        [entry] = await log_of(deployment, member)
        assert entry["status"] == expected
        await deployment.world.run(lambda c: messages.set_status(c, mail.id, "delivered"))


async def test_a_report_that_comes_twice_is_one_and_a_forged_one_is_none(with_post_office: Deployment) -> None:
    deployment = with_post_office
    member = await deployment.member()
    await write(deployment, member)
    [letter] = post_office.letters
    assert (letter.tags, [each.address for each in letter.to]) == (["product.news"], [member.email])
    forged = await report(deployment, about(letter, "bounced", permanent=True), signature="00")
    assert forged.json()["error"]["code"] == "SIGNATURE_INVALID"
    assert await deployment.value("SELECT count(*) FROM inbox") == 0
    for _ in range(2):
        assert (await report(deployment, about(letter, "delivered"))).status_code == 200
    assert [tuple(row) for row in await deployment.rows("SELECT provider, outcome FROM inbox")] == [
        ("email:post_office", "applied")
    ]
    assert [entry["status"] for entry in await log_of(deployment, member)] == ["delivered"]
    assert (await deployment.client.post("/webhooks/email/sandbox", content=b"[]")).status_code == 404


@pytest.mark.parametrize("told", [{"status": "bounced", "permanent": True}, {"status": "complained"}])
async def test_an_address_that_refused_or_complained_gets_security_only(
    with_post_office: Deployment, told: dict[str, Any]
) -> None:
    deployment = with_post_office
    member = await deployment.member()
    await write(deployment, member)
    await report(deployment, about(post_office.letters[0], **told))
    await write(deployment, member, key="again")
    await write(deployment, member, "webhooks.endpoint_disabled")
    await write(deployment, member, "identity.password_changed")
    assert [letter.subject for letter in post_office.letters] == ["소식", "비밀번호가 변경되었습니다"]
    stored = await deployment.value("SELECT string_agg(to_jsonb(inbox)::text, '') FROM inbox")
    assert "example.com" not in stored
    exported = await _exported(deployment, member)
    assert [each["address"] for each in exported["suppressedAddresses"]] == [member.email]


async def test_a_soft_bounce_suppresses_nothing(with_post_office: Deployment) -> None:
    deployment = with_post_office
    member = await deployment.member()
    await write(deployment, member)
    await report(deployment, about(post_office.letters[0], "bounced"))
    await write(deployment, member, key="again")
    assert [entry["status"] for entry in await log_of(deployment, member)] == ["sent", "failed"]


async def test_a_report_that_overtakes_the_answer_is_kept_until_it_fits(with_post_office: Deployment) -> None:
    deployment = with_post_office
    member = await deployment.member()
    await write(deployment, member)
    [letter] = post_office.letters
    receipt = post_office.receipt_of(letter.idempotency_key)
    await deployment.execute("UPDATE notifications SET receipt_id = NULL")
    await report(deployment, about(letter, "delivered"), {"id": "evt-2", "receipt": "somebody-elses", "status": "delivered"})
    await deployment.execute("UPDATE notifications SET receipt_id = $1", receipt)
    for minutes in (1, 2, 10, 60):
        await deployment.let_pass(minutes=minutes)
        await deployment.work()
    assert [entry["status"] for entry in await log_of(deployment, member)] == ["delivered"]
    outcomes = await deployment.rows("SELECT event_id, outcome FROM inbox ORDER BY event_id")
    assert [tuple(row) for row in outcomes] == [("evt-1", "applied"), ("evt-2", "unknown_receipt")]
    assert await deployment.value("SELECT count(*) FROM messages WHERE state = 'dead'") == 0


async def test_a_report_waits_half_an_hour_for_the_answer_that_it_overtook(with_post_office: Deployment) -> None:
    deployment = with_post_office
    member = await deployment.member()
    await write(deployment, member)
    [letter] = post_office.letters
    receipt = post_office.receipt_of(letter.idempotency_key)
    await deployment.execute("UPDATE notifications SET receipt_id = NULL")
    await report(deployment, about(letter, "delivered"))
    for minutes in (1, 1, 6):
        await deployment.let_pass(minutes=minutes)
        await deployment.work()
    await deployment.execute("UPDATE notifications SET receipt_id = $1", receipt)
    await deployment.let_pass(minutes=31)
    await deployment.work()
    assert [entry["status"] for entry in await log_of(deployment, member)] == ["delivered"]


async def test_the_second_provider_sends_what_the_first_surely_did_not(with_post_office: Deployment) -> None:
    deployment = with_post_office
    member = await deployment.member()
    post_office.troubles.append(Unavailable("closed"))
    await write(deployment, member)
    assert (len(post_office.letters), len(await deployment.e_mails())) == (0, 1)
    post_office.troubles.append(OutcomeUnknown("perhaps"))
    await write(deployment, member, key="2")
    await deployment.let_pass(minutes=1)
    await deployment.work()
    assert (len(post_office.letters), len(await deployment.e_mails())) == (1, 1)


async def test_what_a_provider_refuses_is_failed_and_its_words_stay_with_the_operators(deployment: Deployment) -> None:
    member = await deployment.member()
    await deployment.told_to("email.send:rejected=invalid_recipient@1")
    await write(deployment, member)
    [entry] = await log_of(deployment, member)
    assert (entry["status"], entry["reason"]) == ("failed", "provider_refused")
    assert await deployment.value("SELECT count(*) FROM messages WHERE state = 'dead'") == 1


# What is kept, and for how long


async def _exported(deployment: Deployment, member: Member) -> Any:
    async with deployment.container.units() as uow:
        return await personal_data(deployment).export(uow, member.id)


async def test_a_person_takes_along_what_is_kept_and_leaves_nothing_behind(with_post_office: Deployment) -> None:
    deployment = with_post_office
    member, other = await deployment.member(), await deployment.member()
    await write(deployment, other, key="other")
    await write(deployment, member)
    await report(deployment, about(post_office.letters[1], "complained"))
    await deployment.client.put(
        "/notifications/preferences",
        headers=member.headers,
        json={"transactional": ["sms"], "product": ["email"], "marketing": []},
    )
    async with deployment.container.units() as uow:
        await deployment.container.notifications.notify(uow, member.id, "product.news", key="queued", values=NEWS)
    exported = await _exported(deployment, member)
    assert msgspec.json.decode(msgspec.json.encode(exported)).keys() == exported.keys()
    assert exported["preferences"]["transactional"] == ["sms"]
    assert [sent["recipient"] for sent in exported["sent"]] == [member.email, None]
    now = deployment.container.clock.now()
    for _ in range(2):
        async with deployment.container.units() as uow:
            erased = await personal_data(deployment).erase(uow, member.id, now)
    assert set(erased.values()) == {0}
    await deployment.work()
    assert len(post_office.letters) == 2
    assert await _exported(deployment, member) == {"sent": [], "preferences": {}, "suppressedAddresses": []}
    assert len((await _exported(deployment, other))["sent"]) == 1
    left = "SELECT count(*) FROM notifications WHERE num_nonnulls(recipient, text, content, user_id) > 0"
    assert await deployment.value(left) == 1


async def test_addresses_and_words_go_after_weeks_and_the_log_after_a_year(deployment: Deployment) -> None:
    member = await deployment.member()
    await write(deployment, member)
    async with deployment.container.units() as uow:
        await deployment.container.notifications.notify(uow, member.id, "product.news", key="stuck", values=NEWS)
    await deployment.execute("DELETE FROM messages")
    await deployment.container.schedule_recurring_work()
    kept = (
        "SELECT count(*), count(recipient) + count(text) + count(content), count(*) FILTER (WHERE status = 'withheld') "
        "FROM notifications"
    )
    for days, expected in ((29, (2, 2, 0)), (2, (2, 0, 1)), (340, (0, 0, 0))):
        await deployment.execute("UPDATE notifications SET created_at = created_at - make_interval(days => $1)", days)
        await deployment.let_pass(hours=4)
        await deployment.work()
        [row] = await deployment.rows(kept)
        assert tuple(row) == expected


async def test_a_report_whose_message_got_lost_is_found_and_handled_by_its_own_context(with_post_office: Deployment) -> None:
    deployment = with_post_office
    member = await deployment.member()
    await write(deployment, member)
    body = json.dumps([about(post_office.letters[0], "delivered")]).encode()
    headers = {"x-signature": post_office.signature_of(body)}
    await deployment.client.post("/webhooks/email/post_office", content=body, headers=headers)
    await deployment.execute("DELETE FROM messages")
    await deployment.let_pass(minutes=2)
    for invariant in deployment.container.invariants:
        for violation in await invariant.violations():
            if violation.subject.startswith("inbox:"):
                assert await invariant.mend(violation) == "sent notifications.handle_report"
    await deployment.work()
    assert [entry["status"] for entry in await log_of(deployment, member)] == ["delivered"]
