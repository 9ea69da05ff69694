"""Payments sold by Lemon Squeezy over real HTTP: the kit, what it gets, and what each of its states and events means."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fake_lemonsqueezy import API_KEY, SIGNING, STORE, VARIANT, FakeLemonSqueezy, charged, refusal, signature
from madang.adapters.lemonsqueezy import mapping
from madang.adapters.lemonsqueezy.payment import LemonSqueezyGateway
from madang.adapters.lemonsqueezy.settings import LemonSqueezySettings
from madang.plugins.conformance.payment import CHECKOUT, PaymentConformance
from madang.plugins.conformance.payment_subscriptions import PLAN
from madang.plugins.conformance.remote import Fault, Reply, serving
from madang.plugins.conformance.repairs import deviation
from madang.plugins.conformance.stage import Stage
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, SignatureInvalid, Unavailable
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    Checkout,
    PaymentSnapshot,
    RefundRequest,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
    SubscriptionStart,
)
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

PRICE = Money(990, "USD")
OPEN = replace(CHECKOUT, amount=PRICE, country="US")
OURS = "only a webhook tells which of ours it is: an order and a subscription do not carry what the checkout said"


class TestLemonSqueezy(PaymentConformance):
    plugin = "madang.plugins.builtin.lemonsqueezy"
    name = "lemonsqueezy"
    states: ClassVar = mapping.ORDERS
    unknown_reference = "999999"
    signature_headers = ("x-signature",)
    webhooks_tell_the_time = False
    subscription_states: ClassVar = mapping.SUBSCRIPTIONS
    unknown_subscription = "999999"
    price_references: ClassVar = ("21", "22")
    unknown_price = "999999"

    def remote(self) -> FakeLemonSqueezy:
        return FakeLemonSqueezy()

    def settings(self, url: str) -> Mapping[str, Any]:
        return settings_at(url)

    async def inject(self, stage: Stage, fault: Fault, operation: str) -> None:
        """A refund looks at what is left first, and is then what a fault is meant for."""
        if operation != "refund":
            await super().inject(stage, fault, operation)
        elif stage.service is not None:
            stage.service.plan(fault, only=stage.service.acts)

    async def pay(self, stage: Stage, checkout: Checkout) -> str:
        assert isinstance(stage.service, FakeLemonSqueezy)
        return stage.service.pay(checkout.url or "")

    def announcement(self, stage: Stage, snapshot: PaymentSnapshot, signed_at: datetime) -> WebhookRequest:
        assert isinstance(stage.service, FakeLemonSqueezy)
        return stage.service.event("order_created", "orders", snapshot.reference)

    def other_event(self, stage: Stage) -> WebhookRequest:
        assert isinstance(stage.service, FakeLemonSqueezy)
        return stage.service.event("license_key_created", "license-keys", "1")

    async def agree(self, stage: Stage, start: SubscriptionStart) -> str:
        assert isinstance(stage.service, FakeLemonSqueezy)
        assert start.checkout is not None
        return stage.service.agree(start.checkout.url or "")

    async def period_ends(self, stage: Stage, reference: str, *, declined: bool = False) -> str | None:
        assert isinstance(stage.service, FakeLemonSqueezy)
        invoice = stage.service.period_ends(reference, declined=declined)
        return invoice and f"invoice:{invoice}"

    def subscription_announcement(
        self, stage: Stage, reference: str, payment: str | None, signed_at: datetime
    ) -> WebhookRequest:
        assert isinstance(stage.service, FakeLemonSqueezy)
        if payment is None:
            return stage.service.event("subscription_updated", "subscriptions", reference)
        return stage.service.event("subscription_payment_success", "subscription-invoices", payment.removeprefix("invoice:"))

    @deviation(reason=OURS)
    async def test_a_payment_is_paid_once_somebody_pays(self, stage: Stage, provider: LemonSqueezyGateway) -> None:
        paid = await self._paid(stage, provider, PRICE, "payment-1")
        assert (paid.status, paid.amount, paid.refunded) == (RemotePaymentStatus.PAID, PRICE, Money.zero("USD"))
        assert (paid.tax, paid.method) == (Money(99, "USD"), "card")
        [notice] = await provider.read_webhook(self.announcement(stage, paid, datetime.now()))  # noqa: DTZ005
        assert (notice.payment_id, notice.reference, notice.snapshot) == ("payment-1", paid.reference, paid)

    @deviation(reason=OURS)
    async def test_an_agreed_subscription_is_active(self, stage: Stage, provider: LemonSqueezyGateway) -> None:
        reference = await self.agree(stage, await self._subscribe(provider, "subscription-1"))
        snapshot = await provider.fetch_subscription(reference)
        assert (snapshot.status, snapshot.amount) == (RemoteSubscriptionStatus.ACTIVE, PRICE)
        assert (snapshot.price_reference, snapshot.cancel_at_period_end) == ("21", False)
        [notice] = await provider.read_webhook(self.subscription_announcement(stage, reference, None, datetime.now()))  # noqa: DTZ005
        assert (notice.subscription, notice.subscription_id) == (reference, "subscription-1")

    @deviation(reason="it cannot be ended at once, only not renewed: that is what is answered, and what it is")
    async def test_a_cancelled_subscription_has_ended(self, stage: Stage, provider: LemonSqueezyGateway) -> None:
        before = await self._agreed(stage, provider)
        request = CancelSubscriptionRequest(before.reference, False, "cancel-1")
        ending = [await provider.cancel_subscription(request), await provider.cancel_subscription(request)]
        assert {(each.status, each.cancel_at_period_end) for each in ending} == {(RemoteSubscriptionStatus.ACTIVE, True)}
        assert await self.period_ends(stage, before.reference) is None
        ended = await provider.fetch_subscription(before.reference)
        assert ended.status is RemoteSubscriptionStatus.CANCELLED
        assert ended.ended_at is not None

    @deviation(reason="what was cancelled is not renewed, and runs on until then: that it was done shows by that")
    @pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.ANSWER_LOST, Fault.SERVER_ERROR, Fault.GARBAGE])
    async def test_each_failure_of_cancelling_has_its_error(
        self, stage: Stage, provider: LemonSqueezyGateway, fault: Fault
    ) -> None:
        before = await self._agreed(stage, provider)
        await self.inject(stage, fault, "cancel_subscription")
        surely_not = fault is Fault.UNAVAILABLE
        with pytest.raises(Unavailable if surely_not else OutcomeUnknown):
            await provider.cancel_subscription(CancelSubscriptionRequest(before.reference, False, "cancel-1"))
        assert (await provider.fetch_subscription(before.reference)).cancel_at_period_end != surely_not


def settings_at(url: str) -> Mapping[str, Any]:
    return {"base_url": url, "api_key": API_KEY, "store_id": STORE, "variant_id": VARIANT, "signing_secret": SIGNING}


def settings_for(url: str = "https://api.lemonsqueezy.com", **changed: Any) -> LemonSqueezySettings:
    secrets = {"api_key": Secret(API_KEY), "signing_secret": Secret(SIGNING)}
    given: dict[str, Any] = {**settings_at(url), **secrets, **changed}
    return LemonSqueezySettings(**given)


@pytest.fixture
def lemon() -> Iterator[FakeLemonSqueezy]:
    with serving(FakeLemonSqueezy()) as server:
        yield server


@pytest.fixture
async def gateway(lemon: FakeLemonSqueezy, context: ProviderContext) -> AsyncIterator[LemonSqueezyGateway]:
    provider = LemonSqueezyGateway(settings_for(lemon.url), context)
    yield provider
    await provider.close()


async def test_a_checkout_sells_under_our_name_and_price_and_carries_our_id(
    lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway
) -> None:
    await gateway.open_checkout(OPEN)
    [asked] = lemon.acting
    assert asked.json["data"] == {
        "type": "checkouts",
        "attributes": {
            "custom_price": 990,
            "product_options": {
                "name": "나의 리즈 사진 3장",
                "redirect_url": "https://shop.example/ok?id=1",
                "enabled_variants": [11],
            },
            "checkout_options": {"discount": False},
            "checkout_data": {
                "custom": {"payment_id": "payment-1"},
                "email": "buyer@example.com",
                "name": "김마당",
                "billing_address": {"country": "US"},
            },
        },
        "relationships": {
            "store": {"data": {"type": "stores", "id": "1"}},
            "variant": {"data": {"type": "variants", "id": "11"}},
        },
    }


async def test_a_whole_refund_gives_the_tax_back_and_a_part_names_its_amount(
    lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway
) -> None:
    first, second = [lemon.pay((await gateway.open_checkout(OPEN)).url or "") for _ in range(2)]
    await gateway.refund(RefundRequest(first, PRICE, "why", "refund-1"))
    await gateway.refund(RefundRequest(second, Money(300, "USD"), "why", "refund-2"))
    refunds = [each.json["data"]["attributes"] for each in lemon.acting if each.path.endswith("/refund")]
    assert refunds == [{}, {"amount": 300}]
    assert lemon.resources["orders", first]["attributes"]["refunded_amount"] == 990 + 99
    assert (await gateway.fetch(first)).refunded == PRICE


def test_a_tax_within_the_price_is_none_on_top() -> None:
    order = {"type": "orders", "id": "1", "attributes": {**charged(990), "tax": 90, "total": 990, "tax_inclusive": True}}
    payment = mapping.payment_of(order)
    assert (payment.amount, payment.tax) == (PRICE, None)


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_the_amount_is_what_we_asked_whatever_the_tax(price: int, tax: int) -> None:
    told = {**charged(price), "tax": tax, "total": price + tax}
    payment = mapping.payment_of({"type": "orders", "id": "1", "attributes": told})
    assert (payment.amount.amount, payment.tax.amount if payment.tax else 0) == (price, tax)


async def test_the_order_of_a_subscription_is_no_payment_of_its_own(
    lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway
) -> None:
    lemon.resources["orders", "77"] = {"type": "orders", "id": "77", "attributes": charged(990)}
    lemon.custom["orders", "77"] = {"subscription_id": "subscription-1"}
    [notice] = await gateway.read_webhook(lemon.event("order_created", "orders", "77"))
    assert (notice.reference, notice.payment_id, notice.snapshot) == (None, None, None)


async def test_what_is_sent_again_is_known_by_being_the_same(lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway) -> None:
    order = lemon.pay((await gateway.open_checkout(OPEN)).url or "")
    first, again = lemon.event("order_created", "orders", order), lemon.event("order_created", "orders", order)
    lemon.becomes(order, "refunded")
    other = lemon.event("order_refunded", "orders", order)
    ids = [(await gateway.read_webhook(each))[0].event_id for each in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("body", ["[]", "{}", '{"meta": {}}', '{"meta": {"event_name": "x"}, "data": {}}', "no JSON"])
async def test_a_signed_body_of_another_shape_is_refused(
    lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway, body: str
) -> None:
    genuine = lemon.event("license_key_created", "license-keys", "1")
    odd = replace(genuine, body=body.encode(), headers={"x-signature": signature(body.encode())})
    with pytest.raises(SignatureInvalid):
        await gateway.read_webhook(odd)


async def test_a_trial_is_the_variants_own(lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway) -> None:
    for days, skipped in ((0, True), (7, False)):
        await gateway.subscribe(replace(PLAN, amount=PRICE, price_reference="21", trial_days=days))
        assert lemon.acting[-1].json["data"]["attributes"]["checkout_options"]["skip_trial"] is skipped


async def test_a_store_in_another_currency_is_misconfigured(lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway) -> None:
    lemon.next.append(Reply(200, {"data": {"type": "stores", "id": "1", "attributes": {"currency": "EUR"}}}))
    with pytest.raises(Misconfigured, match="USD") as foreign:
        await gateway.check()
    assert (foreign.value.provider, foreign.value.operation) == ("lemonsqueezy", "check")


async def test_each_state_of_an_invoice_has_its_status(lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway) -> None:
    start = await gateway.subscribe(replace(PLAN, amount=PRICE, price_reference="21"))
    assert start.checkout is not None
    reference = f"invoice:{lemon.period_ends(lemon.agree(start.checkout.url or ''))}"
    for word, status in {**mapping.INVOICES, "a-state-to-come": RemotePaymentStatus.PENDING}.items():
        lemon.becomes(reference, word)
        assert (await gateway.fetch(reference)).status is status


@pytest.mark.parametrize(
    ("status", "read", "effect"),
    [
        (302, Misconfigured, Misconfigured),
        (400, Rejected, Rejected),
        (401, Misconfigured, Misconfigured),
        (403, Misconfigured, Misconfigured),
        (404, Misconfigured, Misconfigured),
        (408, Unavailable, OutcomeUnknown),
        (409, Rejected, Rejected),
        (422, Rejected, Rejected),
        (429, RateLimited, RateLimited),
        (500, Unavailable, OutcomeUnknown),
        (502, Unavailable, OutcomeUnknown),
        (503, Unavailable, Unavailable),
    ],
)
def test_every_status_has_its_error(status: int, read: type[PortError], effect: type[PortError]) -> None:
    assert type(mapping.error_of(status, {}, {}, "fetch", effect=False)) is read
    error = mapping.error_of(status, {}, refusal(status, "x").body if status != 404 else {}, "refund", effect=True)
    assert type(error) is effect
    assert "buyer@example.com" not in str(error)


@pytest.mark.parametrize(("operation", "reason"), [("fetch", "not_found"), ("subscribe", "invalid_request")])
def test_what_they_do_not_know_is_not_found_or_a_wrong_variant(operation: str, reason: str) -> None:
    error = mapping.error_of(404, {}, refusal(404, "Not Found").body, operation, effect=False)
    assert isinstance(error, Rejected)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"base_url": "http://api.lemonsqueezy.com"}, "https"),
        ({"api_key": Secret("")}, "api_key"),
        ({"signing_secret": Secret("two\nlines")}, "signing_secret"),
        ({"store_id": "my-store"}, "store_id"),
        ({"variant_id": "0"}, "variant_id"),
    ],
)
def test_wrong_settings_say_what_is_wrong(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        settings_for(**changed)


async def test_an_effect_whose_answer_says_nothing_of_use_is_left_open(
    lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway
) -> None:
    order = lemon.pay((await gateway.open_checkout(OPEN)).url or "")
    start = await gateway.subscribe(replace(PLAN, amount=PRICE, price_reference="21"))
    assert start.checkout is not None
    reference = lemon.agree(start.checkout.url or "")
    empty, found = Reply(200, {"data": {}}), Reply(200, {"data": lemon.resources["orders", order]})
    calls = {
        "open_checkout": (gateway.open_checkout(OPEN), [empty]),
        "subscribe": (gateway.subscribe(replace(PLAN, amount=PRICE, price_reference="21")), [Reply(201, {})]),
        "refund": (gateway.refund(RefundRequest(order, PRICE, "why", "refund-1")), [found, empty]),
        "change_subscription": (gateway.change_subscription(ChangeSubscriptionRequest(reference, "22", True, "c")), [empty]),
        "resume_subscription": (gateway.resume_subscription(ResumeSubscriptionRequest(reference, "r")), [empty]),
    }
    for operation, (call, answers) in calls.items():
        lemon.next.extend(answers)
        with pytest.raises(OutcomeUnknown) as unknown:
            await call
        assert (unknown.value.provider, unknown.value.operation) == ("lemonsqueezy", operation)
        assert not lemon.next, operation


async def test_a_question_whose_answer_says_nothing_of_use_may_be_asked_again(
    lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway
) -> None:
    order = lemon.pay((await gateway.open_checkout(OPEN)).url or "")
    start = await gateway.subscribe(replace(PLAN, amount=PRICE, price_reference="21"))
    assert start.checkout is not None
    reference = lemon.agree(start.checkout.url or "")
    empty, found = Reply(200, {"data": {}}), Reply(200, {"data": lemon.resources["subscriptions", reference]})
    calls = {
        "check": (gateway.check(), [empty]),
        "fetch": (gateway.fetch(order), [empty]),
        "refund": (gateway.refund(RefundRequest(order, PRICE, "why", "refund-1")), [empty]),
        "fetch_subscription": (gateway.fetch_subscription(reference), [found, empty]),
    }
    for operation, (call, answers) in calls.items():
        lemon.next.extend(answers)
        with pytest.raises(Unavailable) as unread:
            await call
        assert (unread.value.provider, unread.value.operation) == ("lemonsqueezy", operation)
        assert not lemon.next, operation
    for attributes in ({}, {"first_subscription_item": {"id": 1}}):
        lemon.next.append(Reply(200, {"data": {"type": "subscriptions", "id": reference, "attributes": attributes}}))
        with pytest.raises(Unavailable):
            await gateway.fetch_subscription(reference)


async def test_a_refund_is_refused_in_our_words_where_nothing_or_too_little_is_left(
    lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway
) -> None:
    order = lemon.pay((await gateway.open_checkout(OPEN)).url or "")
    await gateway.refund(RefundRequest(order, Money(300, "USD"), "why", "refund-1"))
    with pytest.raises(Rejected, match="more than is left") as beyond:
        await gateway.refund(RefundRequest(order, Money(691, "USD"), "why", "refund-2"))
    assert (beyond.value.reason, beyond.value.operation) == ("amount_exceeded", "refund")
    lemon.becomes(order, "pending")
    with pytest.raises(Rejected, match="nothing was paid") as unpaid:
        await gateway.refund(RefundRequest(order, Money(1, "USD"), "why", "refund-3"))
    assert (unpaid.value.reason, unpaid.value.operation) == ("not_refundable", "refund")
    for strange in ("invoice:x", "0", "orders/1"):
        with pytest.raises(Rejected, match="no such id") as unknown:
            await gateway.fetch(strange)
        assert (unknown.value.reason, unknown.value.provider, unknown.value.operation) == ("not_found", "lemonsqueezy", "fetch")


async def test_a_checkout_ends_when_it_is_said_to(lemon: FakeLemonSqueezy, gateway: LemonSqueezyGateway) -> None:
    end = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert (await gateway.open_checkout(replace(OPEN, expires_at=end))).expires_at == end
    health = await gateway.check()
    assert (health.detail, health.latency_ms is not None) == ("the key is taken", True)
