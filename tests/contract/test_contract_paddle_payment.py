"""Payments sold by Paddle over real HTTP: the kit, what Paddle gets, and what each of its refusals, states and events means."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fake_paddle import API_KEY, BASIC, PREMIUM, SIGNING, FakePaddle, data_of, refusal, signature
from madang.adapters.paddle import errors, mapping, payload
from madang.adapters.paddle.capabilities import CURRENCIES
from madang.adapters.paddle.payment import PaddleGateway
from madang.adapters.paddle.settings import PaddleSettings
from madang.adapters.paddle.subscriptions import STATUSES
from madang.plugins.conformance.payment import CHECKOUT, PaymentConformance
from madang.plugins.conformance.payment_subscriptions import PLAN
from madang.plugins.conformance.remote import Fault, Reply, serving
from madang.plugins.conformance.stage import Stage
from madang.ports.context import ProviderContext
from madang.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    SignatureInvalid,
    Unavailable,
    Unsupported,
)
from madang.ports.money import EXPONENTS, Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    Checkout,
    PaymentSnapshot,
    RefundRequest,
    RemotePaymentStatus,
    RemoteRefundStatus,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
    SubscriptionStart,
)
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

PRICE = Money(990, "USD")
OPEN = replace(CHECKOUT, amount=PRICE)
SUBSCRIBE = replace(PLAN, amount=PRICE)
CATALOGUE = replace(SUBSCRIBE, price_reference=BASIC)
NOBODY = "txn_" + "z" * 26


class TestPaddle(PaymentConformance):
    plugin = "madang.plugins.builtin.paddle"
    name = "paddle"
    states: ClassVar = mapping.TRANSACTIONS
    unknown_reference = NOBODY
    signature_headers = ("paddle-signature",)
    subscription_states: ClassVar = STATUSES
    unknown_subscription = "sub_" + "z" * 26

    def remote(self) -> FakePaddle:
        return FakePaddle()

    def settings(self, url: str) -> Mapping[str, Any]:
        return settings_at(url)

    async def inject(self, stage: Stage, fault: Fault, operation: str) -> None:
        """A refund looks at what is left first, and is then what a fault is meant for."""
        if operation != "refund":
            await super().inject(stage, fault, operation)
        elif stage.service is not None:
            stage.service.plan(fault, only=stage.service.acts)

    async def pay(self, stage: Stage, checkout: Checkout) -> str:
        assert isinstance(stage.service, FakePaddle)
        stage.service.pay(checkout.reference or "")
        return checkout.reference or ""

    def announcement(self, stage: Stage, snapshot: PaymentSnapshot, signed_at: datetime) -> WebhookRequest:
        assert isinstance(stage.service, FakePaddle)
        return stage.service.event("transaction.completed", stage.service.transactions[snapshot.reference], signed_at)

    def other_event(self, stage: Stage) -> WebhookRequest:
        assert isinstance(stage.service, FakePaddle)
        return stage.service.event("customer.created", {"id": "ctm_1"})

    async def agree(self, stage: Stage, start: SubscriptionStart) -> str:
        assert isinstance(stage.service, FakePaddle)
        assert start.checkout is not None
        return stage.service.pay(start.checkout.reference or "") or ""

    async def period_ends(self, stage: Stage, reference: str, *, declined: bool = False) -> str | None:
        assert isinstance(stage.service, FakePaddle)
        return stage.service.period_ends(reference, declined=declined)

    def subscription_announcement(
        self, stage: Stage, reference: str, payment: str | None, signed_at: datetime
    ) -> WebhookRequest:
        assert isinstance(stage.service, FakePaddle)
        if payment is None:
            return stage.service.event("subscription.updated", stage.service.subscriptions[reference], signed_at)
        return stage.service.event("transaction.completed", stage.service.transactions[payment], signed_at)


def settings_at(url: str) -> Mapping[str, Any]:
    return {"base_url": url, "api_key": API_KEY, "webhook_secret": SIGNING}


def settings_for(url: str = "https://api.paddle.com", **changed: Any) -> PaddleSettings:
    secrets = {"api_key": Secret(API_KEY), "webhook_secret": Secret(SIGNING)}
    return PaddleSettings(**{"base_url": url, **secrets, **changed})


@pytest.fixture
def paddle() -> Iterator[FakePaddle]:
    with serving(FakePaddle()) as server:
        yield server


@pytest.fixture
async def gateway(paddle: FakePaddle, context: ProviderContext) -> AsyncIterator[PaddleGateway]:
    provider = PaddleGateway(settings_for(paddle.url), context)
    yield provider
    await provider.close()


@pytest.fixture
async def inclusive(paddle: FakePaddle, context: ProviderContext) -> AsyncIterator[PaddleGateway]:
    """Its prices hold the tax."""
    provider = PaddleGateway(settings_for(paddle.url, tax_mode="internal"), context)
    yield provider
    await provider.close()


async def paid(paddle: FakePaddle, gateway: PaddleGateway, amount: Money = PRICE) -> str:
    reference = (await gateway.open_checkout(replace(OPEN, amount=amount))).reference or ""
    paddle.pay(reference)
    return reference


async def agreed(paddle: FakePaddle, gateway: PaddleGateway, days: int = 0) -> str:
    checkout = (await gateway.subscribe(replace(SUBSCRIBE, trial_days=days))).checkout
    assert checkout is not None
    return paddle.pay(checkout.reference or "") or ""


async def test_a_checkout_is_one_item_outside_of_the_catalogue(paddle: FakePaddle, context: ProviderContext) -> None:
    given = settings_for(paddle.url, checkout_url="https://shop.example/pay", tax_category="saas")
    gateway = PaddleGateway(given, context)
    checkout = await gateway.open_checkout(OPEN)
    await gateway.close()
    [asked] = paddle.acting
    assert asked.json == {
        "items": [
            {
                "quantity": 1,
                "price": {
                    "description": "payment payment-1",
                    "unit_price": {"amount": "990", "currency_code": "USD"},
                    "tax_mode": "external",
                    "quantity": {"minimum": 1, "maximum": 1},
                    "product": {"name": "나의 리즈 사진 3장", "tax_category": "saas"},
                },
            }
        ],
        "currency_code": "USD",
        "collection_mode": "automatic",
        "custom_data": {"payment_id": "payment-1"},
        "checkout": {"url": "https://shop.example/pay"},
    }
    assert checkout.url == f"https://shop.example/pay?_ptxn={checkout.reference}"
    settings = {"successUrl": "https://shop.example/ok?id=1", "locale": "ko"}
    assert checkout.client_params == {"transactionId": checkout.reference, "settings": settings}


@pytest.mark.parametrize("reference", ["", BASIC])
async def test_a_subscription_recurs_as_we_say_or_as_the_catalogue_does(
    paddle: FakePaddle, gateway: PaddleGateway, reference: str
) -> None:
    start = await gateway.subscribe(replace(SUBSCRIBE, price_reference=reference, interval_months=12))
    body = paddle.acting[-1].json
    assert body["custom_data"] == {"subscription_id": "subscription-1"}
    [item] = body["items"]
    if reference:
        assert item == {"price_id": BASIC, "quantity": 1}
    else:
        assert item["price"]["billing_cycle"] == {"interval": "month", "frequency": 12}
    assert start.checkout is not None
    waiting = await gateway.fetch_subscription(start.checkout.reference or "")
    assert (waiting.status, waiting.subscription_id) == (RemoteSubscriptionStatus.PENDING, "subscription-1")
    paddle.becomes(waiting.reference, "canceled")
    assert (await gateway.fetch_subscription(waiting.reference)).status is RemoteSubscriptionStatus.CANCELLED


async def test_a_catalogues_price_keeps_its_own_trial_and_must_be_there(gateway: PaddleGateway) -> None:
    with pytest.raises(Unsupported, match="trial"):
        await gateway.subscribe(replace(CATALOGUE, trial_days=7))
    for unknown in ("pri_" + "z" * 26, "price-1"):
        with pytest.raises(Rejected) as refused:
            await gateway.subscribe(replace(CATALOGUE, price_reference=unknown))
        assert refused.value.reason == "invalid_request"


async def test_a_subscription_is_changed_to_a_price_of_the_catalogue(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    checkout = (await gateway.subscribe(CATALOGUE)).checkout
    assert checkout is not None
    reference = paddle.pay(checkout.reference or "") or ""
    changed = await gateway.change_subscription(ChangeSubscriptionRequest(checkout.reference or "", PREMIUM, True, "change-1"))
    assert (changed.reference, changed.price_reference, changed.amount) == (reference, PREMIUM, Money(1980, "USD"))
    assert paddle.acting[-1].json == {
        "items": [{"price_id": PREMIUM, "quantity": 1}],
        "proration_billing_mode": "prorated_immediately",
    }
    with pytest.raises(Rejected, match="amount"):
        await gateway.change_subscription(ChangeSubscriptionRequest(reference, "", True, "change-2"))


async def test_during_a_trial_there_is_nothing_to_settle(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await agreed(paddle, gateway, days=7)
    request = ChangeSubscriptionRequest(reference, "", True, "change-1", Money(1980, "USD"), description="마당 팀")
    await gateway.change_subscription(request)
    assert paddle.acting[-1].json["proration_billing_mode"] == "do_not_bill"


async def test_a_declined_settlement_changes_nothing(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await agreed(paddle, gateway)
    before = paddle.subscriptions[reference]
    paddle.next.extend([Reply(200, {"data": before}), refusal(400, "subscription_payment_declined")])
    with pytest.raises(Rejected) as refused:
        await gateway.change_subscription(ChangeSubscriptionRequest(reference, PREMIUM, True, "change-1"))
    assert refused.value.reason == "declined"


async def test_what_nobody_agreed_to_cannot_be_cancelled(gateway: PaddleGateway) -> None:
    checkout = (await gateway.subscribe(SUBSCRIBE)).checkout
    assert checkout is not None
    with pytest.raises(Rejected) as refused:
        await gateway.cancel_subscription(CancelSubscriptionRequest(checkout.reference or "", False, "cancel-1"))
    assert refused.value.reason == "not_found"


async def test_what_is_to_end_already_is_answered_as_it_is(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await agreed(paddle, gateway)
    request = CancelSubscriptionRequest(reference, True, "cancel-1")
    first, again = [await gateway.cancel_subscription(request) for _ in range(2)]
    assert first == again
    assert first.cancel_at_period_end
    paddle.next.append(refusal(400, errors.CHANGING))
    with pytest.raises(Rejected):
        await gateway.cancel_subscription(replace(request, at_period_end=False))
    await gateway.resume_subscription(ResumeSubscriptionRequest(reference, "resume-1"))
    assert paddle.acting[-1].json == {"scheduled_change": None}


async def test_the_tax_is_on_top_of_our_price_or_within_it(
    paddle: FakePaddle, gateway: PaddleGateway, inclusive: PaddleGateway
) -> None:
    on_top = await gateway.fetch(await paid(paddle, gateway))
    within = await gateway.fetch(await paid(paddle, inclusive))
    assert (on_top.amount, on_top.tax, on_top.method) == (PRICE, Money(99, "USD"), "card")
    assert (within.amount, within.tax) == (PRICE, None)


async def test_a_price_that_leaves_it_to_the_account_is_as_the_settings_say(
    paddle: FakePaddle, gateway: PaddleGateway, inclusive: PaddleGateway
) -> None:
    checkout = (await gateway.subscribe(CATALOGUE)).checkout
    assert checkout is not None
    paddle.pay(checkout.reference or "")
    assert (await gateway.fetch(checkout.reference or "")).amount == PRICE
    assert (await inclusive.fetch(checkout.reference or "")).amount == Money(990 + 99, "USD")


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.sampled_from(sorted(CURRENCIES)))
def test_the_amount_is_what_we_asked_whatever_the_tax(price: int, tax: int, currency: str) -> None:
    assert currency in EXPONENTS
    totals = {"subtotal": str(price), "discount": "0", "tax": str(tax), "total": str(price + tax)}
    told = {"id": NOBODY, "status": "completed", "currency_code": currency, "items": [], "details": {"totals": totals}}
    payment = mapping.payment_of(told, inclusive=False)
    assert (payment.amount, payment.tax) == (Money(price, currency), Money(tax, currency) if tax else None)
    assert payload.amount_of(payment.amount, "open_checkout") == price


async def test_a_whole_refund_names_no_items_and_a_part_the_amount_without_tax(
    paddle: FakePaddle, gateway: PaddleGateway
) -> None:
    whole, part = [await paid(paddle, gateway) for _ in range(2)]
    await gateway.refund(RefundRequest(whole, PRICE, "", "refund:1"))
    await gateway.refund(RefundRequest(part, Money(300, "USD"), "미안합니다", "refund:2"))
    await gateway.refund(RefundRequest(part, Money(690, "USD"), "why", "key with a space"))
    asked = [each.json for each in paddle.acting if each.path == "/adjustments"]
    common = {"action": "refund", "transaction_id": part}
    item = part.replace("txn_", "txnitm_")
    assert asked[0] == {"action": "refund", "transaction_id": whole, "reason": "[refund:1]", "type": "full"}
    assert asked[1] == {
        **common,
        "reason": "미안합니다 [refund:2]",
        "type": "partial",
        "tax_mode": "external",
        "items": [{"item_id": item, "type": "partial", "amount": "300"}],
    }
    assert asked[2]["items"] == [{"item_id": item, "type": "full"}]
    assert "space" not in asked[2]["reason"]
    assert [each["totals"]["total"] for each in paddle.adjustments.values()] == ["1089", "330", "759"]


async def test_a_part_of_a_price_that_holds_the_tax_holds_it_too(paddle: FakePaddle, inclusive: PaddleGateway) -> None:
    reference = await paid(paddle, inclusive)
    refund = await inclusive.refund(RefundRequest(reference, Money(300, "USD"), "why", "refund-1"))
    assert (refund.amount, (await inclusive.fetch(reference)).refunded) == (Money(300, "USD"), Money(300, "USD"))
    assert paddle.acting[-1].json["tax_mode"] == "internal"


async def test_the_items_of_a_payment_are_given_back_one_after_the_other(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    transaction = paddle.transactions[await paid(paddle, gateway)]
    totals = {"subtotal": "100", "tax": "10", "total": "110"}
    lines = [{"id": each, "totals": totals} for each in ("a", "b", "c")]
    given = {"action": "refund", "status": "approved", "currency_code": "USD", "items": [{"item_id": "a", "totals": totals}]}
    told = {**transaction, "details": {"line_items": lines}, "adjustments": [given]}
    request = RefundRequest(NOBODY, Money(150, "USD"), "why", "refund-1")
    assert payload.refund_body(request, told, within=False)["items"] == [
        {"item_id": "b", "type": "full"}, {"item_id": "c", "type": "partial", "amount": "50"},
    ]  # fmt: skip
    with pytest.raises(Rejected) as refused:
        payload.refund_body(replace(request, amount=Money(201, "USD")), told, within=False)
    assert refused.value.reason == "amount_exceeded"


async def test_a_refund_waits_for_paddles_approval(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    paddle.approves = False
    reference = await paid(paddle, gateway)
    request = RefundRequest(reference, Money(300, "USD"), "why", "refund-1")
    made = await gateway.refund(request)
    assert made.status is RemoteRefundStatus.PENDING
    assert (await gateway.fetch(reference)).refunded == Money.zero("USD")
    with pytest.raises(Rejected) as other:
        await gateway.refund(replace(request, idempotency_key="refund-2"))
    assert other.value.reason == "not_refundable"
    for verdict, status in {**mapping.REFUNDS, "a-state-to-come": RemoteRefundStatus.PENDING}.items():
        paddle.review(made.id, verdict)
        found = await gateway.find_refund(reference, "refund-1")
        assert found is not None
        assert (found.status, found.failure) == (status, "rejected" if status is RemoteRefundStatus.FAILED else None)


async def test_a_refund_that_was_asked_for_is_not_asked_for_again(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    request = RefundRequest(await paid(paddle, gateway), Money(300, "USD"), "why", "refund-1")
    paddle.plan(Fault.ANSWER_LOST, only=paddle.acts)
    with pytest.raises(OutcomeUnknown):
        await gateway.refund(request)
    assert (await gateway.refund(request)).amount == Money(300, "USD")
    assert len(paddle.adjustments) == 1


async def test_what_paddle_is_not_done_with_is_given_back_later(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await paid(paddle, gateway)
    paddle.becomes(reference, "paid")
    with pytest.raises(Unavailable):
        await gateway.refund(RefundRequest(reference, PRICE, "why", "refund-1"))


async def test_a_chargeback_has_taken_the_money_until_it_is_reversed(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await paid(paddle, gateway)
    chargeback = paddle.disputed(reference)
    found = await gateway.fetch(reference)
    assert (found.status, found.refunded, found.charged_back) == (RemotePaymentStatus.REFUNDED, PRICE, PRICE)
    with pytest.raises(Rejected) as refused:
        await gateway.refund(RefundRequest(reference, PRICE, "why", "refund-1"))
    assert refused.value.reason == "amount_exceeded"
    paddle.review(chargeback, "reversed")
    found = await gateway.fetch(reference)
    assert (found.status, found.charged_back) == (RemotePaymentStatus.PAID, Money.zero(PRICE.currency))


async def test_a_warning_of_a_chargeback_is_a_dispute_until_it_is_over(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await paid(paddle, gateway)
    warning = paddle.disputed(reference, "chargeback_warning")
    assert (await gateway.fetch(reference)).status is RemotePaymentStatus.DISPUTED
    paddle.review(warning, "reversed")
    assert (await gateway.fetch(reference)).status is RemotePaymentStatus.PAID


async def test_what_nobody_paid_is_not_asked_back(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = (await gateway.open_checkout(OPEN)).reference or ""
    asked = len(paddle.acting)
    with pytest.raises(Rejected, match="nothing was paid") as unpaid:
        await gateway.refund(RefundRequest(reference, PRICE, "why", "refund-1"))
    assert (unpaid.value.reason, unpaid.value.operation) == ("not_refundable", "refund")
    with pytest.raises(Rejected, match="payment's currency"):
        await gateway.refund(RefundRequest(reference, Money(1, "CHF"), "why", "refund-2"))
    assert len(paddle.acting) == asked


async def test_a_list_asks_for_full_pages_in_their_order(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    since = datetime(2026, 11, 20, 9, 30, tzinfo=timezone(timedelta(hours=9)))
    await gateway.list_payments(since, since + timedelta(days=1))
    assert paddle.arrived[-1].query == {
        "created_at[GTE]": "2026-11-20T00:30:00.000000Z",
        "created_at[LT]": "2026-11-21T00:30:00.000000Z",
        "order_by": "id[ASC]",
        "per_page": "30",
        "include": "adjustments",
    }


async def test_a_list_is_of_the_span_and_goes_on_after_its_last(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    for _ in range(3):
        await gateway.open_checkout(OPEN)
    since = datetime.now(UTC) - timedelta(minutes=1)
    page = await gateway.list_payments(since, since + timedelta(minutes=2))
    assert page.cursor == page.payments[-1].reference
    asked = paddle.arrived[-1]
    assert asked.query["created_at[GTE]"] == f"{since:%Y-%m-%dT%H:%M:%S.%fZ}"
    assert asked.query["order_by"] == "id[ASC]"
    paddle.next.append(Reply(200, {"data": [], "meta": {"pagination": {"has_more": True, "next": "https://api.paddle.com"}}}))
    with pytest.raises(Unavailable):
        await gateway.list_payments(since, since + timedelta(minutes=2))


async def test_one_of_several_signatures_is_enough(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    genuine = paddle.event("customer.created", {"id": "ctm_1"})
    ts, _, h1 = genuine.headers["paddle-signature"].partition(";")
    for value in (f"{ts};h1={'0' * 64};{h1}", f"{h1};{ts};h2=later"):
        [notice] = await gateway.read_webhook(replace(genuine, headers={"paddle-signature": value}))
        assert notice.kind == "customer.created"
    for value in (f"{ts};{ts};{h1}", ts, h1, f"ts=;{h1}", f"ts=1e3;{h1}"):
        with pytest.raises(SignatureInvalid):
            await gateway.read_webhook(replace(genuine, headers={"paddle-signature": value}))


@pytest.mark.parametrize(
    ("tolerance", "age", "believed"), [(300, 290, True), (300, 310, False), (5, 10, False), (900, 600, True)]
)
async def test_how_old_a_webhook_may_be_is_a_setting(
    paddle: FakePaddle, context: ProviderContext, tolerance: int, age: int, believed: bool
) -> None:
    gateway = PaddleGateway(settings_for(paddle.url, webhook_tolerance=tolerance), context)
    request = paddle.event("customer.created", {"id": "ctm_1"}, datetime.now(UTC) - timedelta(seconds=age))
    if believed:
        assert await gateway.read_webhook(request)
    else:
        with pytest.raises(SignatureInvalid, match="ago"):
            await gateway.read_webhook(request)
    await gateway.close()


@pytest.mark.parametrize("body", ["[]", "{}", '{"event_id": "1", "event_type": "transaction.paid"}', "no JSON", "[" * 9999])
async def test_a_signed_body_of_another_shape_is_refused(paddle: FakePaddle, gateway: PaddleGateway, body: str) -> None:
    now = datetime.now(UTC)
    ts = str(int(now.timestamp()))
    headers = {"paddle-signature": f"ts={ts};h1={signature(ts, body.encode())}"}
    with pytest.raises(SignatureInvalid):
        await gateway.read_webhook(WebhookRequest(headers, body.encode(), now))


async def test_an_event_proves_a_payment_only_while_nothing_was_given_back(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await paid(paddle, gateway)
    told = paddle.transactions[reference]
    [whole] = await gateway.read_webhook(paddle.event("transaction.completed", told))
    assert (whole.payment_id, whole.snapshot) == ("payment-1", await gateway.fetch(reference))
    adjusted = {**told, "details": {**told["details"], "adjusted_totals": {"total": "0"}}}
    untold = {**told, "details": {"totals": told["details"]["totals"]}}
    for odd in (adjusted, untold, {**told, "status": "paid"}, {**told, "status": "ready"}):
        [notice] = await gateway.read_webhook(paddle.event("transaction.updated", odd))
        assert (notice.reference, notice.snapshot) == (reference, None)


async def test_a_refunds_event_names_its_payment_and_subscription(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    subscription = await agreed(paddle, gateway)
    charge = paddle.period_ends(subscription) or ""
    await gateway.refund(RefundRequest(charge, PRICE, "why", "refund-1"))
    [adjustment] = paddle.adjustments.values()
    [notice] = await gateway.read_webhook(paddle.event("adjustment.updated", adjustment))
    assert (notice.reference, notice.subscription, notice.snapshot) == (charge, subscription, None)


async def test_a_subscriptions_checkout_is_no_payment_before_it_is_agreed_to(
    paddle: FakePaddle, gateway: PaddleGateway
) -> None:
    checkout = (await gateway.subscribe(SUBSCRIBE)).checkout
    assert checkout is not None
    reference = checkout.reference or ""
    [early] = await gateway.read_webhook(paddle.event("transaction.created", paddle.transactions[reference]))
    assert (early.reference, early.subscription, early.subscription_id) == (None, reference, "subscription-1")
    subscription = paddle.pay(reference)
    [later] = await gateway.read_webhook(paddle.event("transaction.completed", paddle.transactions[reference]))
    assert (later.reference, later.subscription, later.subscription_id) == (reference, subscription, "subscription-1")
    assert (later.payment_id, (await gateway.fetch(reference)).subscription) == (None, subscription)


async def test_a_charge_in_another_currency_than_the_price_is_not_guessed(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await agreed(paddle, gateway)
    paddle.subscriptions[reference]["currency_code"] = "EUR"
    assert (await gateway.fetch_subscription(reference)).amount is None


async def test_a_currency_without_decimals_is_whole(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await paid(paddle, gateway, Money(9900, "KRW"))
    assert paddle.acting[0].json["items"][0]["price"]["unit_price"] == {"amount": "9900", "currency_code": "KRW"}
    assert (await gateway.fetch(reference)).amount == Money(9900, "KRW")


@pytest.mark.parametrize(
    "told",
    [
        {"total": 990, "tax": "0"},
        {"total": "9.90", "tax": "0"},
        {"total": "990", "tax": None},
        {"total": "", "tax": "0"},
        {"total": "٩٩٠", "tax": "0"},
    ],
)
async def test_an_amount_that_is_no_integer_is_not_read(
    paddle: FakePaddle, gateway: PaddleGateway, told: Mapping[str, Any]
) -> None:
    reference = await paid(paddle, gateway)
    paddle.transactions[reference]["details"]["totals"] |= told
    with pytest.raises(Unavailable):
        await gateway.fetch(reference)


async def test_a_credit_to_the_buyer_is_no_payment(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    reference = await paid(paddle, gateway)
    paddle.transactions[reference]["details"]["totals"] |= {"total": "-550", "tax": "-50"}
    payment = await gateway.fetch(reference)
    assert (payment.amount, payment.tax) == (Money.zero("USD"), None)


@pytest.mark.parametrize("told", [{}, {"data": []}, {"data": {}}, {"data": {"id": NOBODY, "checkout": {"url": None}}}])
async def test_a_success_that_cannot_be_read_leaves_open_what_was_done(
    paddle: FakePaddle, gateway: PaddleGateway, told: Mapping[str, Any]
) -> None:
    reference = await agreed(paddle, gateway)
    charge, now = paddle.period_ends(reference) or "", paddle.subscriptions[reference]
    cases = (
        ([], gateway.open_checkout(OPEN)),
        ([], gateway.subscribe(SUBSCRIBE)),
        ([], gateway.cancel_subscription(CancelSubscriptionRequest(reference, False, "cancel-1"))),
        ([now], gateway.change_subscription(ChangeSubscriptionRequest(reference, PREMIUM, False, "change-1"))),
        (
            [{**now, "scheduled_change": {"action": "cancel"}}],
            gateway.resume_subscription(ResumeSubscriptionRequest(reference, "resume-1")),
        ),
        ([paddle.transactions[charge]], gateway.refund(RefundRequest(charge, PRICE, "why", "refund-1"))),
    )
    for before, call in cases:
        paddle.next.extend([*map(data_of, before), Reply(200, told)])
        with pytest.raises(OutcomeUnknown, match="cannot be read"):
            await call


@pytest.mark.parametrize("told", [{}, {"data": []}, {"data": {}}])
async def test_a_look_up_that_cannot_be_read_is_asked_again(
    paddle: FakePaddle, gateway: PaddleGateway, told: Mapping[str, Any]
) -> None:
    reference = await agreed(paddle, gateway)
    now = datetime.now(UTC)
    calls = (
        gateway.fetch(NOBODY),
        gateway.fetch_subscription(NOBODY),
        gateway.fetch_subscription(reference),
        gateway.resume_subscription(ResumeSubscriptionRequest(reference, "resume-1")),
        gateway.list_payments(now, now),
    )
    for call in calls:
        paddle.next.append(Reply(200, told))
        with pytest.raises(Unavailable, match="cannot be read"):
            await call


async def test_what_is_looked_at_before_an_effect_and_cannot_be_read_leaves_nothing_done(
    paddle: FakePaddle, gateway: PaddleGateway
) -> None:
    reference, odd = await agreed(paddle, gateway), Reply(200, {"data": {"status": "canceled"}})
    calls = {
        "cancel_subscription": (
            gateway.cancel_subscription(CancelSubscriptionRequest(reference, False, "cancel-1")),
            [refusal(400, min(errors.ENDED)), odd],
        ),
        "refund": (gateway.refund(RefundRequest(NOBODY, PRICE, "why", "refund-1")), [odd]),
        "find_refund": (
            gateway.find_refund(NOBODY, "refund-1"),
            [Reply(200, {"data": {"adjustments": [{"action": "refund", "reason": "why [refund-1]"}]}})],
        ),
    }
    for operation, (call, answers) in calls.items():
        paddle.next.extend(answers)
        with pytest.raises(Unavailable, match="cannot be read") as unread:
            await call
        assert (unread.value.provider, unread.value.operation) == ("paddle", operation)
        assert not paddle.next, operation


async def test_of_a_payment_without_lines_nothing_is_asked_back(paddle: FakePaddle, gateway: PaddleGateway) -> None:
    details = {"totals": {"total": "990", "tax": "0"}}
    told = {"id": NOBODY, "status": "completed", "currency_code": "USD", "details": details}
    paddle.next.append(Reply(200, {"data": told}))
    with pytest.raises(Unavailable, match="cannot be read") as unread:
        await gateway.refund(RefundRequest(NOBODY, PRICE, "why", "refund-1"))
    assert (unread.value.provider, unread.value.operation) == ("paddle", "refund")
    assert not paddle.acting


@pytest.mark.parametrize("code", errors.REFUSED)
def test_every_refusal_has_its_reason(code: str) -> None:
    error = errors.error_of(400, {}, json_of(refusal(400, code)), "refund", effect=True)
    assert isinstance(error, Rejected)
    assert (error.reason, error.code) == (errors.REFUSED[code][0], code)


@pytest.mark.parametrize("code", sorted(errors.PASSING))
@pytest.mark.parametrize("status", [400, 409, 502])
def test_what_passes_was_surely_not_done(code: str, status: int) -> None:
    error = errors.error_of(status, {}, json_of(refusal(status, code)), "refund", effect=True)
    assert type(error) is Unavailable


@pytest.mark.parametrize("code", errors.OURS)
@pytest.mark.parametrize("status", [400, 403])
def test_what_a_deployment_must_mend_is_told(code: str, status: int) -> None:
    error = errors.error_of(status, {}, json_of(refusal(status, code)), "open_checkout", effect=True)
    assert isinstance(error, Misconfigured)
    assert errors.OURS[code] in str(error)


@pytest.mark.parametrize(
    ("status", "read", "effect"),
    [
        (302, Misconfigured, Misconfigured),
        (400, Rejected, Rejected),
        (401, Misconfigured, Misconfigured),
        (403, Misconfigured, Misconfigured),
        (404, Rejected, Rejected),
        (405, Misconfigured, Misconfigured),
        (408, Unavailable, OutcomeUnknown),
        (409, Rejected, Rejected),
        (415, Rejected, Rejected),
        (429, RateLimited, RateLimited),
        (500, Unavailable, OutcomeUnknown),
        (502, Unavailable, OutcomeUnknown),
        (503, Unavailable, Unavailable),
        (504, Unavailable, OutcomeUnknown),
    ],
)
def test_every_status_has_its_error(status: int, read: type[PortError], effect: type[PortError]) -> None:
    answer = json_of(refusal(status, "an_error_to_come"))
    assert type(errors.error_of(status, {}, answer, "fetch", effect=False)) is read
    error = errors.error_of(status, {"retry-after": "7"}, answer, "refund", effect=True)
    assert type(error) is effect
    assert (error.code, error.request_id) == ("an_error_to_come", "0d8a5b9c-1111-4222-8333-944455556666")
    assert "buyer@example.com" not in str(error)


@pytest.mark.parametrize(
    ("operation", "answer", "reason"),
    [
        ("fetch", {"error": {"code": "not_found"}}, "not_found"),
        ("subscribe", {"error": {"code": "not_found"}}, "invalid_request"),
        ("open_checkout", {"error": {"code": "not_found"}}, "invalid_request"),
        ("fetch", {}, None),
        ("fetch", {"error": {"code": "<html>"}}, None),
    ],
)
def test_what_is_not_there_is_not_found_where_paddle_itself_says_so(
    operation: str, answer: Mapping[str, Any], reason: str | None
) -> None:
    error = errors.error_of(404, {}, answer, operation, effect=False)
    assert isinstance(error, Misconfigured if reason is None else Rejected)
    assert getattr(error, "reason", None) == reason


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"base_url": "http://api.paddle.com"}, "https"),
        ({"api_key": Secret("")}, "api_key"),
        ({"webhook_secret": Secret("two\nlines")}, "webhook_secret"),
        ({"checkout_url": "shop.example"}, "checkout_url"),
        ({"tax_mode": "account_setting"}, "tax_mode"),
        ({"tax_category": "Standard"}, "tax_category"),
        ({"webhook_tolerance": 4}, "webhook_tolerance"),
        ({"webhook_tolerance": 14_401}, "webhook_tolerance"),
    ],
)
def test_wrong_settings_say_what_is_wrong(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        settings_for(**changed)


def json_of(reply: Reply) -> Any:
    return json.loads(json.dumps(reply.body))
