"""What Toss and PortOne are sent, against their descriptions. Toss's is a transcription by others, mended where Toss's own
pages say otherwise: the address of a payment by its order, the deletion of a billing key, and times without a zone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from contract.fake_portone import API_SECRET, BILLING_CHANNEL, CHANNEL, STORE, WEBHOOK_SECRET
from contract.fake_toss import CLIENT_KEY, SECRET_KEY
from madang.adapters.portone import payload
from madang.adapters.portone.payment import PortOnePaymentGateway
from madang.adapters.portone.settings import PortOneSettings
from madang.adapters.toss.payment import TossPaymentGateway
from madang.adapters.toss.settings import TossSettings
from madang.ports.context import ProviderContext
from madang.ports.money import Money
from madang.ports.payment import ChargeRequest, CheckoutRequest, ConfirmRequest, KeepMethodRequest, RefundRequest
from madang.ports.secret import Secret
from specs.prism import Recorder
from specs.saying import said

PRICE = Money(9900, "KRW")
CHECKOUT = CheckoutRequest(
    "payment-1", PRICE, "나의 리즈 사진 3장", "https://shop.example/ok", "https://shop.example/no", "checkout-1",
    customer_email="buyer@example.com", customer_name="김마당",
)  # fmt: skip
CONFIRM = ConfirmRequest("payment-1", "tgen_20261121", PRICE, "confirm-1")
REFUND = RefundRequest("tgen_20261121", Money(300, "KRW"), "사진이 마음에 들지 않음", "refund-1")
KEEP = KeepMethodRequest("customer-1", "auth_1", "keep-1")
CHARGE = ChargeRequest("payment-1", "customer-1", Secret("billing-key-1"), PRICE, "마당 구독", "charge-1")
TOLD = replace(CHARGE, customer_email="buyer@example.com", customer_name="김마당")
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def mended(document: dict[str, Any]) -> None:
    paths = document["paths"]
    paths["/v1/payments/orders/{orderId}"] = paths.pop("/v1/payments/{orderId}")
    billing = paths["/v1/billing/{billingKey}"]
    billing["delete"] = {"parameters": billing["post"]["parameters"], "responses": {"200": {"description": "deleted"}}}
    for parameter in paths["/v1/transactions"]["get"]["parameters"]:
        parameter["schema"].pop("format", None)


@pytest.fixture(scope="module")
def toss(mocked: Any) -> Iterator[Recorder]:
    with mocked("toss", mend=mended) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def portone(mocked: Any) -> Iterator[Recorder]:
    with mocked("portone") as recorder:
        yield recorder


def toss_gateway(recorder: Recorder, context: ProviderContext) -> TossPaymentGateway:
    return TossPaymentGateway(TossSettings(Secret(SECRET_KEY), CLIENT_KEY, base_url=recorder.base_url), context)


def portone_settings(recorder: Recorder) -> PortOneSettings:
    keys = (Secret(API_SECRET), STORE, CHANNEL, Secret(WEBHOOK_SECRET), BILLING_CHANNEL)
    return PortOneSettings(*keys, base_url=recorder.base_url)


async def test_toss_gets_what_it_describes(toss: Recorder, context: ProviderContext) -> None:
    gateway = toss_gateway(toss, context)
    await said(
        gateway,
        toss,
        {
            "a confirmation": partial(gateway.confirm, CONFIRM),
            "a look-up": partial(gateway.fetch, "tgen_20261121"),
            "a look-up by our id": partial(gateway.find, "payment-1"),
            "a refund": partial(gateway.refund, REFUND),
            "a look-up of a refund": partial(gateway.find_refund, "tgen_20261121", "refund-1"),
            "a key's exchange": partial(gateway.keep_method, KEEP),
            "a charge": partial(gateway.charge, CHARGE),
            "a charge of somebody": partial(gateway.charge, TOLD),
            "a deletion": partial(gateway.forget_method, "customer-1", Secret("billing-key-1")),
            "a page of the list": partial(gateway.list_payments, NOW - timedelta(days=1), NOW, cursor="txn_1"),
            "a check": gateway.check,
        },
    )


async def test_portone_gets_what_it_describes(portone: Recorder, context: ProviderContext) -> None:
    """A charge and a refund ask first, and the mock's answer is random: what they send is sent as they send it."""
    settings = portone_settings(portone)
    gateway = PortOnePaymentGateway(settings, context)
    send = gateway._do
    await said(
        gateway,
        portone,
        {
            "a checkout": partial(gateway.open_checkout, CHECKOUT),
            "a look-up": partial(gateway.find, "payment-1"),
            "a refund": partial(send, "refund", "/payments/p/cancel", 10.0, payload.cancel_of(REFUND, 9900, settings), "k"),
            "a refund with a discount": partial(
                send, "refund", "/payments/p/cancel", 10.0, payload.cancel_of(REFUND, None, settings), "k"
            ),
            "a refund as it is asked": partial(gateway.refund, REFUND),
            "whose card it is": partial(gateway.keep_method, KEEP),
            "a charge": partial(send, "charge", "/payments/p/billing-key", 10.0, payload.charge_of(CHARGE, settings), "k"),
            "a charge of somebody": partial(
                send, "charge", "/payments/p/billing-key", 10.0, payload.charge_of(TOLD, settings), "k"
            ),
            "a deletion": partial(gateway.forget_method, "customer-1", Secret("billing-key-1")),
            "a page of the list": partial(gateway.list_payments, NOW - timedelta(days=1), NOW, cursor="c_1"),
            "a check": gateway.check,
        },
    )


async def test_prism_would_notice_a_wrong_request(toss: Recorder, portone: Recorder, context: ProviderContext) -> None:
    """A description that Prism cannot compile accepts everything and says nothing."""
    one = toss_gateway(toss, context)
    text = partial(one._client.call, "confirm", "POST", "/v1/payments/confirm", 10.0, body={"amount": "many"})
    await said(one, toss, {"an amount in words": text}, wrong=True)
    other = PortOnePaymentGateway(portone_settings(portone), context)
    bare = partial(other._client.call, "refund", "POST", "/payments/p/cancel", 10.0, body={"amount": 1})
    await said(other, portone, {"a refund without a reason": bare}, wrong=True)
