"""Whole lives of payments and subscriptions at PayPal, Lemon Squeezy and Paddle, over HTTP: the real database and worker, and
the company on this machine."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from deployment import Deployment, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from integration.billing.foreign_companies import Company, LemonSqueezyCompany, PaddleCompany, PaypalCompany
from integration.billing.till import Till
from integration.subscriptions.subscriber import Subscriber
from madang.core.identity.roles import Role
from madang.ports.webhook import WebhookRequest

COMPANIES: tuple[Callable[[ExitStack], Company], ...] = (PaypalCompany, LemonSqueezyCompany, PaddleCompany)
DOLLARS = {"amount": 400, "currency": "USD"}


@pytest.fixture(params=COMPANIES, ids=["paypal", "lemonsqueezy", "paddle"])
def company(request: pytest.FixtureRequest) -> Iterator[Company]:
    with ExitStack() as opened:
        yield request.param(opened)


@pytest.fixture
async def till(open_deployment: OpenDeployment, company: Company) -> AsyncIterator[Till]:
    routes = {**SANDBOX_ROUTES, "payment": [company.name]}
    known = {"hosting-enterprise/USD": company.price} if company.price else {}
    prices = {"price_references": {company.name: known}}
    plugins = {company.name: company.settings()}
    async with open_deployment(routes=routes, plugins=plugins, billing=prices) as deployment:
        yield Till(deployment)


async def told(deployment: Deployment, company: Company, *deliveries: WebhookRequest) -> list[int]:
    """Each is delivered twice, and the worker works."""
    statuses = []
    for each in deliveries:
        for _ in range(2):
            path = f"/webhooks/{company.name}"
            answer = await deployment.client.post(path, content=each.body, headers=dict(each.headers))
            statuses.append(answer.status_code)
    await deployment.work()
    return statuses


async def test_a_payment_is_paid_given_back_in_part_and_then_the_rest(till: Till, company: Company) -> None:
    deployment = till.deployment
    buyer, manager = await deployment.member(), await deployment.member(Role.PROJECT_MANAGER)
    opened = await till.open(buyer, currency="USD", country="US")
    assert opened["provider"] == company.name
    genuine = company.pay(opened["url"])
    forged = WebhookRequest(genuine.headers, genuine.body + b" ", genuine.received_at)
    assert await told(deployment, company, forged) == [401, 401]
    assert (await till.payment(buyer, opened["paymentId"]))["status"] == "pending"

    assert await told(deployment, company, genuine) == [200, 200]
    paid = await till.payment(buyer, opened["paymentId"])
    assert (paid["status"], paid["amount"], company.taken()) == ("paid", DOLLARS, 400)
    balance = await till.data(buyer, "GET", "/credits/balance")
    assert balance["balance"] == 100

    path = f"/payments/{opened['paymentId']}/refunds"
    part = {"reason": "some were of no use", "amount": {"amount": 100, "currency": "USD"}}
    await till.data(manager, "POST", path, json=part)
    await deployment.work()
    assert ((await till.payment(buyer, opened["paymentId"]))["status"], company.taken()) == ("partly_refunded", 300)
    await till.data(manager, "POST", path, json={"reason": "the rest, too"})
    await deployment.work()
    ended = await till.payment(buyer, opened["paymentId"])
    assert (ended["status"], [each["status"] for each in ended["refunds"]]) == ("refunded", ["succeeded"] * 2)
    assert (company.taken(), (await till.data(buyer, "GET", "/credits/balance"))["balance"]) == (0, 0)


async def test_a_subscription_is_renewed_owed_for_and_cancelled(till: Till, company: Company) -> None:
    deployment = till.deployment
    await deployment.container.schedule_recurring_work()
    subscriber = Subscriber(deployment, await deployment.member())
    begun = await subscriber.begin("hosting-enterprise", currency="USD", country="US")
    assert (begun["status"], begun["kind"], begun["provider"]) == ("incomplete", "hosted", company.name)

    assert set(await told(deployment, company, *company.agree(begun["checkout"]["url"]))) == {200}
    active = await subscriber.get(begun)
    assert (active["status"], [period["status"] for period in active["periods"]]) == ("active", ["paid"])

    await deployment.let_pass(days=30)
    await told(deployment, company, *company.period_ends())
    renewed = await subscriber.get(begun)
    assert [period["status"] for period in renewed["periods"]] == ["paid", "paid"]
    charged = [(one["purpose"], one["status"], one["amount"]) for one in await subscriber.payments()]
    assert charged == [("subscriptions", "paid", {"amount": 8000, "currency": "USD"})] * 2

    await deployment.let_pass(days=30)
    await told(deployment, company, *company.period_ends(declined=True))
    assert (await subscriber.get(begun))["status"] == "past_due"
    await told(deployment, company, *company.period_ends())
    assert (await subscriber.get(begun))["status"] == "active"

    over = await subscriber.step(begun, "cancel", {"atPeriodEnd": False})
    assert (over["status"], company.runs()) == ("cancelled", False)
    assert [one["status"] for one in await subscriber.payments()] == ["paid"] * 3
