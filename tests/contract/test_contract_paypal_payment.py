"""Payments through PayPal over real HTTP: the kit, what PayPal gets, and what each of its refusals, states and events means."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fake_paypal import CLIENT_ID, CLIENT_SECRET, TOKEN, VERIFY, WEBHOOK_ID, FakePaypal, captures_of, refusal
from madang.adapters.paypal import mapping, payload
from madang.adapters.paypal.capabilities import DECIMALS
from madang.adapters.paypal.payment import PaypalGateway
from madang.adapters.paypal.settings import PaypalSettings
from madang.adapters.paypal.subscriptions import STATUSES
from madang.plugins.conformance.payment import PaymentConformance
from madang.plugins.conformance.remote import Fault, Reply, serving
from madang.plugins.conformance.repairs import deviation
from madang.plugins.conformance.stage import EFFECT_ERRORS, Stage
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
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    CaptureRequest,
    ChangeSubscriptionRequest,
    Checkout,
    CheckoutRequest,
    PaymentSnapshot,
    RefundRequest,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    SubscribeRequest,
    SubscriptionStart,
)
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

PRICE = Money(990, "USD")
APPROVE = {"rel": "approve", "href": "https://www.paypal.com/agree"}
CHECKOUT = CheckoutRequest(
    "payment-1", PRICE, "나의 리즈 사진 3장", "https://shop.example/ok", "https://shop.example/no", "checkout-1"
)
SUBSCRIBE = SubscribeRequest(
    "s-1", "P-BASIC", PRICE, 1, "Basic", "https://shop.example/ok", "https://shop.example/no", "subscribe-1"
)


class TestPaypal(PaymentConformance):
    plugin = "madang.plugins.builtin.paypal"
    name = "paypal"
    states: ClassVar = {**mapping.ORDERS, **mapping.CAPTURES}
    unknown_reference = "5O190127TN364715T"
    signature_headers = ("paypal-auth-algo", "paypal-transmission-id", "paypal-transmission-sig", "paypal-transmission-time")

    subscription_states: ClassVar = STATUSES
    unknown_subscription = "I-NOT0THERE"
    price_references: ClassVar = ("P-BASIC", "P-PREMIUM")
    unknown_price = "P-NOT0THERE"

    def remote(self) -> FakePaypal:
        return FakePaypal()

    def settings(self, url: str) -> Mapping[str, Any]:
        return settings_at(url)

    async def inject(self, stage: Stage, fault: Fault, operation: str) -> None:
        """A refund asks for the order first, and is then what a fault is meant for."""
        if operation != "refund":
            await super().inject(stage, fault, operation)
        elif stage.service is not None:
            stage.service.plan(fault, only=stage.service.acts)

    async def pay(self, stage: Stage, checkout: Checkout) -> str:
        assert isinstance(stage.service, FakePaypal)
        reference = checkout.reference or ""
        stage.service.approve(reference)
        gateway = stage.build()
        approved = await gateway.fetch(reference)
        assert approved.status is RemotePaymentStatus.AUTHORISED
        await gateway.capture(CaptureRequest(reference, approved.payment_id, approved.amount, f"capture-{reference}"))
        return reference

    def announcement(self, stage: Stage, snapshot: PaymentSnapshot, signed_at: datetime) -> WebhookRequest:
        assert isinstance(stage.service, FakePaypal)
        [capture] = captures_of(stage.service.orders[snapshot.reference])
        return stage.service.event("PAYMENT.CAPTURE.COMPLETED", capture, signed_at)

    def other_event(self, stage: Stage) -> WebhookRequest:
        assert isinstance(stage.service, FakePaypal)
        return stage.service.event("VAULT.PAYMENT-TOKEN.CREATED", {"id": "V-1"})

    async def agree(self, stage: Stage, start: SubscriptionStart) -> str:
        assert isinstance(stage.service, FakePaypal)
        assert start.checkout is not None
        assert start.checkout.reference is not None
        stage.service.agree(start.checkout.reference)
        return start.checkout.reference

    async def period_ends(self, stage: Stage, reference: str, *, declined: bool = False) -> str | None:
        assert isinstance(stage.service, FakePaypal)
        if stage.service.subscriptions[reference]["status"] == "CANCELLED":
            return None
        if declined:
            stage.service.miss(reference)
            return None
        return f"{reference}/{stage.service.renew(reference)}"

    def subscription_announcement(
        self, stage: Stage, reference: str, payment: str | None, signed_at: datetime
    ) -> WebhookRequest:
        assert isinstance(stage.service, FakePaypal)
        if payment is None:
            return stage.service.event("BILLING.SUBSCRIPTION.UPDATED", {"id": reference}, signed_at)
        sale = {"id": payment.partition("/")[2], "state": "completed", "billing_agreement_id": reference}
        return stage.service.event("PAYMENT.SALE.COMPLETED", sale, signed_at)

    @deviation(reason="PayPal settles nothing of a running period: that a change is to settle it is refused, and not dropped")
    @pytest.mark.parametrize("prorate", [True, False])
    async def test_a_change_is_to_another_price(self, stage: Stage, provider: PaypalGateway, prorate: bool) -> None:
        if not prorate:
            await super().test_a_change_is_to_another_price(stage, provider, prorate)
            return
        with pytest.raises(Unsupported, match="running period"):
            await provider.change_subscription(ChangeSubscriptionRequest("I-1", "P-PREMIUM", True, "change-1"))

    @deviation(reason="PayPal answers a cancellation with a status and no body: nothing of it can be slow, or be cut off")
    @pytest.mark.parametrize("fault", [each for each in EFFECT_ERRORS if each not in (Fault.SLOW, Fault.CUT_OFF)])
    async def test_each_failure_of_cancelling_has_its_error(self, stage: Stage, provider: PaypalGateway, fault: Fault) -> None:
        await super().test_each_failure_of_cancelling_has_its_error(stage, provider, fault)


def settings_at(url: str) -> Mapping[str, Any]:
    return {"base_url": url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "webhook_id": WEBHOOK_ID}


@pytest.fixture
def paypal() -> Iterator[FakePaypal]:
    with serving(FakePaypal()) as server:
        yield server


@pytest.fixture
async def gateway(paypal: FakePaypal, context: ProviderContext) -> AsyncIterator[PaypalGateway]:
    provider = PaypalGateway(settings_for(paypal.url), context)
    yield provider
    await provider.close()


def settings_for(url: str = "https://api-m.paypal.com", **changed: Any) -> PaypalSettings:
    given = {**settings_at(url), "client_secret": Secret(CLIENT_SECRET), **changed}
    return PaypalSettings(**given)


async def approved(paypal: FakePaypal, gateway: PaypalGateway, request: CheckoutRequest = CHECKOUT) -> str:
    reference = (await gateway.open_checkout(request)).reference or ""
    paypal.approve(reference)
    return reference


async def paid(paypal: FakePaypal, gateway: PaypalGateway) -> str:
    reference = await approved(paypal, gateway)
    await gateway.capture(CaptureRequest(reference, "payment-1", PRICE, "capture-1"))
    return reference


# What leaves


async def test_the_order_says_what_is_bought_and_where_the_buyer_comes_back(
    paypal: FakePaypal, context: ProviderContext
) -> None:
    gateway = PaypalGateway(settings_for(paypal.url, brand="마당"), context)
    checkout = await gateway.open_checkout(replace(CHECKOUT, locale="en"))
    await gateway.close()
    [order] = paypal.acting
    assert order.headers["paypal-request-id"] == "checkout-1"
    assert order.json == {
        "intent": "CAPTURE",
        "purchase_units": [
            {
                "custom_id": "payment-1",
                "invoice_id": "payment-1",
                "amount": {"currency_code": "USD", "value": "9.90"},
                "description": "나의 리즈 사진 3장",
            }
        ],
        "payment_source": {
            "paypal": {
                "experience_context": {
                    "return_url": "https://shop.example/ok",
                    "cancel_url": "https://shop.example/no",
                    "user_action": "PAY_NOW",
                    "shipping_preference": "NO_SHIPPING",
                    "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
                    "locale": "en-US",
                    "brand_name": "마당",
                }
            }
        },
    }
    assert checkout.url == f"https://www.paypal.com/checkoutnow?token={checkout.reference}"


@pytest.mark.parametrize(
    ("amount", "written"),
    [(Money(990, "USD"), "9.90"), (Money(5, "EUR"), "0.05"), (Money(600, "JPY"), "600"), (Money(120_000, "TWD"), "1200")],
)
def test_an_amount_is_written_with_the_decimals_that_paypal_has_for_it(amount: Money, written: str) -> None:
    assert payload.amount_of(amount, "open_checkout") == {"currency_code": amount.currency, "value": written}


def test_part_of_what_paypal_counts_whole_is_refused_and_so_is_a_currency_that_it_does_not_take() -> None:
    with pytest.raises(Rejected, match="0 decimal places"):
        payload.amount_of(Money(120_050, "TWD"), "open_checkout")
    with pytest.raises(Unsupported, match="KRW"):
        payload.amount_of(Money(9900, "KRW"), "open_checkout")


@given(st.sampled_from(sorted(DECIMALS)), st.integers(1, 10**12))
def test_an_amount_comes_back_as_it_went(currency: str, number: int) -> None:
    step = 100 if currency in ("HUF", "TWD") else 1
    amount = Money(number * step, currency)
    assert mapping.money_of(payload.amount_of(amount, "refund")) == amount


@given(st.text(max_size=300))
def test_a_description_fits_however_paypal_counts_it(text: str) -> None:
    assert len(payload.short(text, 127).encode()) <= 127


def test_a_long_key_becomes_one_that_fits() -> None:
    assert payload.request_id("refund:1") == "refund:1"
    assert payload.request_id("k" * 109) == payload.request_id("k" * 109) != payload.request_id("k" * 110)
    assert len(payload.request_id("열쇠")) == 64


# Access tokens


async def test_one_access_token_serves_many_calls_at_once(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    import asyncio

    await asyncio.gather(*(gateway.check() for _ in range(5)))
    assert len([each for each in paypal.arrived if each.path == TOKEN]) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.SERVER_ERROR, Unavailable),
        (Fault.ANSWER_LOST, Unavailable),
        (Fault.GARBAGE, Unavailable),
        (Fault.RATE_LIMITED, RateLimited),
        (Fault.WRONG_KEY, Misconfigured),
        (Fault.SILENT, Unavailable),
    ],
)
async def test_without_an_access_token_surely_nothing_was_done(
    paypal: FakePaypal, gateway: PaypalGateway, fault: Fault, error: type[PortError]
) -> None:
    paypal.plan(fault, only=lambda request: request.path == TOKEN)
    with pytest.raises(error):
        await gateway.open_checkout(replace(CHECKOUT, timeout=0.2 if fault is Fault.SILENT else 20.0))
    assert paypal.orders == {}
    paypal.clear()
    await gateway.open_checkout(CHECKOUT)


async def test_a_token_that_ended_early_costs_one_call_and_is_made_anew(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    await gateway.check()
    paypal.tokens.clear()
    with pytest.raises(Unavailable, match="ended early"):
        await gateway.open_checkout(CHECKOUT)
    assert (await gateway.open_checkout(CHECKOUT)).reference in paypal.orders


@pytest.mark.parametrize(("life", "mints"), [(32400, 1), (300, 2), (7, 2)])
async def test_a_token_is_kept_until_five_minutes_before_its_end(
    paypal: FakePaypal, gateway: PaypalGateway, life: int, mints: int
) -> None:
    paypal.minted = {"expires_in": life}
    for _ in range(2):
        await gateway.check()
    assert len([each for each in paypal.arrived if each.path == TOKEN]) == mints


@pytest.mark.parametrize("minted", [{"access_token": ""}, {"access_token": None}, {"expires_in": "soon"}, {"expires_in": None}])
async def test_an_answer_without_a_token_of_some_life_is_none(
    paypal: FakePaypal, gateway: PaypalGateway, minted: dict[str, Any]
) -> None:
    paypal.minted = minted
    with pytest.raises(Unavailable, match="no access token") as refused:
        await gateway.open_checkout(CHECKOUT)
    assert (refused.value.provider, refused.value.operation) == ("paypal", "open_checkout")


async def test_each_call_carries_the_token_and_asks_for_all_of_the_answer(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    reference = await approved(paypal, gateway)
    await gateway.fetch(reference)
    token, *calls = paypal.arrived
    assert (token.path, token.form) == (TOKEN, {"grant_type": "client_credentials"})
    assert {each.headers["authorization"] for each in calls} == {f"Bearer {next(iter(paypal.tokens))}"}
    assert {(each.headers["prefer"], each.headers["content-type"]) for each in calls} == {
        ("return=representation", "application/json")
    }
    assert [each.headers.get("paypal-request-id") for each in calls] == ["checkout-1", None]


# Captures and refunds


async def test_an_approved_payment_waits_for_its_capture_which_happens_once(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    reference = await approved(paypal, gateway)
    assert (await gateway.fetch(reference)).status is RemotePaymentStatus.AUTHORISED
    request = CaptureRequest(reference, "payment-1", PRICE, "capture-1")
    taken = [await gateway.capture(request), await gateway.capture(request)]
    taken.append(await gateway.capture(replace(request, idempotency_key="capture-2")))
    assert {each.status for each in taken} == {RemotePaymentStatus.PAID}
    assert len(captures_of(paypal.orders[reference])) == 1


async def test_nothing_is_captured_before_the_buyer_agreed(gateway: PaypalGateway) -> None:
    reference = (await gateway.open_checkout(CHECKOUT)).reference or ""
    with pytest.raises(Rejected) as refused:
        await gateway.capture(CaptureRequest(reference, "payment-1", PRICE, "capture-1"))
    assert (refused.value.reason, refused.value.code) == ("not_approved", "ORDER_NOT_APPROVED")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.ANSWER_LOST, OutcomeUnknown),
        (Fault.SERVER_ERROR, OutcomeUnknown),
        (Fault.GARBAGE, OutcomeUnknown),
        (Fault.UNAVAILABLE, Unavailable),
    ],
)
async def test_a_capture_whose_answer_was_lost_is_unknown_and_found_again(
    paypal: FakePaypal, gateway: PaypalGateway, fault: Fault, error: type[PortError]
) -> None:
    reference = await approved(paypal, gateway)
    paypal.plan(fault, only=paypal.acts)
    request = CaptureRequest(reference, "payment-1", PRICE, "capture-1")
    with pytest.raises(error):
        await gateway.capture(request)
    assert (await gateway.capture(request)).status is RemotePaymentStatus.PAID
    assert len(captures_of(paypal.orders[reference])) == 1


async def test_a_refund_carries_its_key_its_payment_and_its_reason(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    reference = await paid(paypal, gateway)
    await gateway.refund(RefundRequest(reference, Money(300, "USD"), "미안합니다", "refund:1"))
    assert paypal.acting[-1].json == {
        "amount": {"currency_code": "USD", "value": "3.00"},
        "custom_id": "refund:1 payment-1",
        "note_to_payer": "미안합니다",
    }
    found = await gateway.find_refund(reference, "refund:1")
    assert found is not None
    assert found.amount == Money(300, "USD")
    assert await gateway.find_refund(reference, "refund:10") is None


async def test_an_answer_that_says_nothing_of_use_leaves_an_effect_open_and_a_question_to_be_asked_again(
    paypal: FakePaypal, gateway: PaypalGateway
) -> None:
    reference = await paid(paypal, gateway)
    start = await gateway.subscribe(SUBSCRIBE)
    assert start.checkout is not None
    subscription = start.checkout.reference or ""
    paypal.agree(subscription)
    order, empty, odd = Reply(200, paypal.orders[reference]), Reply(200, {}), Reply(200, {"id": "x y", "links": [APPROVE]})
    refund = RefundRequest(reference, PRICE, "why", "refund-9")
    effects = {
        "open_checkout": [(gateway.open_checkout(CHECKOUT), [answer]) for answer in (empty, odd, Reply(200, {"id": "O1"}))],
        "capture": [(gateway.capture(CaptureRequest(reference, "payment-1", PRICE, "capture-9")), [empty])],
        "refund": [(gateway.refund(refund), [order, empty])],
        "subscribe": [(gateway.subscribe(SUBSCRIBE), [empty])],
        "change_subscription": [
            (gateway.change_subscription(ChangeSubscriptionRequest(subscription, "P-PREMIUM", False, "c")), answers)
            for answers in ([Reply(200, {"links": [{"rel": "approve", "href": None}]})], [empty, empty])
        ],
        "cancel_subscription": [(gateway.cancel_subscription(CancelSubscriptionRequest(subscription, False, "c")), [empty])],
    }
    questions = {
        "fetch": [(gateway.fetch(reference), [empty]), (gateway.fetch("I-1/S1"), [empty])],
        "refund": [(gateway.refund(refund), [empty])],
        "find_refund": [(gateway.find_refund(reference, "refund-9"), [empty]), (gateway.find_refund("I-1/S1", "k"), [empty])],
        "fetch_subscription": [(gateway.fetch_subscription(subscription), [empty])],
    }
    for due, asked in ((OutcomeUnknown, effects), (Unavailable, questions)):
        for operation, calls in asked.items():
            for call, answers in calls:
                paypal.next.extend(answers)
                with pytest.raises(due) as unread:
                    await call
                assert (unread.value.provider, unread.value.operation) == ("paypal", operation)
                assert not paypal.next, operation


async def test_what_paypal_gives_no_id_to_is_not_found(gateway: PaypalGateway) -> None:
    calls = {
        "fetch": [gateway.fetch("o1"), gateway.fetch("O1/"), gateway.fetch("O1/a/b"), gateway.fetch("x/S1")],
        "refund": [gateway.refund(RefundRequest("o1", PRICE, "why", "k"))],
        "find_refund": [gateway.find_refund("", "k")],
        "capture": [gateway.capture(CaptureRequest("O1/S1", "payment-1", PRICE, "k"))],
        "change_subscription": [gateway.change_subscription(ChangeSubscriptionRequest("i 1", "P-1", False, "k"))],
    }
    for operation, strange in calls.items():
        for call in strange:
            with pytest.raises(Rejected, match="no such id") as refused:
                await call
            assert (refused.value.reason, refused.value.provider, refused.value.operation) == ("not_found", "paypal", operation)


async def test_a_cancellation_that_is_refused_says_why_unless_the_subscription_has_ended(
    paypal: FakePaypal, gateway: PaypalGateway
) -> None:
    start = await gateway.subscribe(SUBSCRIBE)
    assert start.checkout is not None
    request = CancelSubscriptionRequest(start.checkout.reference or "", False, "cancel-1")
    with pytest.raises(Rejected) as waiting:
        await gateway.cancel_subscription(request)
    assert (waiting.value.code, waiting.value.reason) == ("SUBSCRIPTION_STATUS_INVALID", "invalid_request")
    paypal.next.append(refusal(422, "SOMETHING_NEW"))
    with pytest.raises(Rejected) as other:
        await gateway.cancel_subscription(request)
    assert other.value.code == "SOMETHING_NEW"
    assert paypal.acting[-1].json == {"reason": "cancelled"}


# Webhooks


async def test_events_name_the_order_or_our_payment(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    reference = await paid(paypal, gateway)
    await gateway.refund(RefundRequest(reference, Money(300, "USD"), "why", "refund:1"))
    order = paypal.orders[reference]
    [refund] = order["purchase_units"][0]["payments"]["refunds"]
    events = {
        "CHECKOUT.ORDER.APPROVED": (order, (reference, "payment-1", None)),
        "PAYMENT.CAPTURE.PENDING": (captures_of(order)[0], (reference, "payment-1", None)),
        "PAYMENT.CAPTURE.REFUNDED": (refund, (None, "payment-1", None)),
        "PAYMENT.SALE.COMPLETED": ({"id": "S1", "billing_agreement_id": "I-1"}, ("I-1/S1", None, "I-1")),
        "BILLING.SUBSCRIPTION.ACTIVATED": ({"id": "I-1"}, (None, None, "I-1")),
    }
    for kind, (resource, expected) in events.items():
        [notice] = await gateway.read_webhook(paypal.event(kind, resource))
        assert (notice.reference, notice.payment_id, notice.subscription) == expected, kind
        assert (notice.kind, notice.snapshot) == (kind, None)


async def test_a_refund_that_a_person_made_at_paypal_is_led_back_to_our_payment(
    paypal: FakePaypal, gateway: PaypalGateway
) -> None:
    [capture] = captures_of(paypal.orders[await paid(paypal, gateway)])
    link = {"href": f"https://api.paypal.com/v2/payments/captures/{capture['id']}", "rel": "up"}
    [notice] = await gateway.read_webhook(paypal.event("PAYMENT.CAPTURE.REFUNDED", {"id": "R9", "links": [link]}))
    assert notice.payment_id == "payment-1"


async def test_the_event_goes_to_paypal_byte_by_byte_as_it_came(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    genuine = paypal.event("CHECKOUT.ORDER.APPROVED", {"id": "O1"})
    await gateway.read_webhook(genuine)
    [asked] = [each for each in paypal.arrived if each.path == VERIFY]
    assert genuine.body in asked.body
    assert json.loads(asked.body)["webhook_event"] == json.loads(genuine.body)


@pytest.mark.parametrize(
    "address", ["https://paypal.com.evil.example/cert", "http://api.paypal.com/cert", "file:///etc/passwd"]
)
async def test_a_certificate_of_somebody_else_is_refused_without_asking(
    paypal: FakePaypal, gateway: PaypalGateway, address: str
) -> None:
    genuine = paypal.event("CHECKOUT.ORDER.APPROVED", {"id": "O1"})
    with pytest.raises(SignatureInvalid):
        await gateway.read_webhook(replace(genuine, headers={**genuine.headers, "paypal-cert-url": address}))
    assert [each for each in paypal.arrived if each.path == VERIFY] == []


async def test_what_paypal_does_not_take_for_a_webhook_or_did_not_sign_is_refused(
    paypal: FakePaypal, gateway: PaypalGateway
) -> None:
    await gateway.check()
    for answer, why in ((refusal(400, "VALIDATION_ERROR"), "does not take it"), (Reply(200, {}), "did not sign it")):
        paypal.next.append(answer)
        with pytest.raises(SignatureInvalid, match=why) as refused:
            await gateway.read_webhook(paypal.event("CHECKOUT.ORDER.APPROVED", {"id": "O1"}))
        assert (refused.value.provider, refused.value.operation) == ("paypal", "read_webhook")


async def test_while_paypal_cannot_be_asked_a_webhook_is_neither_believed_nor_refused(
    paypal: FakePaypal, gateway: PaypalGateway
) -> None:
    paypal.plan(Fault.SERVER_ERROR, only=lambda request: request.path == VERIFY)
    with pytest.raises(Unavailable):
        await gateway.read_webhook(paypal.event("CHECKOUT.ORDER.APPROVED", {"id": "O1"}))


# Subscriptions


async def test_a_subscription_runs_from_its_approval_to_its_end(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    start = await gateway.subscribe(SUBSCRIBE)
    assert start.checkout is not None
    reference = start.checkout.reference or ""
    assert (await gateway.fetch_subscription(reference)).status is RemoteSubscriptionStatus.PENDING
    paypal.agree(reference)
    active = await gateway.fetch_subscription(reference)
    assert (active.status, active.amount, active.subscription_id) == (
        RemoteSubscriptionStatus.ACTIVE, PRICE, "s-1",
    )  # fmt: skip
    assert active.current_period_start is not None
    assert active.current_period_end is not None
    assert active.current_period_start < active.current_period_end
    paypal.miss(reference)
    assert (await gateway.fetch_subscription(reference)).status is RemoteSubscriptionStatus.PAST_DUE
    ended = [await gateway.cancel_subscription(CancelSubscriptionRequest(reference, False, f"cancel-{n}")) for n in range(2)]
    assert {each.status for each in ended} == {RemoteSubscriptionStatus.CANCELLED}
    assert ended[0].ended_at is not None


async def test_a_trial_is_a_start_in_the_future(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    start = await gateway.subscribe(replace(SUBSCRIBE, trial_days=7))
    assert start.checkout is not None
    reference = start.checkout.reference or ""
    paypal.agree(reference)
    trial = await gateway.fetch_subscription(reference)
    assert trial.status is RemoteSubscriptionStatus.TRIALING
    assert trial.trial_ends_at == trial.current_period_end
    assert trial.trial_ends_at is not None
    assert timedelta(days=6) < trial.trial_ends_at - datetime.now(UTC) <= timedelta(days=7)
    assert paypal.sales == {}


async def test_each_charge_of_a_subscription_is_a_payment_of_it(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    start = await gateway.subscribe(SUBSCRIBE)
    assert start.checkout is not None
    reference = start.checkout.reference or ""
    paypal.agree(reference)
    [sale] = paypal.sales
    charge = await gateway.fetch(f"{reference}/{sale}")
    assert (charge.status, charge.amount, charge.subscription) == (RemotePaymentStatus.PAID, PRICE, reference)
    await gateway.refund(RefundRequest(charge.reference, charge.amount, "why", "refund-1"))
    back = await gateway.fetch(charge.reference)
    assert (back.status, back.refunded) == (RemotePaymentStatus.REFUNDED, charge.amount)


async def test_of_a_part_that_went_back_of_a_subscriptions_charge_paypal_does_not_tell_which(
    paypal: FakePaypal, gateway: PaypalGateway
) -> None:
    start = await gateway.subscribe(SUBSCRIBE)
    assert start.checkout is not None
    paypal.agree(start.checkout.reference or "")
    charge = f"{start.checkout.reference}/{next(iter(paypal.sales))}"
    await gateway.refund(RefundRequest(charge, Money(300, "USD"), "why", "refund-1"))
    with pytest.raises(Unsupported, match="which part") as unknown:
        await gateway.find_refund(charge, "refund-1")
    assert (unknown.value.provider, unknown.value.operation) == ("paypal", "find_refund")


async def test_a_disputed_payment_shows_so_where_the_app_has_disputes(paypal: FakePaypal, context: ProviderContext) -> None:
    gateway = PaypalGateway(settings_for(paypal.url, disputes=True), context)
    reference = await approved(paypal, gateway)
    before = await gateway.fetch(reference)
    assert "/v1/customer/disputes" not in [each.path for each in paypal.arrived], "nothing was paid that could be disputed"
    taken = await gateway.capture(CaptureRequest(reference, "payment-1", PRICE, "capture-1"))
    [capture] = captures_of(paypal.orders[reference])
    states = {None: RemotePaymentStatus.PAID, "OPEN": RemotePaymentStatus.DISPUTED, "RESOLVED": RemotePaymentStatus.PAID}
    for state, status in states.items():
        paypal.disputes = {capture["id"]: state} if state else {}
        assert await gateway.fetch(reference) == replace(taken, status=status)
    paypal.next.extend([Reply(200, paypal.orders[reference]), Reply(200, {})])
    with pytest.raises(Unavailable, match="cannot be read"):
        await gateway.fetch(reference)
    assert before.status is RemotePaymentStatus.AUTHORISED
    start = await gateway.subscribe(SUBSCRIBE)
    assert start.checkout is not None
    paypal.agree(start.checkout.reference or "")
    [sale] = paypal.sales
    paypal.disputes = {sale: "UNDER_REVIEW"}
    assert (await gateway.fetch(f"{start.checkout.reference}/{sale}")).status is RemotePaymentStatus.DISPUTED
    await gateway.close()


async def test_a_disputes_webhook_is_led_back_to_our_payment(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    [capture] = captures_of(paypal.orders[await paid(paypal, gateway)])
    for transaction, ours in (
        ({"seller_transaction_id": capture["id"]}, "payment-1"),
        ({"seller_transaction_id": capture["id"], "custom": "payment-1"}, "payment-1"),
        ({"seller_transaction_id": "C0"}, None),
        ({"seller_transaction_id": "../account"}, None),
        ({}, None),
    ):
        event = paypal.event("CUSTOMER.DISPUTE.CREATED", {"dispute_id": "PP-D-1", "disputed_transactions": [transaction]})
        [notice] = await gateway.read_webhook(event)
        assert (notice.payment_id, notice.reference, notice.kind) == (ours, None, "CUSTOMER.DISPUTE.CREATED")
        assert (notice.event_id, notice.occurred_at) == (
            json.loads(event.body)["id"], datetime.fromisoformat(json.loads(event.body)["create_time"]),
        )  # fmt: skip


async def test_a_change_waits_for_the_buyers_word(paypal: FakePaypal, gateway: PaypalGateway) -> None:
    start = await gateway.subscribe(SUBSCRIBE)
    assert start.checkout is not None
    reference = start.checkout.reference or ""
    paypal.agree(reference)
    changed = await gateway.change_subscription(ChangeSubscriptionRequest(reference, "P-PREMIUM", False, "change-1"))
    assert changed.approve_url == f"https://www.paypal.com/webapps/billing/subscriptions/update?ba={reference}"
    assert changed.price_reference == "P-BASIC"


async def test_what_paypal_does_not_do_with_subscriptions_is_said_before_anything_leaves(
    paypal: FakePaypal, gateway: PaypalGateway
) -> None:
    with pytest.raises(Unsupported, match="at once"):
        await gateway.cancel_subscription(CancelSubscriptionRequest("I-1", True, "k"))
    with pytest.raises(Rejected, match="plan of its own"):
        await gateway.subscribe(replace(SUBSCRIBE, price_reference=""))
    assert paypal.arrived == []


@pytest.mark.parametrize(("word", "status"), [*STATUSES.items(), ("A-STATE-TO-COME", RemoteSubscriptionStatus.PENDING)])
async def test_each_state_of_a_subscription_has_its_status(
    paypal: FakePaypal, gateway: PaypalGateway, word: str, status: RemoteSubscriptionStatus
) -> None:
    start = await gateway.subscribe(SUBSCRIBE)
    assert start.checkout is not None
    reference = start.checkout.reference or ""
    paypal.agree(reference)
    paypal.becomes(reference, word)
    assert (await gateway.fetch_subscription(reference)).status is status


# Errors


@pytest.mark.parametrize("issue", sorted({*mapping.REFUSED, *mapping.OURS, *mapping.PASSING, "SOMETHING_NEW"}))
@pytest.mark.parametrize("effect", [True, False])
def test_every_issue_of_paypal_has_its_error(issue: str, effect: bool) -> None:
    answer = refusal(422, issue)
    error = mapping.error_of(422, answer.headers, answer.body, "capture", effect=effect)
    if issue in mapping.REFUSED:
        assert isinstance(error, Rejected)
        assert (error.reason, error.message) == mapping.REFUSED[issue]
    elif issue in mapping.OURS:
        assert isinstance(error, Misconfigured)
    elif issue in mapping.PASSING:
        assert isinstance(error, OutcomeUnknown if effect else Unavailable)
    else:
        assert isinstance(error, Rejected)
        assert error.reason == "invalid_request"
    assert (error.provider, error.operation, error.code, error.request_id) == ("paypal", "capture", issue, "d0")
    assert "buyer@example.com" not in str(error)


@pytest.mark.parametrize(
    ("status", "read", "effect"),
    [
        (400, Rejected, Rejected),
        (401, Misconfigured, Misconfigured),
        (403, Misconfigured, Misconfigured),
        (405, Misconfigured, Misconfigured),
        (408, Unavailable, OutcomeUnknown),
        (409, Rejected, Rejected),
        (429, RateLimited, RateLimited),
        (500, Unavailable, OutcomeUnknown),
        (502, Unavailable, OutcomeUnknown),
        (503, Unavailable, Unavailable),
        (504, Unavailable, OutcomeUnknown),
        (302, Misconfigured, Misconfigured),
    ],
)
def test_every_bare_status_has_its_error(status: int, read: type[PortError], effect: type[PortError]) -> None:
    assert type(mapping.error_of(status, {}, {}, "fetch", effect=False)) is read
    assert type(mapping.error_of(status, {}, {}, "capture", effect=True)) is effect


@pytest.mark.parametrize("body", [{}, {"purchase_units": []}, {"id": "O1", "purchase_units": [{"amount": {"value": "1"}}]}, []])
async def test_an_answer_of_another_shape_is_no_payment(paypal: FakePaypal, gateway: PaypalGateway, body: Any) -> None:
    await gateway.check()
    paypal.next.append(Reply(200, body))
    with pytest.raises(Unavailable, match="cannot be read"):
        await gateway.fetch("O1")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"base_url": "http://api-m.paypal.com"}, "https"),
        ({"client_id": ""}, "client_id"),
        ({"client_secret": Secret("two\nlines")}, "client_secret"),
        ({"webhook_id": "no id"}, "webhook_id"),
        ({"brand": "x" * 128}, "brand"),
    ],
)
def test_wrong_settings_say_what_is_wrong(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        settings_for(**changed)
