"""What must be true of subscriptions is broken on purpose: each is found, named, and mended where it can be."""

import pytest

from deployment import Deployment
from integration.subscriptions.subscriber import Subscriber
from madang.core.kernel.invariants import Invariant, Violation

FORGOTTEN, RENEWED = "due-subscriptions-are-dealt-with", "active-subscriptions-are-renewed"
AWAITED, PAID = "one-period-awaits-payment", "paid-periods-have-their-money"


def invariant(deployment: Deployment, name: str) -> Invariant:
    [found] = [one for one in deployment.container.invariants if one.name == name]
    return found


async def broken(deployment: Deployment) -> dict[str, Violation]:
    found = {}
    for name in (FORGOTTEN, RENEWED, AWAITED, PAID):
        for violation in await invariant(deployment, name).violations():
            found[name] = violation
    return found


@pytest.mark.parametrize("due", ["now() - interval '1 hour'", "NULL"])
async def test_what_was_forgotten_is_taken_up_again(deployment: Deployment, subscriber: Subscriber, due: str) -> None:
    active = await subscriber.subscribe()
    assert await broken(deployment) == {}
    await deployment.execute(
        "UPDATE subscription_periods SET starts_at = now() - interval '34 days', ends_at = now() - interval '3 days'"
    )
    await deployment.execute(f"UPDATE subscriptions SET anchor = anchor - interval '34 days', due_at = {due}")
    found = await broken(deployment)
    assert set(found) == {FORGOTTEN, RENEWED}
    for name, violation in found.items():
        assert violation.subject == f"subscription:{active['id']}"
        assert await invariant(deployment, name).mend(violation) == "taken up again"
    await deployment.work()
    assert await broken(deployment) == {}
    assert len(await subscriber.taken()) == 2


async def test_two_periods_that_await_money_are_found(deployment: Deployment, subscriber: Subscriber) -> None:
    await subscriber.subscribe()
    await deployment.execute("DROP INDEX uq_subscription_periods_awaited")
    await deployment.execute(
        "INSERT INTO subscription_periods (id, subscription_id, number, cycle, kind, status, plan_id, amount, currency, price,"
        " starts_at, ends_at, created_at, updated_at)"
        " SELECT gen_random_uuid(), subscription_id, number + new, cycle + new, kind, 'due', plan_id, amount, currency, price,"
        " ends_at, ends_at, now(), now() FROM subscription_periods, generate_series(1, 2) AS new"
    )
    found = await broken(deployment)
    assert set(found) == {AWAITED}
    assert await invariant(deployment, AWAITED).mend(found[AWAITED]) == ""


@pytest.mark.parametrize("lie", ["status = 'pending'", "amount = amount - 1", "purpose = 'items'"])
async def test_a_paid_period_without_its_money_is_found(deployment: Deployment, subscriber: Subscriber, lie: str) -> None:
    await subscriber.subscribe()
    await deployment.execute(f"UPDATE payments SET {lie}")
    found = await broken(deployment)
    assert set(found) == {PAID}
    assert await invariant(deployment, PAID).mend(found[PAID]) == ""
