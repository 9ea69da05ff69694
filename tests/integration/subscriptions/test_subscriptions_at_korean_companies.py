"""A subscription's whole life at Toss and at PortOne, which keep a card and never renew: the calendar is ours."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from deployment import OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from integration.billing.korean_companies import Company, PortOneCompany, TossCompany
from integration.subscriptions.subscriber import BACK, Subscriber
from madang.plugins.conformance.remote import Arrived, Fault

COMPANIES: tuple[Callable[[ExitStack], Company], ...] = (TossCompany, PortOneCompany)
PRICE = 100_000


@pytest.fixture(params=COMPANIES, ids=["toss", "portone"])
def company(request: pytest.FixtureRequest) -> Iterator[Company]:
    with ExitStack() as opened:
        yield request.param(opened)


@pytest.fixture
async def subscriber(open_deployment: OpenDeployment, company: Company) -> AsyncIterator[Subscriber]:
    routes = {**SANDBOX_ROUTES, "payment": [company.name]}
    async with open_deployment(routes=routes, plugins={company.name: company.settings()}) as deployment:
        await deployment.container.schedule_recurring_work()
        yield Subscriber(deployment, await deployment.member())


async def leave_a_card(subscriber: Subscriber, company: Company, subscription: dict[str, Any]) -> None:
    key = company.leave_a_card(subscription["checkout"]["clientParams"])
    await subscriber.call("POST", f"/subscriptions/{subscription['id']}/activate", 202, {"clientKey": key})
    await subscriber.deployment.work()


async def subscribed(subscriber: Subscriber, company: Company) -> dict[str, Any]:
    begun = await subscriber.begin("hosting-enterprise")
    assert (begun["status"], begun["kind"], begun["provider"]) == ("incomplete", "stored_method", company.name)
    assert company.taken() == []
    await leave_a_card(subscriber, company, begun)
    return await subscriber.get(begun)


def charges(company: Company, request: Arrived) -> bool:
    return company.remote.acts(request) and "billing" in request.path


async def test_it_is_begun_renewed_declined_paid_by_another_card_and_cancelled(
    subscriber: Subscriber, company: Company
) -> None:
    active = await subscribed(subscriber, company)
    assert (active["status"], active["paymentMethod"]["label"].startswith("card")) == ("active", True)
    assert company.taken() == [PRICE]
    await subscriber.days_pass(31)
    assert [period["status"] for period in (await subscriber.get(active))["periods"]] == ["paid", "paid"]
    assert company.taken() == [PRICE, PRICE]

    company.decline()
    await subscriber.days_pass(31)
    assert ((await subscriber.get(active))["status"], company.taken()) == ("past_due", [PRICE, PRICE])
    await subscriber.days_pass(1)
    owing = await subscriber.step(active, "payment-method", BACK)
    assert owing["status"] == "past_due"
    await leave_a_card(subscriber, company, owing)
    paid = await subscriber.get(active)
    assert (paid["status"], paid["pastDueSince"], company.taken()) == ("active", None, [PRICE] * 3)

    await subscriber.step(active, "cancel", {"atPeriodEnd": True})
    await subscriber.days_pass(32)
    over = await subscriber.get(active)
    assert (over["status"], over["endReason"], company.taken()) == ("cancelled", "cancelled", [PRICE] * 3)
    statuses = [payment["status"] for payment in await subscriber.payments()]
    assert sorted(statuses) == ["failed", "failed", "paid", "paid", "paid"]


async def test_who_never_pays_again_is_suspended_and_then_out(subscriber: Subscriber, company: Company) -> None:
    active = await subscribed(subscriber, company)
    company.decline()
    states = []
    for days in (31, 1, 2, 2, 2, 3, 14):
        await subscriber.days_pass(days)
        states.append((await subscriber.get(active))["status"])
    assert states == ["past_due"] * 5 + ["suspended", "ended"]
    assert company.taken() == [PRICE]


async def test_a_renewal_whose_answer_is_lost_is_charged_once(subscriber: Subscriber, company: Company) -> None:
    active = await subscribed(subscriber, company)
    company.remote.plan(Fault.ANSWER_LOST, only=lambda request: charges(company, request))
    await subscriber.days_pass(31)
    for _ in range(3):
        await subscriber.deployment.let_pass(minutes=5)
        await subscriber.sweep()
    renewed = await subscriber.get(active)
    assert ([period["status"] for period in renewed["periods"]], company.taken()) == (["paid", "paid"], [PRICE, PRICE])
