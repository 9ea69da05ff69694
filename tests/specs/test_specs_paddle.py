"""What Paddle gets, against its own description."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import pytest

from contract.fake_paddle import data_of
from contract.test_contract_paddle_payment import BASIC, OPEN, PREMIUM, SUBSCRIBE, settings_for
from madang.adapters.paddle.payment import PaddleGateway
from madang.ports.context import ProviderContext
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    RefundRequest,
    ResumeSubscriptionRequest,
)
from specs.prism import Recorder
from specs.saying import said

TRANSACTION: Final = "txn_01hvcc93znj3mpqt1tenkjb04y"
SUBSCRIPTION: Final = "sub_01gvne45dvdhg5gdxrz6hh511r"
TOTALS: Final = {"subtotal": "990", "discount": "0", "tax": "99", "total": "1089"}
PAID: Final = {
    "id": TRANSACTION, "status": "completed", "currency_code": "USD", "items": [],
    "details": {"totals": TOTALS, "line_items": [{"id": "txnitm_01hvcc94b7qgz60qmrqmbm19zw", "totals": TOTALS}]},
}  # fmt: skip
ENDING: Final = {"id": SUBSCRIPTION, "status": "active", "scheduled_change": {"action": "cancel"}}


@pytest.fixture(scope="module")
def paddle(mocked: Any) -> Iterator[Recorder]:
    with mocked("paddle") as recorder:
        yield recorder


@pytest.fixture
async def gateway(paddle: Recorder, context: ProviderContext) -> PaddleGateway:
    return PaddleGateway(settings_for(paddle.url, checkout_url="https://shop.example/pay"), context)


async def test_paddle_gets_what_it_describes(paddle: Recorder, gateway: PaddleGateway) -> None:
    now = datetime.now(UTC)
    await said(
        gateway,
        paddle,
        {
            "a checkout": partial(gateway.open_checkout, OPEN),
            "one in won": partial(gateway.open_checkout, replace(OPEN, amount=Money(9900, "KRW"), description="가" * 300)),
            "a look-up": partial(gateway.fetch, TRANSACTION),
            "a list": partial(gateway.list_payments, now, now, cursor=TRANSACTION),
            "a check": gateway.check,
            "a subscription": partial(gateway.subscribe, replace(SUBSCRIBE, trial_days=14, interval_months=12)),
            "one of the catalogue": partial(gateway.subscribe, replace(SUBSCRIBE, price_reference=BASIC)),
            "its look-up": partial(gateway.fetch_subscription, SUBSCRIPTION),
            "its end": partial(gateway.cancel_subscription, CancelSubscriptionRequest(SUBSCRIPTION, False, "cancel-1")),
            "its end later": partial(gateway.cancel_subscription, CancelSubscriptionRequest(SUBSCRIPTION, True, "cancel-2")),
        },
    )


@pytest.mark.parametrize("amount", [990, 300])
async def test_a_refund_is_what_paddle_describes(paddle: Recorder, gateway: PaddleGateway, amount: int) -> None:
    request = RefundRequest(TRANSACTION, Money(amount, "USD"), "미안합니다", "refund:1")
    paddle.next.append(data_of(PAID))
    await said(gateway, paddle, {"a refund": partial(gateway.refund, request)})


@pytest.mark.parametrize("reference", ["", PREMIUM])
async def test_a_change_is_what_paddle_describes(paddle: Recorder, gateway: PaddleGateway, reference: str) -> None:
    request = ChangeSubscriptionRequest(
        SUBSCRIPTION, reference, True, "change-1", Money(1980, "USD"), description="마당 팀 (월간)"
    )
    paddle.next.append(data_of(ENDING))
    await said(gateway, paddle, {"a change": partial(gateway.change_subscription, request)})


async def test_a_resumption_is_what_paddle_describes(paddle: Recorder, gateway: PaddleGateway) -> None:
    request = ResumeSubscriptionRequest(SUBSCRIPTION, "resume-1")
    paddle.next.append(data_of(ENDING))
    await said(gateway, paddle, {"a resumption": partial(gateway.resume_subscription, request)})


async def test_the_description_objects_to_what_paddle_would_refuse(paddle: Recorder, gateway: PaddleGateway) -> None:
    nothing = replace(OPEN, extra={"items": []})
    await said(gateway, paddle, {"a checkout of nothing": partial(gateway.open_checkout, nothing)}, wrong=True)
