"""Whole lives of payments at Toss and at PortOne, over HTTP: the real database and worker, and the company on this machine."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from deployment import Deployment, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from integration.billing.korean_companies import Company, PortOneCompany, TossCompany
from integration.billing.till import PRICE, Till
from madang.core.identity.roles import Role
from madang.plugins.conformance.remote import Fault

COMPANIES: tuple[Callable[[ExitStack], Company], ...] = (TossCompany, PortOneCompany)


@pytest.fixture(params=COMPANIES, ids=["toss", "portone"])
def company(request: pytest.FixtureRequest) -> Iterator[Company]:
    with ExitStack() as opened:
        yield request.param(opened)


@pytest.fixture
async def till(open_deployment: OpenDeployment, company: Company) -> AsyncIterator[Till]:
    routes = {**SANDBOX_ROUTES, "payment": [company.name]}
    async with open_deployment(routes=routes, plugins={company.name: company.settings()}) as deployment:
        yield Till(deployment)


async def tell(deployment: Deployment, company: Company, said: tuple[Any, bytes]) -> int:
    """A delivery at our address for this company's webhooks."""
    headers, body = said
    path = f"/webhooks/{company.name}"
    answer = await deployment.client.post(path, content=body, headers={**headers, "content-type": "application/json"})
    return answer.status_code


async def test_a_payment_is_opened_paid_given_back_in_part_and_then_whole(till: Till, company: Company) -> None:
    deployment = till.deployment
    buyer, manager = await deployment.member(), await deployment.member(Role.PROJECT_MANAGER)
    opened = await till.open(buyer)
    assert (opened["provider"], opened["url"]) == (company.name, None)
    back = company.pay(opened["clientParams"])
    for _ in range(2):
        await till.data(buyer, "POST", f"/payments/{opened['paymentId']}/confirm", json=back)
        await deployment.work()
    paid = await till.payment(buyer, opened["paymentId"])
    assert (paid["status"], paid["amount"], paid["method"]) == ("paid", PRICE, "card")
    assert company.taken() == [5000]

    path = f"/payments/{opened['paymentId']}/refunds"
    part = {"reason": "some were of no use", "amount": {"amount": 2000, "currency": "KRW"}}
    await till.data(manager, "POST", path, json=part)
    await deployment.work()
    assert ((await till.payment(buyer, opened["paymentId"]))["status"], company.taken()) == ("partly_refunded", [3000])
    await till.data(manager, "POST", path, json={"reason": "the rest, too"})
    await deployment.work()
    ended = await till.payment(buyer, opened["paymentId"])
    assert (ended["status"], [each["status"] for each in ended["refunds"]]) == ("refunded", ["succeeded"] * 2)
    for number in (1, 1, 2):
        assert await tell(deployment, company, company.webhook(opened["paymentId"], number)) == 200
    await deployment.work()
    assert await till.payment(buyer, opened["paymentId"]) == ended
    assert company.taken() == [0]


async def test_a_browser_that_never_came_back_is_replaced_by_what_the_company_says(till: Till, company: Company) -> None:
    deployment = till.deployment
    buyer = await deployment.member()
    opened = await till.open(buyer)
    forged = await tell(deployment, company, company.forged(opened["paymentId"]))
    await deployment.work()
    assert forged == (200 if company.name == "toss" else 401)
    assert (await till.payment(buyer, opened["paymentId"]))["status"] == "pending"
    company.pay(opened["clientParams"])
    assert await tell(deployment, company, company.webhook(opened["paymentId"], 1)) == 200
    await deployment.work()
    status = (await till.payment(buyer, opened["paymentId"]))["status"]
    assert status == ("pending" if company.name == "toss" else "paid"), "Toss takes no money before it is confirmed"


async def test_a_refund_whose_answer_is_lost_is_made_once(till: Till, company: Company) -> None:
    deployment = till.deployment
    buyer, manager = await deployment.member(), await deployment.member(Role.PROJECT_MANAGER)
    opened = await till.open(buyer)
    back = company.pay(opened["clientParams"])
    await till.data(buyer, "POST", f"/payments/{opened['paymentId']}/confirm", json=back)
    await deployment.work()
    company.remote.plan(Fault.ANSWER_LOST, only=company.remote.acts)
    part = {"reason": "some were of no use", "amount": {"amount": 2000, "currency": "KRW"}}
    refund = await till.data(manager, "POST", f"/payments/{opened['paymentId']}/refunds", json=part)
    for _ in range(4):
        await deployment.work()
        await deployment.let_pass(minutes=5)
    seen = await till.data(buyer, "GET", f"/payments/{opened['paymentId']}/refunds/{refund['id']}")
    assert (seen["status"], company.taken()) == ("succeeded", [3000])


async def test_another_amount_confirms_nothing(till: Till, company: Company) -> None:
    buyer = await till.deployment.member()
    opened = await till.open(buyer)
    back = company.pay(opened["clientParams"])
    less = {**back, "amount": {"amount": 1, "currency": "KRW"}}
    refused = await till.call(buyer, "POST", f"/payments/{opened['paymentId']}/confirm", json=less)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "AMOUNT_MISMATCH")
