"""Credits over HTTP: what one has, what became of them, spending them once, and being given some."""

import asyncio
from typing import Any

import pytest

from deployment import Deployment, Member
from integration.credits.bookkeeping import DAY, HOUR, Books, now
from madang.core.billing.credits.accounts import Deduction
from madang.core.identity.roles import Role
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.ids import new_id
from madang.core.kernel.live import channel_of
from madang.core.operations.audit import AuditAction

DEDUCT = "/credits/deduct"
GRANTS = "/admin/credits/grants"


async def asked(deployment: Deployment, member: Member, path: str, **query: Any) -> dict[str, Any]:
    answer = await deployment.client.get(path, params=query, headers=member.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def deduct(deployment: Deployment, member: Member, amount: int, *, key: str | None = None, **more: Any) -> Any:
    headers = {**member.headers, **({} if key is None else {"Idempotency-Key": key})}
    return await deployment.client.post(DEDUCT, json={"amount": amount, "reason": "a test", **more}, headers=headers)


async def test_the_balance_says_what_there_is_what_is_held_and_what_ends_soon(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    nothing = {"balance": 0, "held": 0, "expiringSoon": None}
    assert (await asked(deployment, member, "/credits/balance"))["data"] == nothing
    first = now() + 3 * DAY
    for amount, expires_at in ((10, first), (20, now() + 29 * DAY), (30, now() + 31 * DAY), (40, None)):
        await books.grant(member, amount, expires_at=expires_at)
    await books.hold(member, 5, "a job")
    told = (await asked(deployment, member, "/credits/balance"))["data"]
    assert (told["balance"], told["held"], told["expiringSoon"]["amount"]) == (95, 5, 25)
    assert told["expiringSoon"]["expiresAt"].endswith("+09:00")
    assert told["expiringSoon"]["expiresAt"][:10] == (first + 9 * HOUR).date().isoformat()


async def test_spending_says_what_it_used_and_what_is_left(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 100)
    answer = await deduct(deployment, member, 30, clientReference="mine-1")
    assert answer.status_code == 201
    data = answer.json()["data"]
    assert (data["amount"], data["balance"], data["reason"], data["clientReference"]) == (30, 70, "a test", "mine-1")
    assert answer.json()["meta"]["creditsUsed"] == 30
    assert "creditsUsed" not in (await asked(deployment, member, "/credits/balance"))["meta"]
    async with deployment.container.units() as uow:
        [event] = await uow.audit.about(member.id, limit=10)
    assert (event.action, event.details) == (AuditAction.CREDITS_SPENT, {"amount": 30})


async def test_too_few_credits_take_nothing_and_say_what_there_is(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 10)
    answer = await deduct(deployment, member, 11)
    assert answer.status_code == 402
    error = answer.json()["error"]
    assert (error["code"], error["details"], error["retryable"]) == (
        "INSUFFICIENT_CREDITS",
        {"balance": 10, "required": 11},
        False,
    )
    assert await books.have(member) == (10, 0)


async def test_a_hundred_calls_at_once_spend_what_there_is_and_no_more(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 60)
    answers = await asyncio.gather(*(deduct(deployment, member, 2) for _ in range(95)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(402)) == (30, 65)
    assert sorted(a.json()["data"]["balance"] for a in answers if a.is_success) == list(range(0, 60, 2))
    assert await books.have(member) == (0, 0)
    await books.check()


async def test_a_double_click_spends_once(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 100)
    first = await deduct(deployment, member, 30, key="once")
    again = await deduct(deployment, member, 30, key="once")
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert (await deduct(deployment, member, 31, key="once")).json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    await asyncio.gather(*(deduct(deployment, member, 5, key="at-once") for _ in range(10)))
    assert await books.have(member) == (65, 0)


async def test_a_reference_of_ones_own_spends_once_whatever_the_key_and_whatever_is_left(
    deployment: Deployment, books: Books
) -> None:
    member, other = await deployment.member(), await deployment.member()
    for each in (member, other):
        await books.grant(each, 10)
    first = await deduct(deployment, member, 10, clientReference="mine")
    again = await deduct(deployment, member, 10, clientReference="mine")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "ALREADY_EXISTS")
    assert again.json()["error"]["details"] == {"id": first.json()["data"]["id"]}
    at_once = await asyncio.gather(*(deduct(deployment, other, 2, clientReference="mine") for _ in range(5)))
    assert sorted(answer.status_code for answer in at_once) == [201, 409, 409, 409, 409]
    assert await books.have(other) == (8, 0)


async def test_a_try_that_was_cut_off_after_its_commit_is_answered_as_the_first(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 10)
    caller, again = Caller(CallerKind.USER, member.id), Deduction(new_id(), 10, "a test", "mine")
    answers = [await deployment.container.credit_accounts.deduct(caller, again) for _ in range(3)]
    assert len({answer.id for answer in answers}) == 1
    assert await books.have(member) == (0, 0)
    assert await deployment.value("SELECT count(*) FROM audit_events WHERE action = 'CREDITS_SPENT'") == 1


async def test_the_history_tells_everything_the_newest_first_page_by_page(deployment: Deployment, books: Books) -> None:
    member, stranger = await deployment.member(), await deployment.member()
    await books.grant(stranger, 1)
    await books.grant(member, 10, expires_at=now() + HOUR)
    await books.grant(member, 50)
    await deduct(deployment, member, 4, clientReference="mine")
    await books.hold(member, 8, "a job")
    await books.take("a job", 3)
    await deployment.let_pass(hours=1)
    await books.settle()
    told: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await asked(deployment, member, "/credits/history", limit=2, **({"cursor": cursor} if cursor else {}))
        told += page["data"]
        cursor = page["meta"]["pagination"]["nextCursor"]
        if cursor is None:
            break
    entries = [(each["type"], each["amount"], each["spent"], each["balance"]) for each in told]
    assert entries == [
        ("expire", -3, 0, 50),
        ("take", 5, 3, 53),
        ("hold", -8, 0, 48),
        ("deduct", -4, 4, 56),
        ("grant", 50, 0, 60),
        ("grant", 10, 0, 10),
    ]
    assert [(each["reason"], each["clientReference"]) for each in told if each["type"] == "deduct"] == [("a test", "mine")]
    assert {each["about"] for each in told} == {"test:1", None}
    wrong = await deployment.client.get("/credits/history", params={"cursor": "none"}, headers=member.headers)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_administrators_give_credits_once_with_a_reason_and_an_end(deployment: Deployment, books: Books) -> None:
    admin, member = await deployment.member(Role.ADMIN), await deployment.member()
    body = {"userId": str(member.id), "amount": 25, "reason": "sorry", "expiresAt": (now() + DAY).isoformat()}
    headers = {**admin.headers, "Idempotency-Key": "once"}
    answers = [await deployment.client.post(GRANTS, json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    data = answers[0].json()["data"]
    assert (data["userId"], data["amount"], data["available"]) == (str(member.id), 25, 25)
    assert await books.have(member) == (25, 0)
    [entry] = (await asked(deployment, member, "/credits/history"))["data"]
    assert (entry["type"], entry["reason"], entry["about"]) == ("grant", "sorry", "administration")
    async with deployment.container.units() as uow:
        [event] = await uow.audit.about(admin.id, limit=10)
    assert (event.action, event.subject) == (AuditAction.CREDITS_GRANTED, f"user:{member.id}")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"userId": str(new_id())}, 404, "USER_NOT_FOUND"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, 400, "VALIDATION_ERROR"),
        ({"amount": 0}, 400, "VALIDATION_ERROR"),
        ({"amount": 10**10}, 400, "VALIDATION_ERROR"),
        ({"reason": ""}, 400, "VALIDATION_ERROR"),
    ],
)
async def test_a_gift_that_cannot_be_is_refused(deployment: Deployment, change: dict[str, Any], status: int, code: str) -> None:
    admin, member = await deployment.member(Role.ADMIN), await deployment.member()
    body = {"userId": str(member.id), "amount": 25, "reason": "sorry", **change}
    answer = await deployment.client.post(GRANTS, json=body, headers=admin.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_only_administrators_give_and_only_who_signed_in_has(deployment: Deployment) -> None:
    member = await deployment.member(Role.PROJECT_MANAGER)
    body = {"userId": str(member.id), "amount": 25, "reason": "mine"}
    assert (await deployment.client.post(GRANTS, json=body, headers=member.headers)).status_code == 403
    assert (await deployment.client.get("/credits/balance")).status_code == 401


async def test_everybody_sees_what_can_be_bought(deployment: Deployment) -> None:
    packs = (await deployment.client.get("/credits/packs")).json()["data"]
    assert [(pack["id"], pack["credits"], pack["prices"][0]) for pack in packs] == [
        ("credits-100", 100, {"amount": 5000, "currency": "KRW"}),
        ("credits-1000", 1000, {"amount": 45000, "currency": "KRW"}),
    ]
    packs = (await deployment.client.get("/credits/packs", params={"currency": "USD"})).json()["data"]
    assert [pack["prices"] for pack in packs] == [[{"amount": 400, "currency": "USD"}], [{"amount": 3600, "currency": "USD"}]]
    assert (await deployment.client.get("/credits/packs", params={"currency": "GBP"})).json()["data"] == []


async def test_the_owner_hears_of_each_change_live(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    heard: list[Any] = []

    async def listen() -> None:
        async for event in deployment.container.live.listen(channel_of(member.id), after="0"):
            heard.append((event.name, {name: event.data["data"][name] for name in ("type", "amount", "balance", "held")}))
            if len(heard) == 2:
                return

    await books.grant(member, 10)
    await deployment.work()
    await books.hold(member, 4, "a job")
    await deployment.work()
    async with asyncio.timeout(10):
        await listen()
    assert heard == [
        ("billing.credits_changed", {"type": "grant", "amount": 10, "balance": 10, "held": 0}),
        ("billing.credits_changed", {"type": "hold", "amount": -4, "balance": 6, "held": 4}),
    ]


async def test_what_somebody_has_is_in_their_copy_and_nobodys_after_they_are_forgotten(
    deployment: Deployment, books: Books
) -> None:
    member = await deployment.member()
    await books.grant(member, 100)
    await deduct(deployment, member, 30, clientReference="mine")
    await books.hold(member, 20, "a job")
    copy = (await asked(deployment, member, "/privacy/export"))["data"]["sections"]["credits"]
    assert (copy["balance"], copy["held"], len(copy["history"])) == (50, 20, 3)
    assert copy["history"][1]["reason"] == "a test"
    await books.forget(member)
    await deployment.work()
    assert await deployment.value("SELECT count(*) FROM credit_accounts WHERE user_id IS NOT NULL") == 0
    assert await deployment.value("SELECT count(*) FROM credit_notes") == 0
    assert await deployment.value("SELECT count(*) FROM credit_transactions") == 4
    assert await books.in_system("expired") == 50
    await books.take("a job", 12)
    assert (await books.in_system("spent"), await books.in_system("expired")) == (42, 58)
    await books.check()
