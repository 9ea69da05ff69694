"""What is asked of Stripe and when: references, disputes, refunds made elsewhere, prices of the settings, webhooks, lists."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe

from contract.fake_stripe import API_KEY, REQUEST_ID, WEBHOOK_SECRET, FakeStripe, signed
from madang.adapters.stripe.payment import StripePaymentGateway
from madang.adapters.stripe.settings import StripeSettings
from madang.plugins.conformance.payment import CHECKOUT
from madang.plugins.conformance.payment_subscriptions import PLAN
from madang.plugins.conformance.remote import Reply, serving
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, Rejected, SignatureInvalid, Unavailable
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    PaymentNotice,
    RefundRequest,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
)
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

MONTHLY = replace(PLAN, price_reference="price_pro")


def now() -> datetime:
    """Of each test: it may run long after this file was read."""
    return datetime.now(UTC)


@pytest.fixture
def account() -> Iterator[FakeStripe]:
    with serving(FakeStripe()) as service:
        yield service


@pytest.fixture
async def gateway(account: FakeStripe, context: ProviderContext) -> AsyncIterator[StripePaymentGateway]:
    settings = StripeSettings(Secret(API_KEY), Secret(WEBHOOK_SECRET), account.url)
    gateway = StripePaymentGateway(settings, context)
    yield gateway
    await gateway.close()


async def paid(account: FakeStripe, gateway: StripePaymentGateway, key: str = "payment-1") -> tuple[str, str]:
    """The payment's reference, and its PaymentIntent."""
    checkout = await gateway.open_checkout(replace(CHECKOUT, payment_id=key, idempotency_key=key))
    reference = str(checkout.reference)
    account.books.pay(reference)
    return reference, account.books.kept[reference]["payment_intent"]


async def subscribed(account: FakeStripe, gateway: StripePaymentGateway) -> str:
    start = await gateway.subscribe(MONTHLY)
    assert start.checkout is not None
    account.books.pay(str(start.checkout.reference))
    return str(account.books.kept[str(start.checkout.reference)]["subscription"])


def written_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def notice_of(gateway: StripePaymentGateway, request: WebhookRequest) -> PaymentNotice:
    [notice] = await gateway.read_webhook(request)
    return notice


async def test_a_checkout_says_what_is_bought_in_our_currency_and_the_buyers_language(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    end = now() + timedelta(hours=2)
    checkout = await gateway.open_checkout(replace(CHECKOUT, expires_at=end, extra={"allow_promotion_codes": False}))
    [(_, asked)] = account.answered
    [item] = asked["line_items"]
    assert item["price_data"] == {"currency": "krw", "unit_amount": 9900, "product_data": {"name": CHECKOUT.description}}
    assert (asked["locale"], asked["adaptive_pricing"], asked["allow_promotion_codes"]) == ("ko", {"enabled": False}, False)
    assert asked["metadata"] == asked["payment_intent_data"]["metadata"] == {"madang_payment_id": "payment-1"}
    assert (asked["customer_email"], asked["expires_at"]) == (CHECKOUT.customer_email, int(end.timestamp()))
    assert checkout.expires_at == datetime.fromtimestamp(int(end.timestamp()), UTC)
    await gateway.open_checkout(replace(CHECKOUT, expires_at=None))
    keys = [request.headers["idempotency-key"] for request in account.arrived]
    assert keys == [f"{CHECKOUT.idempotency_key}@{int(end.timestamp())}", CHECKOUT.idempotency_key]


async def test_a_payment_intent_and_an_invoice_lead_to_the_same_payment(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    reference, intent = await paid(account, gateway)
    assert await gateway.fetch(intent) == await gateway.fetch(reference)
    charge = account.books.period_ends(await subscribed(account, gateway)) or ""
    [payment] = [each for each in account.books.of_kind("invoice_payment") if each["invoice"] == charge]
    assert await gateway.fetch(payment["payment"]["payment_intent"]) == await gateway.fetch(charge)
    stranger = account.books.charge(500, "krw", {})["id"]
    for unknown in (stranger, "pi_unknown", "sub_unknown", "re_unknown"):
        with pytest.raises(Rejected) as refused:
            await gateway.fetch(unknown)
        assert refused.value.reason == "not_found"


async def test_what_a_payment_intent_paid_is_asked_for_once(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    await paid(account, gateway)
    stranger = account.books.charge(500, "krw", {})["id"]
    account.arrived.clear()
    with pytest.raises(Rejected):
        await gateway.fetch(stranger)
    assert [(request.path, request.query) for request in account.arrived] == [
        ("/v1/checkout/sessions", {"payment_intent": stranger, "limit": "1"}),
        (
            "/v1/invoice_payments",
            {"payment[type]": "payment_intent", "payment[payment_intent]": stranger, "limit": "1"},
        ),
    ]


async def test_the_checkout_of_a_subscription_is_no_payment_and_one_of_a_payment_no_subscription(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    start = await gateway.subscribe(MONTHLY)
    assert start.checkout is not None
    reference, _ = await paid(account, gateway)
    for call in (gateway.fetch(str(start.checkout.reference)), gateway.fetch_subscription(reference)):
        with pytest.raises(Rejected) as refused:
            await call
        assert refused.value.reason == "not_found"
    account.books.becomes(str(start.checkout.reference), "expired")
    given_up = await gateway.fetch_subscription(str(start.checkout.reference))
    assert given_up.status is RemoteSubscriptionStatus.CANCELLED
    assert given_up.ended_at is not None


async def test_a_check_says_that_the_key_is_known(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    assert (await gateway.check()).detail == "Stripe knows the key"
    assert [(request.path, request.query) for request in account.arrived] == [("/v1/checkout/sessions", {"limit": "1"})]


async def test_a_payment_that_nobody_disputed_is_one_question(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    reference, _ = await paid(account, gateway)
    account.arrived.clear()
    await gateway.fetch(reference)
    assert [request.path for request in account.arrived] == [f"/v1/checkout/sessions/{reference}"]


async def test_an_answer_that_says_nothing_of_use_cannot_be_read(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    """With words of JSON, but not those that are due: asked again where it was a question, else left open."""
    reference, _ = await paid(account, gateway)
    subscription = await subscribed(account, gateway)
    charge = account.books.period_ends(subscription) or ""
    session = Reply(200, {**account.books.kept[reference], "amount_total": None})
    intent = Reply(200, account.books.expanded(account.books.kept[reference], []))
    questions = {
        "fetch": (gateway.fetch(reference), [session]),
        "fetch of an invoice": (gateway.fetch(charge), [Reply(200, {"id": charge, "object": "invoice"})]),
        "fetch_subscription": (gateway.fetch_subscription(subscription), [Reply(200, {"object": "subscription"})]),
    }
    effects = {
        "refund": (gateway.refund(RefundRequest(reference, Money(300, "KRW"), "why", "r")), [intent, Reply(200, {"a": 1})]),
        "open_checkout": (
            gateway.open_checkout(replace(CHECKOUT, idempotency_key="c")),
            [Reply(200, {"url": None, "id": "x"})],
        ),
        "cancel": (gateway.cancel_subscription(CancelSubscriptionRequest(subscription, False, "c")), [Reply(200, {"b": 1})]),
    }
    for due, calls in ((Unavailable, questions), (OutcomeUnknown, effects)):
        for what, (call, answers) in calls.items():
            account.next.extend(answers)
            with pytest.raises(due):
                await call
            assert not account.next, what
    account.next.append(Reply(200, "no words", {"request-id": REQUEST_ID}))
    with pytest.raises(Unavailable) as unread:
        await gateway.fetch(reference)
    assert (unread.value.code, unread.value.request_id) == ("200", REQUEST_ID)


async def test_without_any_time_nothing_is_sent(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    with pytest.raises(Unavailable) as late:
        await gateway.open_checkout(replace(CHECKOUT, timeout=0.0))
    assert late.value.code == "timeout"
    assert not account.arrived


async def test_a_dispute_holds_the_payment_until_it_was_decided(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    reference, intent = await paid(account, gateway)
    dispute = account.books.dispute(intent)
    for word, status in {
        "warning_needs_response": RemotePaymentStatus.DISPUTED,
        "needs_response": RemotePaymentStatus.DISPUTED,
        "under_review": RemotePaymentStatus.DISPUTED,
        "appeal_under_review": RemotePaymentStatus.DISPUTED,
        "lost": RemotePaymentStatus.REFUNDED,
        "a-state-to-come": RemotePaymentStatus.DISPUTED,
        "warning_closed": RemotePaymentStatus.PAID,
        "prevented": RemotePaymentStatus.PAID,
        "won": RemotePaymentStatus.PAID,
    }.items():
        account.books.becomes(dispute["id"], word)
        found = await gateway.fetch(reference)
        taken = CHECKOUT.amount if word == "lost" else Money.zero("KRW")
        assert (found.status, found.refunded, found.charged_back) == (status, taken, taken), word


@pytest.mark.parametrize(("asked", "currency", "taken"), [(300, "krw", 300), (10**6, "krw", None), (1, "usd", None)])
async def test_a_lost_dispute_took_its_amount_of_what_was_left(
    account: FakeStripe, gateway: StripePaymentGateway, asked: int, currency: str, taken: int | None
) -> None:
    reference, intent = await paid(account, gateway)
    await gateway.refund(RefundRequest(reference, Money(1000, "KRW"), "why", "refund-1"))
    dispute = account.books.dispute(intent, "lost")
    account.books.kept[dispute["id"]] |= {"amount": asked, "currency": currency}
    found = await gateway.fetch(reference)
    took = CHECKOUT.amount.amount - 1000 if taken is None else taken
    assert (found.charged_back, found.refunded) == (Money(took, "KRW"), Money(1000 + took, "KRW"))
    assert found.status is (RemotePaymentStatus.REFUNDED if taken is None else RemotePaymentStatus.PARTLY_REFUNDED)


@pytest.mark.parametrize(
    ("details", "country"),
    [
        ({"type": "card", "card": {"country": "US"}}, "US"),
        ({"type": "link", "link": {"country": "de"}}, "DE"),
        ({"type": "card", "card": {"country": None}}, None),
        ({"type": "card", "link": {"country": "US"}}, None),
        ({"type": "kr_card"}, None),
    ],
)
async def test_the_country_of_a_means_of_payment_is_stripes_word(
    account: FakeStripe, gateway: StripePaymentGateway, details: dict[str, Any], country: str | None
) -> None:
    reference, intent = await paid(account, gateway)
    account.books.kept[account.books.kept[intent]["latest_charge"]]["payment_method_details"] = details
    assert (await gateway.fetch(reference)).method_country == country


async def test_a_payment_that_was_never_disputed_says_nothing_of_disputes(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    reference, _ = await paid(account, gateway)
    assert (await gateway.fetch(reference)).charged_back is None


async def test_a_disputed_payment_is_not_given_back_twice(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    reference, intent = await paid(account, gateway)
    account.books.dispute(intent)
    with pytest.raises(Rejected) as refused:
        await gateway.refund(RefundRequest(reference, CHECKOUT.amount, "why", "refund-1"))
    assert (refused.value.reason, refused.value.code, refused.value.request_id) == ("disputed", "charge_disputed", REQUEST_ID)


async def test_a_refund_is_found_among_more_than_a_page(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    reference, intent = await paid(account, gateway)
    first = await gateway.refund(RefundRequest(reference, Money(50, "KRW"), "조금씩", "refund-0"))
    assert account.books.kept[first.id]["metadata"] == {
        "madang_reference": reference,
        "madang_refund_key": "refund-0",
        "reason": "조금씩",
    }
    for _ in range(100):
        account.books.refund({"payment_intent": intent, "amount": 50})
    assert await gateway.find_refund(reference, "refund-0") == first
    assert await gateway.find_refund(reference, "refund-1") is None


async def test_a_refund_that_is_not_among_two_thousand_is_not_said_to_be_missing(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    reference, intent = await paid(account, gateway)
    page = Reply(200, {"object": "list", "data": [{"id": "re_1", "object": "refund"}], "has_more": True})
    account.next.extend([Reply(200, account.books.kept[reference]), *[page] * 20])
    with pytest.raises(Unavailable, match="more refunds"):
        await gateway.find_refund(reference, "refund-0")
    assert not account.next
    pages = [request.query for request in account.arrived if request.path == "/v1/refunds"]
    assert [each.get("starting_after") for each in pages] == [None, *["re_1"] * 19]
    assert {each["payment_intent"] for each in pages} == {intent}


async def test_what_nobody_paid_is_not_given_back_and_has_no_refund(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    reference = str((await gateway.open_checkout(CHECKOUT)).reference)
    assert await gateway.find_refund(reference, "refund-0") is None
    with pytest.raises(Rejected) as unpaid:
        await gateway.refund(RefundRequest(reference, CHECKOUT.amount, "why", "refund-1"))
    assert (unpaid.value.reason, unpaid.value.operation) == ("not_refundable", "refund")
    reference, intent = await paid(account, gateway)
    for amount in (Money(0, "KRW"), Money(300, "USD")):
        with pytest.raises(Rejected) as refused:
            await gateway.refund(RefundRequest(reference, amount, "why", "refund-2"))
        assert (refused.value.reason, refused.value.operation) == ("invalid_request", "refund")
    assert not account.books.of_kind("refund")
    by_intent = await gateway.refund(RefundRequest(intent, Money(300, "KRW"), "why", "refund-3"))
    assert await gateway.find_refund(intent, "refund-3") == by_intent
    for unknown in ("sub_1", "re_1", ""):
        with pytest.raises(Rejected) as strange:
            await gateway.refund(RefundRequest(unknown, CHECKOUT.amount, "why", "refund-4"))
        assert (strange.value.reason, strange.value.operation) == ("not_found", "refund")


async def test_a_subscription_of_several_items_is_not_changed_here(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    reference = await subscribed(account, gateway)
    change = ChangeSubscriptionRequest(reference, "price_team", False, "change-1")
    item = account.books.kept[reference]["items"]["data"][0]
    for items in ([], [item, item]):
        account.next.append(Reply(200, {**account.books.kept[reference], "items": {"object": "list", "data": items}}))
        with pytest.raises(Rejected, match="one item") as refused:
            await gateway.change_subscription(change)
        assert (refused.value.reason, refused.value.operation) == ("invalid_request", "change_subscription")


async def test_a_checkouts_reference_is_no_subscription_to_change_cancel_or_resume(gateway: StripePaymentGateway) -> None:
    calls = {
        "change_subscription": gateway.change_subscription(ChangeSubscriptionRequest("cs_1", "price_team", False, "k")),
        "cancel_subscription": gateway.cancel_subscription(CancelSubscriptionRequest("in_1", False, "k")),
        "resume_subscription": gateway.resume_subscription(ResumeSubscriptionRequest("in_1", "k")),
        "fetch_subscription": gateway.fetch_subscription("in_1"),
    }
    for operation, call in calls.items():
        with pytest.raises(Rejected, match="no subscription") as refused:
            await call
        assert (refused.value.reason, refused.value.operation, refused.value.provider) == ("not_found", operation, "stripe")


async def test_an_open_checkout_is_closed_by_cancelling_what_it_would_begin(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    start = await gateway.subscribe(MONTHLY)
    assert start.checkout is not None
    reference = str(start.checkout.reference)
    for _ in range(2):
        closed = await gateway.cancel_subscription(CancelSubscriptionRequest(reference, False, "close-1"))
        assert (closed.reference, closed.status) == (reference, RemoteSubscriptionStatus.CANCELLED)
    assert account.books.kept[reference]["status"] == "expired"
    account.books.kept[reference]["status"] = "later"
    with pytest.raises(Rejected):
        await gateway.cancel_subscription(CancelSubscriptionRequest(reference, False, "close-2"))


async def test_a_checkout_that_was_agreed_to_meanwhile_is_cancelled_with_its_subscription(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    start = await gateway.subscribe(MONTHLY)
    assert start.checkout is not None
    reference = str(start.checkout.reference)
    account.books.pay(reference)
    closed = await gateway.cancel_subscription(CancelSubscriptionRequest(reference, False, "close-1"))
    assert (closed.reference, closed.status) == (
        account.books.kept[reference]["subscription"], RemoteSubscriptionStatus.CANCELLED,
    )  # fmt: skip


async def test_a_checkout_that_takes_long_fails_after_it_was_completed(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    reference = str((await gateway.open_checkout(CHECKOUT)).reference)
    account.books.fail(reference, "payment_method_provider_timeout")
    snapshot = await gateway.fetch(reference)
    assert (snapshot.status, snapshot.failure) == (RemotePaymentStatus.FAILED, "payment_method_provider_timeout")


async def test_a_price_of_the_settings_that_costs_something_else_is_the_operators_to_mend(
    gateway: StripePaymentGateway,
) -> None:
    for number, changes in enumerate(
        (
            {"price_reference": "price_other"},
            {"price_reference": "price_other", "trial_days": 7},
            {"amount": Money(9900, "JPY")},
            {"interval_months": 12},
        )
    ):
        with pytest.raises(Misconfigured) as refused:
            await gateway.subscribe(replace(MONTHLY, **changes, idempotency_key=f"wrong-{number}"))
        assert (refused.value.code, refused.value.provider) == ("amount_mismatch", "stripe")
    assert (await gateway.subscribe(replace(MONTHLY, trial_days=7, idempotency_key="right"))).checkout


async def test_a_subscription_without_a_price_of_stripes_is_told_amount_and_interval(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    start = await gateway.subscribe(replace(PLAN, amount=Money(99_000, "KRW"), interval_months=12))
    assert start.checkout is not None
    account.books.pay(str(start.checkout.reference))
    snapshot = await gateway.fetch_subscription(str(start.checkout.reference))
    assert snapshot.amount == Money(99_000, "KRW")
    assert account.answered[0][1]["line_items"][0]["price_data"]["recurring"] == {"interval": "year", "interval_count": 1}
    change = ChangeSubscriptionRequest(snapshot.reference, "", False, "change-1", Money(19_000, "KRW"), 3)
    assert (await gateway.change_subscription(change)).amount == Money(19_000, "KRW")
    [item] = account.answered[-1][1]["items"]
    assert item["price_data"]["recurring"] == {"interval": "month", "interval_count": 3}
    for wrong in ({"amount": None}, {"amount": Money(500, "IRR")}, {"interval_months": 0}):
        with pytest.raises(Rejected) as refused:
            await gateway.change_subscription(replace(change, **wrong, idempotency_key="wrong"))
        assert refused.value.reason == "invalid_request"
    with pytest.raises(Rejected, match="three years"):
        await gateway.subscribe(replace(PLAN, interval_months=37, idempotency_key="long"))


async def test_a_change_that_cannot_be_paid_changes_nothing(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    reference = await subscribed(account, gateway)
    account.books.declining = "insufficient_funds"
    with pytest.raises(Rejected) as declined:
        await gateway.change_subscription(ChangeSubscriptionRequest(reference, "price_team", True, "change-1"))
    assert declined.value.reason == "declined"
    assert (await gateway.fetch_subscription(reference)).price_reference == "price_pro"


async def test_what_has_ended_cannot_be_resumed_and_ends_no_second_time(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    reference = await subscribed(account, gateway)
    ended = await gateway.cancel_subscription(CancelSubscriptionRequest(reference, False, "cancel-1"))
    assert await gateway.cancel_subscription(CancelSubscriptionRequest(reference, True, "cancel-2")) == ended
    with pytest.raises(Rejected) as refused:
        await gateway.resume_subscription(ResumeSubscriptionRequest(reference, "resume-1"))
    assert refused.value.reason == "invalid_request"


async def test_each_kind_of_event_names_what_it_is_about(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    reference, intent = await paid(account, gateway)
    subscription = await subscribed(account, gateway)
    renewal = account.books.period_ends(subscription) or ""
    [payment] = [each for each in account.books.of_kind("invoice_payment") if each["invoice"] == renewal]
    kept, books = account.books.kept, account.books
    await gateway.refund(RefundRequest(reference, Money(300, "KRW"), "why", "refund-1"))
    elsewhere = books.refund({"payment_intent": payment["payment"]["payment_intent"], "amount": 300})
    [refund] = [each for each in books.of_kind("refund") if each["payment_intent"] == intent]
    charge = kept[kept[intent]["latest_charge"]]
    told = {
        "checkout.session.completed": (kept[reference], (reference, "payment-1", None)),
        "checkout.session.async_payment_failed": (kept[reference], (reference, "payment-1", None)),
        "checkout.session.expired": (kept[reference], (reference, "payment-1", None)),
        "charge.refunded": (charge, (intent, "payment-1", None)),
        "refund.updated": (refund, (reference, None, None)),
        "refund.failed": (elsewhere, (renewal, None, None)),
        "charge.dispute.created": (books.dispute(intent), (reference, None, None)),
        "charge.dispute.closed": (books.dispute(payment["payment"]["payment_intent"]), (renewal, None, None)),
        "charge.refund.updated": (books.dispute(books.charge(500, "krw", {})["id"]), (None, None, None)),
        "payment_intent.payment_failed": (kept[intent], (intent, "payment-1", None)),
        "invoice.paid": (kept[renewal], (renewal, None, subscription)),
        "invoice.payment_failed": (kept[renewal], (renewal, None, subscription)),
        "invoice.created": ({**kept[renewal], "status": "draft"}, (None, None, subscription)),
        "invoice.payment_succeeded": ({**kept[renewal], "amount_due": 0}, (None, None, subscription)),
        "invoice.voided": ({**kept[renewal], "parent": None}, (None, None, None)),
        "customer.subscription.deleted": (kept[subscription], (None, None, subscription)),
        "customer.subscription.trial_will_end": (kept[subscription], (None, None, subscription)),
        "product.created": ({"id": "prod_1", "object": "product"}, (None, None, None)),
        "setup_intent.created": ({}, (None, None, None)),
    }
    for kind, (about, named) in told.items():
        notice = await notice_of(gateway, account.event(kind, about, now()))
        assert (notice.kind, notice.snapshot) == (kind, None)
        assert (notice.reference, notice.payment_id, notice.subscription) == named, kind
        assert notice.subscription_id == (None if notice.subscription is None else PLAN.subscription_id)


async def test_what_others_charge_by_the_same_account_asks_nothing_of_stripe(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    intent = account.books.charge(500, "krw", {})
    charge = account.books.kept[intent["latest_charge"]]
    for kind, about in (("payment_intent.succeeded", intent), ("charge.succeeded", charge), ("charge.updated", charge)):
        notice = await notice_of(gateway, account.event(kind, about, now()))
        assert (notice.reference, notice.payment_id) == (None, None)
    assert not account.arrived


async def test_the_checkout_of_a_subscription_names_the_subscription_once_it_is_there(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    start = await gateway.subscribe(MONTHLY)
    assert start.checkout is not None
    reference = str(start.checkout.reference)
    waiting = await notice_of(gateway, account.event("checkout.session.expired", account.books.kept[reference], now()))
    account.books.pay(reference)
    begun = await notice_of(gateway, account.event("checkout.session.completed", account.books.kept[reference], now()))
    assert (waiting.subscription, waiting.reference) == (reference, None)
    assert begun.subscription == account.books.kept[reference]["subscription"]
    setup = await notice_of(gateway, account.event("checkout.session.completed", {"id": "cs_1", "mode": "setup"}, now()))
    assert (setup.subscription, setup.reference) == (None, None)


async def test_while_a_secret_is_rolled_either_signature_is_enough(gateway: StripePaymentGateway) -> None:
    body = json.dumps({"id": "evt_1", "object": "event", "type": "ping", "created": 1, "data": {"object": {}}}).encode()
    both = signed(body, now(), "whsec_of-tomorrow", WEBHOOK_SECRET)
    assert (await notice_of(gateway, both)).event_id == "evt_1"
    for wrong in (("whsec_of-tomorrow",), ("whsec_a", "whsec_b"), ("test-secret-not-secret",)):
        with pytest.raises(SignatureInvalid):
            await gateway.read_webhook(signed(body, now(), *wrong))


async def test_stripes_own_library_signs_what_is_believed(gateway: StripePaymentGateway) -> None:
    body = json.dumps({"id": "evt_1", "object": "event", "type": "ping", "data": {"object": {"이름": "마당"}}})
    header = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
    request = WebhookRequest({"stripe-signature": header}, body.encode(), now())
    assert (await notice_of(gateway, request)).kind == "ping"


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_delivery_is_believed_for_five_minutes(gateway: StripePaymentGateway, minutes: int) -> None:
    body = b'{"id": "evt_1", "type": "ping", "data": {"object": {}}}'
    with pytest.raises(SignatureInvalid):
        await gateway.read_webhook(signed(body, now() + timedelta(minutes=minutes)))
    assert await gateway.read_webhook(signed(body, now() + timedelta(minutes=minutes / 2)))


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"id": 7}', b"[" * 100_000, b"\xff"])
async def test_a_signed_body_that_is_no_event_is_refused(gateway: StripePaymentGateway, body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        await gateway.read_webhook(signed(body, now()))


async def test_without_a_webhook_secret_nothing_is_believed(account: FakeStripe, context: ProviderContext) -> None:
    gateway = StripePaymentGateway(StripeSettings(Secret(API_KEY), base_url=account.url), context)
    assert not gateway.capabilities.signed_webhooks
    with pytest.raises(SignatureInvalid):
        await gateway.read_webhook(account.event("ping", {}, now()))


async def test_the_list_has_payments_and_renewals_and_no_subscriptions_checkout(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    await paid(account, gateway)
    asked = account.answered[0][1]
    references = {each["id"] for each in account.books.of_kind("checkout.session")}
    references |= {account.books.open_session(asked)["id"] for _ in range(100)}
    subscription = await subscribed(account, gateway)
    renewals = {account.books.period_ends(subscription) for _ in range(20)}
    renewals |= {each["id"] for each in account.books.of_kind("invoice")}
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = await gateway.list_payments(now() - timedelta(hours=1), now() + timedelta(hours=1), cursor=cursor)
        found, cursor, pages = [*found, *page.payments], page.cursor, pages + 1
    assert sorted(each.reference for each in found) == sorted(references | renewals)
    assert {each.subscription for each in found} == {None, subscription}
    assert pages == 4


async def test_the_sdk_neither_reports_this_machine_nor_writes_people_into_a_log(
    account: FakeStripe,
    gateway: StripePaymentGateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with caplog.at_level(logging.DEBUG):
        for number in range(2):
            await gateway.open_checkout(replace(CHECKOUT, idempotency_key=f"checkout-{number}"))
    assert not written_in(tmp_path)
    for request in account.arrived:
        assert not [name for name in request.headers if name.startswith("x-stripe-client")]
        assert request.headers["user-agent"] == "madang"
    assert str(CHECKOUT.customer_email) not in caplog.text
