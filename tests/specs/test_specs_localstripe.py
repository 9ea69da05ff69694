"""Stripe's adapter against localstripe, which others wrote: what that has of Stripe, it says alike.

`MADANG_LOCALSTRIPE` names its program, in an environment of its own: nothing of it is imported here. It has neither Checkout
nor prices, so payments and subscriptions are made by its own API first. It listens on every address of the machine while it
runs.
"""

import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from madang.adapters.stripe.payment import StripePaymentGateway
from madang.adapters.stripe.settings import StripeSettings
from madang.plugins.conformance.remote import closed_port
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, Rejected
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    RefundRequest,
    RemoteRefundStatus,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
)
from madang.ports.secret import Secret
from specs.prism import WATCHED

KEY = "sk_test_12345"
"""The one that localstripe takes."""
PATIENCE = 30.0
PRICE = Money(9900, "KRW")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = os.environ.get("MADANG_LOCALSTRIPE")
    if not program:
        pytest.skip("MADANG_LOCALSTRIPE names no program")
    port = closed_port()
    home = tmp_path_factory.mktemp("localstripe")
    quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = ["sh", "-c", WATCHED, "sh", str(Path(program).absolute()), "--port", str(port), "--from-scratch"]
    with subprocess.Popen(words, cwd=home, **quiet):
        wait_for(port)
        yield f"http://127.0.0.1:{port}"


def wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("localstripe did not start")


@pytest.fixture
async def stripe(url: str, context: ProviderContext) -> AsyncIterator[StripePaymentGateway]:
    gateway = StripePaymentGateway(StripeSettings(Secret(KEY), base_url=url), context)
    yield gateway
    await gateway.close()


class Shop:
    """A customer with a card, made by localstripe's own API."""

    def __init__(self, client: httpx.Client) -> None:
        self._http = client
        card = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2030"}
        self.card = self.make("payment_methods", **card, **{"card[cvc]": "123"})
        self.customer = self.make("customers", email="buyer@example.com")
        self.make(f"payment_methods/{self.card}/attach", customer=self.customer)
        self.make(f"customers/{self.customer}", **{"invoice_settings[default_payment_method]": self.card})

    def make(self, path: str, **fields: str) -> str:
        answer = self._http.post(f"/v1/{path}", data=fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def payment(self) -> str:
        asked = {"amount": str(PRICE.amount), "currency": "krw", "customer": self.customer, "payment_method": self.card}
        return self.make("payment_intents", confirm="true", **asked)

    def subscription(self) -> str:
        product = self.make("products", name="마당 프로", type="service")
        plan = {"amount": "9900", "currency": "krw", "interval": "month", "product": product, "nickname": "pro"}
        item = {"items[0][plan]": self.make("plans", **plan), "metadata[madang_subscription_id]": "subscription-1"}
        return self.make("subscriptions", customer=self.customer, **item)


@pytest.fixture(scope="module")
def shop(url: str) -> Iterator[Shop]:
    with httpx.Client(base_url=url, auth=(KEY, ""), trust_env=False) as client:
        yield Shop(client)


async def test_parts_and_the_rest_of_a_payment_are_given_back_once(stripe: StripePaymentGateway, shop: Shop) -> None:
    reference = shop.payment()
    part = RefundRequest(reference, Money(300, "KRW"), "미안합니다", "refund-1")
    made = await stripe.refund(part)
    assert (made.status, made.amount) == (RemoteRefundStatus.SUCCEEDED, part.amount)
    assert await stripe.find_refund(reference, "refund-1") == made
    assert await stripe.find_refund(reference, "refund-2") is None
    rest = await stripe.refund(RefundRequest(reference, Money(9600, "KRW"), "why", "refund-3"))
    assert await stripe.find_refund(reference, "refund-3") == rest


async def test_what_it_does_not_know_is_not_found(stripe: StripePaymentGateway) -> None:
    for call in (
        stripe.refund(RefundRequest("pi_unknown", PRICE, "why", "refund-1")),
        stripe.fetch_subscription("sub_unknown"),
        stripe.cancel_subscription(CancelSubscriptionRequest("sub_unknown", False, "cancel-1")),
    ):
        with pytest.raises(Rejected) as refused:
            await call
        assert refused.value.reason == "not_found"


async def test_a_strange_key_is_refused(url: str, context: ProviderContext) -> None:
    stranger = StripePaymentGateway(StripeSettings(Secret("not-a-key-at-all"), base_url=url), context)
    with pytest.raises(Misconfigured):
        await stranger.fetch_subscription("sub_unknown")
    await stranger.close()


async def test_a_subscription_is_cancelled_at_its_end_resumed_and_cancelled_now(
    stripe: StripePaymentGateway, shop: Shop
) -> None:
    reference = shop.subscription()
    before = await stripe.fetch_subscription(reference)
    assert (before.status, before.subscription_id) == (RemoteSubscriptionStatus.ACTIVE, "subscription-1")
    assert before.current_period_end is not None
    ending = await stripe.cancel_subscription(CancelSubscriptionRequest(reference, True, "cancel-1"))
    assert (ending.status, ending.cancel_at_period_end) == (RemoteSubscriptionStatus.ACTIVE, True)
    assert await stripe.resume_subscription(ResumeSubscriptionRequest(reference, "resume-1")) == before
    ended = await stripe.cancel_subscription(CancelSubscriptionRequest(reference, False, "cancel-2"))
    assert ended.status is RemoteSubscriptionStatus.CANCELLED
    assert ended.ended_at is not None
