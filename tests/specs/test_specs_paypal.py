"""What PayPal gets, against its own descriptions. The token endpoint has none: it is answered here."""

import http.client
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from contract.fake_paypal import TOKEN, FakePaypal
from contract.test_contract_paypal_payment import CHECKOUT, SUBSCRIBE, settings_for
from madang.adapters.paypal.payment import PaypalGateway
from madang.plugins.conformance.remote import Arrived, RemoteService, Reply, serving
from madang.ports.context import ProviderContext
from madang.ports.money import Money
from madang.ports.payment import CancelSubscriptionRequest, CaptureRequest, ChangeSubscriptionRequest, RefundRequest
from specs.prism import Recorder
from specs.saying import said

ORDER = "5O190127TN364715T"


class FrontDesk(RemoteService):
    """Gives out an access token, and hands everything else on to whoever knows the path."""

    def __init__(self, known: Mapping[str, Recorder]) -> None:
        super().__init__()
        self._known = known

    def answer(self, request: Arrived) -> Reply:
        if request.path == TOKEN:
            return Reply(200, {"access_token": "token-not-secret", "expires_in": 32400})
        recorder = next(each for prefix, each in self._known.items() if request.path.startswith(prefix))
        connection = http.client.HTTPConnection("127.0.0.1", recorder.server_port, timeout=60)
        try:
            connection.request(request.method, request.target, request.body or None, dict(request.headers))
            answered = connection.getresponse()
            return Reply(answered.status, answered.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def orders(mocked: Any) -> Iterator[Recorder]:
    with mocked("paypal-checkout_orders_v2") as recorder:
        yield recorder


@pytest.fixture(scope="module")
def payments(mocked: Any) -> Iterator[Recorder]:
    with mocked("paypal-payments_payment_v2") as recorder:
        yield recorder


@pytest.fixture(scope="module")
def subscriptions(mocked: Any) -> Iterator[Recorder]:
    with mocked("paypal-billing_subscriptions_v1") as recorder:
        yield recorder


@pytest.fixture(scope="module")
def webhooks(mocked: Any) -> Iterator[Recorder]:
    with mocked("paypal-notifications_webhooks_v1") as recorder:
        yield recorder


async def test_orders_get_what_they_describe(orders: Recorder, context: ProviderContext) -> None:
    with serving(FrontDesk({"/": orders})) as desk:
        gateway = PaypalGateway(settings_for(desk.url, brand="마당"), context)
        capture = CaptureRequest(ORDER, "payment-1", CHECKOUT.amount, "capture-1")
        await said(
            gateway,
            orders,
            {
                "a checkout": partial(gateway.open_checkout, CHECKOUT),
                "one in yen": partial(gateway.open_checkout, replace(CHECKOUT, amount=Money(600, "JPY"), locale="en")),
                "a long description": partial(gateway.open_checkout, replace(CHECKOUT, description="가" * 300)),
                "a look-up": partial(gateway.fetch, ORDER),
                "a capture": partial(gateway.capture, capture),
            },
        )


async def test_payments_get_what_they_describe(payments: Recorder, context: ProviderContext) -> None:
    with serving(FrontDesk({"/": payments})) as desk:
        gateway = PaypalGateway(settings_for(desk.url), context)
        await said(
            gateway,
            payments,
            {
                "a charge": partial(gateway.fetch, "I-1/2GG279541U471931P"),
                "its refund": partial(
                    gateway.refund, RefundRequest("I-1/2GG279541U471931P", Money(300, "USD"), "미안합니다", "refund:1")
                ),
            },
        )


async def test_subscriptions_get_what_they_describe(subscriptions: Recorder, context: ProviderContext) -> None:
    plan = replace(SUBSCRIBE, price_reference="P-5ML4271244454362WXNWU5NQ", customer_email="buyer@example.com")
    with serving(FrontDesk({"/": subscriptions})) as desk:
        gateway = PaypalGateway(settings_for(desk.url, brand="마당"), context)
        change = ChangeSubscriptionRequest("I-BW452GLLEP1G", plan.price_reference, False, "change-1")
        cancel = CancelSubscriptionRequest("I-BW452GLLEP1G", False, "cancel-1")
        await said(
            gateway,
            subscriptions,
            {
                "a subscription": partial(gateway.subscribe, plan),
                "one with a trial": partial(gateway.subscribe, replace(plan, trial_days=14, locale="en")),
                "a look-up": partial(gateway.fetch_subscription, "I-BW452GLLEP1G"),
                "a change": partial(gateway.change_subscription, change),
                "a cancellation": partial(gateway.cancel_subscription, cancel),
            },
        )


async def test_webhooks_get_what_they_describe(webhooks: Recorder, context: ProviderContext) -> None:
    with serving(FrontDesk({"/": webhooks})) as desk, serving(FakePaypal()) as paypal:
        event = paypal.event("CHECKOUT.ORDER.APPROVED", {"id": ORDER})
        genuine = replace(
            event, headers={**event.headers, "paypal-cert-url": "https://api.paypal.com/v1/notifications/certs/C"}
        )
        gateway = PaypalGateway(settings_for(desk.url), context)
        await said(gateway, webhooks, {"a question": partial(gateway.read_webhook, genuine), "a check": gateway.check})
