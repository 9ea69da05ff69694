"""The sweep over what is due: one row that cannot be dealt with, or that somebody has at hand, keeps no other waiting."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from deployment import Deployment
from integration.subscriptions.subscriber import Asked, Subscriber, renewing
from madang.core.identity.roles import Role
from madang.core.operations.alerts import EVALUATE


@pytest.fixture
async def two(deployment: Deployment) -> tuple[Subscriber, Subscriber]:
    """Whose plans renew at the same time."""
    await renewing(deployment)
    return Subscriber(deployment, await deployment.member()), Subscriber(deployment, await deployment.member())


async def periods(subscriber: Subscriber, subscription: dict[str, Any]) -> list[str]:
    return [one["status"] for one in (await subscriber.get(subscription))["periods"]]


async def stuck_alert(deployment: Deployment) -> tuple[str, float | None]:
    admin = await deployment.member(Role.ADMIN)
    await deployment.container.schedule_recurring_work()
    await deployment.execute("UPDATE messages SET due_at = now() WHERE topic = $1", EVALUATE)
    await deployment.work()
    rules = (await deployment.client.get("/admin/alerts", headers=admin.headers)).json()["data"]["rules"]
    [rule] = [each for each in rules if each["rule"] == "stuck_subscriptions"]
    return rule["state"], rule["value"]


IMPOSSIBLE = {
    "cannot be charged": ("method_id = NULL", "method_id = (SELECT id FROM payment_methods WHERE user_id = one.user_id)"),
    "cannot be read": ("next_terms = '{}'", "next_terms = NULL"),
    "has no calendar": ("zone = 'Nowhere/Lost'", "zone = 'Asia/Seoul'"),
}


@pytest.mark.parametrize(("broken", "mended"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_one_impossible_row_is_told_of_and_waits_while_the_others_go_on(
    deployment: Deployment, two: tuple[Subscriber, Subscriber], broken: str, mended: str
) -> None:
    stuck, other = two
    theirs, active = await stuck.subscribe(), await other.subscribe()
    await deployment.let_pass(days=31)
    change = "UPDATE subscriptions AS one SET {} WHERE id = $1"
    await deployment.execute(change.format(broken), UUID(theirs["id"]))
    await other.sweep()
    assert await periods(other, active) == ["paid", "paid"]
    row = (await deployment.rows("SELECT due_at, stuck_since FROM subscriptions WHERE id = $1", UUID(theirs["id"])))[0]
    assert row["due_at"] > datetime.now(UTC) + timedelta(hours=5)
    assert row["stuck_since"] is not None
    assert await stuck_alert(deployment) == ("firing", 1.0)
    await deployment.execute(change.format(mended), UUID(theirs["id"]))
    await stuck.days_pass(1)
    assert await periods(stuck, theirs) == ["paid", "paid"]
    assert await deployment.value("SELECT count(stuck_since) FROM subscriptions") == 0


async def test_what_is_stuck_is_named_to_who_looks_and_tried_again_when_told_to(
    deployment: Deployment, subscriber: Subscriber
) -> None:
    active = await subscriber.subscribe()
    await deployment.execute("UPDATE subscriptions SET stuck_since = now(), due_at = now() + interval '6 hours'")
    [invariant] = [one for one in deployment.container.invariants if one.name == "due-subscriptions-are-dealt-with"]
    [violation] = await invariant.violations()
    assert violation.subject == f"subscription:{active['id']}"
    assert await invariant.mend(violation) == "taken up again"
    await deployment.work()
    assert list(await invariant.violations()) == []


async def test_a_row_that_somebody_has_at_hand_is_late_and_not_lost(
    deployment: Deployment, two: tuple[Subscriber, Subscriber]
) -> None:
    held, other = two
    theirs, active = await held.subscribe(), await other.subscribe()
    await deployment.let_pass(days=31)
    work, asked = deployment.container.subscription_work, Asked(deployment)
    sweeping: Any = asked
    async with deployment.container.units() as uow:
        assert await uow.subscriptions.get(UUID(theirs["id"]), lock=True) is not None
        await work.sweep(sweeping)
        due = await deployment.rows("SELECT id, stuck_since FROM subscriptions WHERE due_at <= now()")
        assert [(row["id"], row["stuck_since"]) for row in due] == [(UUID(theirs["id"]), None)]
    await work.sweep(sweeping)
    await deployment.work()
    assert await periods(held, theirs) == await periods(other, active) == ["paid", "paid"]
    assert await held.taken() == [100_000] * 4
