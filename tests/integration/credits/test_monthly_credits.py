"""A plan's credits come once for every month of a period, and end with that month."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from deployment import Deployment, Member
from integration.credits.bookkeeping import Books, now
from integration.subscriptions.subscriber import Subscriber
from madang.core.billing.events import SUBSCRIPTION_PERIOD_STARTED
from madang.core.kernel.events import Event
from madang.core.kernel.ids import new_id

YEAR = timedelta(days=365)


async def begin(
    deployment: Deployment, member: Member, *, subscription: UUID | None = None, period: int = 1, credits_: int = 200,
    start: datetime | None = None, lasts: timedelta = timedelta(days=31), times: int = 1,
) -> UUID:  # fmt: skip
    """As subscriptions announce it."""
    subscription_id, start = subscription or new_id(), start or now()
    payload: dict[str, Any] = {
        "subscription_id": str(subscription_id),
        "user_id": str(member.id),
        "plan_id": "mockups-pro",
        "period": period,
        "period_start": start.isoformat(),
        "period_end": (start + lasts).isoformat(),
        "credits": credits_,
    }
    async with deployment.container.units() as uow:
        for _ in range(times):
            uow.announce(Event(SUBSCRIPTION_PERIOD_STARTED, f"subscription:{subscription_id}", payload))
    await deployment.work()
    return subscription_id


async def months(deployment: Deployment) -> list[str]:
    rows = await deployment.rows("SELECT status FROM credit_months ORDER BY period, month")
    return [row["status"] for row in rows]


async def test_a_month_grants_once_however_often_it_is_announced_and_ends_with_it(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    subscription = await begin(deployment, member, times=3)
    assert await books.have(member) == (200, 0)
    [lot] = await books.lots(member)
    assert (lot["source"], lot["subject"]) == ("plan", f"subscription:{subscription}")
    await deployment.let_pass(days=31)
    assert await books.have(member) == (0, 0)
    await books.settle()
    assert await books.in_system("expired") == 200
    await books.check()


async def test_a_year_grants_each_month_as_it_begins(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await begin(deployment, member, lasts=YEAR)
    assert await months(deployment) == ["granted"] + ["due"] * 11
    for month in range(2, 13):
        due_at = await deployment.value("SELECT min(starts_at) FROM credit_months WHERE status = 'due'")
        await deployment.let_pass(seconds=(due_at - now()).total_seconds() - 60)
        await books.settle()
        assert len(await books.lots(member)) == month - 1
        await deployment.let_pass(minutes=1)
        await books.settle()
        assert len(await books.lots(member)) == month
        assert await books.have(member) == (200, 0)
    await deployment.let_pass(days=31)
    await books.settle()
    assert (await books.have(member), await books.in_system("granted")) == ((0, 0), -2400)
    assert await months(deployment) == ["granted"] * 12
    await books.check()


async def test_the_worker_grants_what_is_due_by_itself(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await begin(deployment, member, lasts=timedelta(days=61))
    await books.deduct(member, 150)
    await deployment.let_pass(days=31)
    await deployment.container.schedule_recurring_work()
    await deployment.let_pass(minutes=1)
    await deployment.work()
    assert await books.have(member) == (200, 0)
    await books.check()


async def test_a_plan_without_credits_grants_none(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await begin(deployment, member, credits_=0)
    assert (await books.have(member), await months(deployment)) == ((0, 0), [])


async def test_a_new_period_replaces_what_an_earlier_one_would_still_have_granted(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    subscription = await begin(deployment, member, lasts=YEAR)
    await deployment.let_pass(days=10)
    await begin(deployment, member, subscription=subscription, period=2, credits_=500)
    assert await months(deployment) == ["granted"] + ["cancelled"] * 11 + ["granted"]
    [_, changed] = await books.lots(member)
    assert 360 <= changed["amount"] <= 375
    await begin(deployment, member, subscription=subscription, period=1, lasts=YEAR)
    assert await months(deployment) == ["granted"] + ["cancelled"] * 11 + ["granted"]


async def test_who_changes_plans_to_and_fro_has_no_more_than_by_the_dearest(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    subscription = await begin(deployment, member, credits_=500, lasts=timedelta(days=30))
    await deployment.let_pass(days=20)
    granted = []
    for period, credits_ in enumerate((2000, 500, 2000, 500, 2000), 2):
        before = await books.in_system("granted")
        await begin(deployment, member, subscription=subscription, period=period, credits_=credits_, lasts=timedelta(days=10))
        granted.append(before - await books.in_system("granted"))
    assert 470 <= granted[0] <= 550
    assert granted[1:] == [0, 0, 0, 0]
    await books.check()


async def test_a_year_that_is_cancelled_grants_no_further_month(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    subscriber = Subscriber(deployment, member)
    begun = await subscriber.subscribe("publishing-business", intervalMonths=12)
    assert begun["status"] == "active"
    assert (await months(deployment), await books.have(member)) == (["granted"] + ["due"] * 11, (2000, 0))
    await subscriber.step(begun, "cancel", {"atPeriodEnd": False})
    assert (await months(deployment), await books.have(member)) == (["granted"] + ["cancelled"] * 11, (2000, 0))
    await deployment.execute("DELETE FROM credit_months")
    await deployment.execute("UPDATE messages SET state = 'waiting', due_at = now() WHERE topic = 'credits.period_started'")
    await deployment.work()
    assert (await months(deployment), await books.have(member)) == (["granted"], (2000, 0))


async def test_a_period_that_is_told_of_after_the_change_that_cut_it_grants_nothing_besides(
    deployment: Deployment, books: Books
) -> None:
    member = await deployment.member()
    subscriber = Subscriber(deployment, member)
    await subscriber.step(await subscriber.subscribe("hosting-basic"), "cancel", {"atPeriodEnd": False})
    changed = await subscriber.step(await subscriber.subscribe("hosting-premium"), "change", {"planId": "hosting-enterprise"})
    assert [one["kind"] for one in changed["periods"]] == ["regular", "change"]
    subscription = UUID(changed["id"])
    await begin(deployment, member, subscription=subscription, period=2, credits_=300, lasts=timedelta(days=30))
    await begin(deployment, member, subscription=subscription, start=now() - timedelta(minutes=1))
    assert (await months(deployment), await books.have(member)) == (["missed", "granted"], (300, 0))
    await books.check()


async def test_the_months_of_somebody_who_was_erased_are_not_granted(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await begin(deployment, member, lasts=timedelta(days=61))
    await books.forget(member)
    await deployment.work()
    await deployment.let_pass(days=32)
    await books.settle()
    assert await months(deployment) == ["granted", "cancelled"]
    assert (await books.in_system("granted"), await books.in_system("expired")) == (-200, 200)
    await books.check()


async def test_a_month_that_was_over_before_anybody_looked_is_missed(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await begin(deployment, member, start=now() - timedelta(days=45), lasts=timedelta(days=61))
    assert (await months(deployment), await books.have(member)) == (["missed", "granted"], (200, 0))


@pytest.mark.parametrize("erased", [False, True])
async def test_somebody_who_is_gone_is_granted_nothing(deployment: Deployment, books: Books, erased: bool) -> None:
    """Also while the erasure is under way."""
    member = await deployment.member()
    await books.forget(member)
    if erased:
        await deployment.work()
    await begin(deployment, member)
    assert await deployment.value("SELECT count(*) FROM credit_accounts WHERE user_id IS NOT NULL") == 0
    assert await deployment.value("SELECT count(*) FROM messages WHERE state = 'dead'") == 0
