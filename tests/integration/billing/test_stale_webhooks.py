"""A webhook that its company has signed, but long ago, is refused at our own address as a forged one is, and leaves nothing."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract import fake_paddle, fake_portone, fake_stripe
from deployment import Deployment, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from madang.plugins.conformance.remote import serving
from madang.ports.webhook import WebhookRequest

Signed = Callable[[datetime], WebhookRequest]


def stripe(opened: ExitStack) -> tuple[Mapping[str, Any], Signed]:
    remote = opened.enter_context(serving(fake_stripe.FakeStripe()))
    about = {"id": "cs_test_1", "object": "checkout.session", "mode": "payment", "status": "complete"}
    keys = {"api_key": fake_stripe.API_KEY, "webhook_secret": fake_stripe.WEBHOOK_SECRET}
    return {"base_url": remote.url, **keys}, lambda at: remote.event("checkout.session.completed", about, at)


def portone(opened: ExitStack) -> tuple[Mapping[str, Any], Signed]:
    settings = {
        "base_url": opened.enter_context(serving(fake_portone.FakePortOne())).url,
        "api_secret": fake_portone.API_SECRET,
        "store_id": fake_portone.STORE,
        "channel_key": fake_portone.CHANNEL,
        "billing_channel_key": fake_portone.BILLING_CHANNEL,
        "webhook_secret": fake_portone.WEBHOOK_SECRET,
    }
    about = fake_portone.event("Transaction.Paid", "payment-1")
    return settings, lambda at: fake_portone.signed(about, "event-1", at)


def paddle(opened: ExitStack) -> tuple[Mapping[str, Any], Signed]:
    remote = opened.enter_context(serving(fake_paddle.FakePaddle()))
    keys = {"api_key": fake_paddle.API_KEY, "webhook_secret": fake_paddle.SIGNING}
    about = {"id": f"sub_{'1':0>26}", "custom_data": None}
    return {"base_url": remote.url, **keys}, lambda at: remote.event("subscription.updated", about, at)


@pytest.fixture(params=[stripe, portone, paddle], ids=lambda each: each.__name__)
def company(request: pytest.FixtureRequest) -> Iterator[tuple[str, Mapping[str, Any], Signed]]:
    with ExitStack() as opened:
        yield request.param.__name__, *request.param(opened)


@pytest.fixture
async def deployment(
    open_deployment: OpenDeployment, company: tuple[str, Mapping[str, Any], Signed]
) -> AsyncIterator[Deployment]:
    name, settings, _ = company
    async with open_deployment(routes={**SANDBOX_ROUTES, "payment": [name]}, plugins={name: settings}) as opened:
        yield opened


async def test_it_is_refused_when_it_is_stale_or_early_and_taken_when_it_is_fresh(
    deployment: Deployment, company: tuple[str, Mapping[str, Any], Signed]
) -> None:
    name, _, signed = company
    now = datetime.now(UTC)
    for moment, status in ((now - timedelta(hours=1), 401), (now + timedelta(hours=1), 401), (now, 200)):
        said = signed(moment)
        assert await deployment.value("SELECT count(*) FROM inbox") == 0
        headers = {**said.headers, "content-type": "application/json"}
        answer = await deployment.client.post(f"/webhooks/{name}", content=said.body, headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.is_success or answer.json()["error"]["code"] == "SIGNATURE_INVALID"
    assert await deployment.value("SELECT count(*) FROM inbox") == 1
