"""Stripe's documents mapped whole and compared whole, what is no such document, and what is asked of Stripe, whole."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.written_times import AT, END, LATER, PAUSES
from madang.adapters.stripe import errors, mapping, payload, webhooks
from madang.adapters.stripe.amounts import LARGEST, stripe_amount
from madang.adapters.stripe.lookups import next_cursor, prefix_of
from madang.adapters.stripe.subscription_mapping import begun_snapshot, subscription_snapshot
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, SignatureInvalid, Unavailable
from madang.ports.money import Money
from madang.ports.payment import (
    ChangeSubscriptionRequest,
    CheckoutRequest,
    PaymentNotice,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    RemotePaymentStatus,
    RemoteRefundStatus,
    RemoteSubscriptionStatus,
    SubscribeRequest,
    SubscriptionSnapshot,
)
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
PRICE, NOTHING = Money(9900, "KRW"), Money(0, "KRW")


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def charge(**changes: Any) -> Mapping[str, Any]:
    made = {"id": "ch_1", "created": seconds(AT), "currency": "krw", "amount_refunded": 0}
    return {**made, "payment_method_details": {"type": "card"}, **changes}


def intent(**changes: Any) -> Mapping[str, Any]:
    return {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "latest_charge": charge(), **changes}


def session(**changes: Any) -> Mapping[str, Any]:
    made = {"id": "cs_1", "mode": "payment", "status": "complete", "payment_status": "paid", "currency": "krw"}
    return {**made, "amount_total": 9900, "client_reference_id": "payment-1", "payment_intent": intent(), **changes}


PAID = PaymentSnapshot("cs_1", RemotePaymentStatus.PAID, PRICE, NOTHING, payment_id="payment-1", paid_at=AT, method="card")
DECLINED = {"last_payment_error": {"code": "card_declined", "decline_code": "lost_card"}}
UNPAID: Mapping[str, Any] = {"status": "pending", "paid_at": None}
OURS = {"madang_payment_id": "payment-2"}


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        (session(), {}),
        (session(payment_intent=intent(**DECLINED)), {}),
        (session(client_reference_id=None, metadata=OURS), {"payment_id": "payment-2"}),
        (session(metadata=OURS), {}),
        (session(client_reference_id=None), {"payment_id": None}),
        (
            session(payment_intent=intent(latest_charge=charge(amount_refunded=300))),
            {"status": "partly_refunded", "refunded": Money(300, "KRW")},
        ),
        (
            session(payment_intent=intent(latest_charge=charge(amount_refunded=9900))),
            {"status": "refunded", "refunded": PRICE},
        ),
        (
            session(payment_intent=intent(latest_charge=charge(amount_refunded=9901))),
            {"status": "refunded", "refunded": Money(9901, "KRW")},
        ),
        (session(payment_intent=intent(latest_charge={"id": "ch_1"})), {"paid_at": None, "method": None}),
        (session(payment_intent=intent(latest_charge=charge(payment_method_details={"type": 7}))), {"method": None}),
        (session(payment_intent=None), {"paid_at": None, "method": None}),
        (session(status="open", payment_status="unpaid", payment_intent=None), {**UNPAID, "method": None}),
        (session(status="expired", payment_status="unpaid"), {**UNPAID, "status": "expired"}),
        (session(status="expired", payment_status="paid"), {**UNPAID, "status": "expired"}),
        (session(status="a_state_to_come"), UNPAID),
        (session(payment_status="no_payment_required"), UNPAID),
        (session(payment_status="unpaid", payment_intent=intent(status="processing")), UNPAID),
        (session(payment_status="unpaid", payment_intent=intent(status="a_state_to_come")), UNPAID),
        (
            session(payment_status="unpaid", payment_intent=intent(status="requires_payment_method", **DECLINED)),
            {**UNPAID, "status": "failed", "failure": "lost_card"},
        ),
        (
            session(
                payment_status="unpaid",
                payment_intent=intent(status="requires_payment_method", last_payment_error={"code": "expired_card"}),
            ),
            {**UNPAID, "status": "failed", "failure": "expired_card"},
        ),
        (
            session(
                payment_status="unpaid", payment_intent=intent(status="requires_payment_method", last_payment_error={"code": 7})
            ),
            {**UNPAID, "status": "failed"},
        ),
    ],
)
def test_a_checkout_is_read_whole(told: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    wanted = {**changes, "status": RemotePaymentStatus(changes.get("status", "paid"))}
    assert mapping.session_snapshot(told) == replace(PAID, **wanted)


def disputed(status: str, amount: int = 300, currency: str = "krw") -> Mapping[str, Any]:
    return {"id": "dp_1", "status": status, "amount": amount, "currency": currency}


@pytest.mark.parametrize(
    ("disputes", "given_back", "status", "taken"),
    [
        ([disputed("won")], 0, "paid", 0),
        ([disputed("warning_closed")], 1000, "partly_refunded", 0),
        ([disputed("needs_response")], 0, "disputed", 0),
        ([disputed("a_state_to_come")], 0, "disputed", 0),
        ([disputed("lost")], 0, "partly_refunded", 300),
        ([disputed("lost"), disputed("lost", 500)], 0, "partly_refunded", 800),
        ([disputed("lost"), disputed("needs_response")], 0, "disputed", 300),
        ([disputed("lost", 9900)], 0, "refunded", 9900),
        ([disputed("lost", 9900)], 1000, "refunded", 8900),
        ([disputed("lost", 1, "usd")], 1000, "refunded", 8900),
    ],
)
def test_a_lost_dispute_is_money_that_went_back(
    disputes: Sequence[Mapping[str, Any]], given_back: int, status: str, taken: int
) -> None:
    told = session(payment_intent=intent(latest_charge=charge(amount_refunded=given_back)))
    back, took = Money(given_back + taken, "KRW"), Money(taken, "KRW")
    wanted = replace(PAID, status=RemotePaymentStatus(status), refunded=back, charged_back=took)
    assert mapping.session_snapshot(told, disputes) == wanted
    assert mapping.session_snapshot(session(payment_status="unpaid"), disputes).charged_back is None


def invoice(**changes: Any) -> Mapping[str, Any]:
    made = {"id": "in_1", "status": "paid", "amount_due": 9900, "currency": "krw", "attempted": True}
    parent = {"subscription_details": {"subscription": "sub_1", "metadata": {"madang_subscription_id": "s-1"}}}
    return {**made, "parent": parent, "status_transitions": {"paid_at": seconds(LATER)}, **changes}


RENEWED = PaymentSnapshot("in_1", RemotePaymentStatus.PAID, PRICE, NOTHING, paid_at=LATER, method="card", subscription="sub_1")
LOST = {**UNPAID, "status": "failed", "failure": "lost_card"}
WAITING = {"status": "open", "status_transitions": {"paid_at": None}}


@pytest.mark.parametrize(
    ("told", "by", "changes"),
    [
        (invoice(), intent(), {}),
        (invoice(), intent(**DECLINED), {}),
        (invoice(status_transitions={}), intent(), {"paid_at": AT}),
        (invoice(status_transitions=None), {}, {"paid_at": None, "method": None}),
        (invoice(parent=None, subscription="sub_2"), intent(), {"subscription": "sub_2"}),
        (invoice(parent=None), intent(), {"subscription": None}),
        (
            invoice(),
            intent(latest_charge=charge(amount_refunded=300)),
            {"status": "partly_refunded", "refunded": Money(300, "KRW")},
        ),
        (invoice(**WAITING), intent(status="requires_payment_method"), {**UNPAID, "status": "failed"}),
        (
            invoice(**WAITING, attempted=False),
            intent(status="requires_payment_method", **DECLINED),
            {**UNPAID, "failure": "lost_card"},
        ),
        (invoice(**WAITING), intent(status="processing"), UNPAID),
        (invoice(status="uncollectible", status_transitions={}), intent(**DECLINED), LOST),
        (invoice(status="void", status_transitions={}), {}, {**UNPAID, "status": "cancelled", "method": None}),
    ],
)  # fmt: skip
def test_a_renewal_is_read_whole(told: Mapping[str, Any], by: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    wanted = {**changes, "status": RemotePaymentStatus(changes.get("status", "paid"))}
    assert mapping.invoice_snapshot(told, by) == replace(RENEWED, **wanted)


@pytest.mark.parametrize(
    ("changes", "status", "failure"),
    [
        ({"status": "succeeded"}, "succeeded", None),
        ({"status": "succeeded", "failure_reason": "lost_or_stolen_card"}, "succeeded", None),
        ({"status": "requires_action"}, "pending", None),
        ({"status": "failed"}, "failed", "failed"),
        ({"status": "canceled", "failure_reason": "merchant_request"}, "failed", "merchant_request"),
        ({}, "pending", None),
    ],
)
def test_a_refund_is_read_whole(changes: Mapping[str, Any], status: str, failure: str | None) -> None:
    told = {"id": "re_1", "amount": 300, "currency": "krw", **changes}
    assert mapping.refund_snapshot(told) == RefundSnapshot("re_1", RemoteRefundStatus(status), Money(300, "KRW"), failure)


def item(**changes: Any) -> Mapping[str, Any]:
    price = {"id": "price_1", "unit_amount": 9900, "currency": "krw"}
    times = {"current_period_start": seconds(AT), "current_period_end": seconds(END)}
    return {"id": "si_1", "price": price, "quantity": 1, **times, **changes}


def subscription(*items: Mapping[str, Any], **changes: Any) -> Mapping[str, Any]:
    made = {"id": "sub_1", "status": "active", "metadata": {"madang_subscription_id": "s-1"}, "cancel_at_period_end": False}
    return {**made, "items": {"data": list(items) or [item()]}, **changes}


RUNNING = SubscriptionSnapshot(
    "sub_1", RemoteSubscriptionStatus.ACTIVE, "price_1", current_period_start=AT, current_period_end=END,
    subscription_id="s-1", amount=PRICE,
)  # fmt: skip
OTHER = {"id": "price_2", "unit_amount": None, "currency": "krw"}
TIMELESS = {"price": {"id": "price_1", "unit_amount": 9900, "currency": "krw"}}


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        (subscription(), {}),
        (subscription(item(quantity=2)), {"amount": Money(19_800, "KRW")}),
        (subscription(item(), item(price={**OTHER, "unit_amount": 100})), {"amount": Money(10_000, "KRW")}),
        (subscription(item(), item(price=OTHER)), {"amount": None}),
        (subscription(item(quantity=None)), {"amount": None}),
        (subscription(TIMELESS), {"current_period_start": None, "current_period_end": None}),
        (subscription(TIMELESS, current_period_start=seconds(AT), current_period_end=seconds(END)), {}),
        (subscription(metadata=None), {"subscription_id": None}),
        (subscription(cancel_at_period_end=True), {"cancel_at_period_end": True}),
        (subscription(cancel_at=seconds(END)), {"cancel_at_period_end": True}),
        (subscription(cancel_at=seconds(LATER)), {}),
        (subscription(status="trialing", trial_end=seconds(END)), {"status": "trialing", "trial_ends_at": END}),
        (subscription(status="canceled", ended_at=seconds(LATER)), {"status": "cancelled", "ended_at": LATER}),
        (subscription(status="a_state_to_come"), {"status": "pending"}),
    ],
)  # fmt: skip
def test_a_subscription_is_read_whole(told: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    wanted = {**changes, "status": RemoteSubscriptionStatus(changes.get("status", "active"))}
    assert subscription_snapshot(told) == replace(RUNNING, **wanted)


def test_a_subscription_without_items_has_no_price_and_no_period() -> None:
    bare = SubscriptionSnapshot("sub_1", RemoteSubscriptionStatus.ACTIVE, "")
    assert subscription_snapshot({"id": "sub_1", "status": "active"}) == bare
    assert subscription_snapshot({"id": "sub_1", "status": "active", "cancel_at": None, "items": {}}) == bare


def test_a_subscription_begins_with_its_checkout() -> None:
    opened = {"id": "cs_1", "mode": "subscription", "status": "open", "client_reference_id": "s-1", "expires_at": seconds(END)}
    waiting = SubscriptionSnapshot("cs_1", RemoteSubscriptionStatus.PENDING, "", subscription_id="s-1")
    assert begun_snapshot(opened) == waiting
    over = replace(waiting, status=RemoteSubscriptionStatus.CANCELLED, ended_at=END)
    assert begun_snapshot({**opened, "status": "expired"}) == over
    assert begun_snapshot({**opened, "subscription": subscription()}) == RUNNING
    with pytest.raises(ValueError, match="no subscription"):
        begun_snapshot({**opened, "mode": "payment"})


READERS: Mapping[str, Callable[[Any], object]] = {
    "session": mapping.session_snapshot,
    "invoice": lambda told: mapping.invoice_snapshot(told, {}),
    "refund": mapping.refund_snapshot,
    "subscription": subscription_snapshot,
    "begun": begun_snapshot,
}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("session", session(id="")),
        ("session", session(id=None)),
        ("session", session(amount_total=None)),
        ("session", session(amount_total=True)),
        ("session", session(currency=None)),
        ("invoice", invoice(id=7)),
        ("invoice", invoice(amount_due="9900")),
        ("refund", {"id": None, "amount": 1, "currency": "krw"}),
        ("refund", {"id": "re_1", "amount": 1}),
        ("subscription", subscription(id="")),
        ("begun", {"mode": "subscription", "status": "open"}),
    ],
)
def test_what_is_no_such_document_is_not_read_as_one(what: str, told: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        READERS[what](told)


@pytest.mark.parametrize(
    ("told", "paid_by"),
    [
        (session(), charge()),
        (intent(), charge()),
        (session(payment_intent="pi_1"), {}),
        (session(payment_intent=None), {}),
        (intent(latest_charge="ch_1"), {}),
    ],
)
def test_the_charge_is_that_of_the_intent_where_it_is_there_as_a_whole(told: Any, paid_by: Mapping[str, Any]) -> None:
    assert mapping.charge_of(told) == paid_by


def by(status: str, named: Any, *, default: bool = False) -> Mapping[str, Any]:
    return {"status": status, "is_default": default, "payment": {"type": "payment_intent", "payment_intent": named}}


@pytest.mark.parametrize(
    ("payments", "found"),
    [
        ((by("open", "pi_1"), by("paid", "pi_2")), "pi_2"),
        ((by("canceled", "pi_1", default=True), by("open", "pi_2")), "pi_2"),
        ((by("open", "pi_1"), by("open", "pi_2", default=True)), "pi_2"),
        ((by("open", "pi_1", default=True), by("open", "pi_2")), "pi_1"),
        ((by("paid", None), by("canceled", {"id": "pi_2"})), "pi_2"),
        ((by("paid", None),), "pi_old"),
        ((), "pi_old"),
    ],
)
def test_an_invoice_is_paid_by_the_intent_that_did_else_by_the_one_that_would(
    payments: Sequence[Mapping[str, Any]], found: str
) -> None:
    assert mapping.intent_of_invoice({"payments": {"data": list(payments)}, "payment_intent": "pi_old"}) == found


def test_of_a_list_the_objects_count() -> None:
    assert mapping.listed({"data": [{"id": "a"}, "b", None]}) == [{"id": "a"}]
    assert mapping.listed({"data": "a"}) == mapping.listed({}) == mapping.listed(None) == mapping.listed([{"id": "a"}]) == []


@pytest.mark.parametrize(("told", "moment"), [(seconds(AT), AT), (True, None), ("1", None), (None, None)])
def test_a_time_is_seconds(told: Any, moment: datetime | None) -> None:
    assert mapping.moment_of(told) == moment


@pytest.mark.parametrize(
    ("page", "cursor"),
    [
        ({"has_more": True, "data": [{"id": "a"}, {"id": "b"}]}, "b"),
        ({"has_more": False, "data": [{"id": "a"}]}, None),
        ({"has_more": True, "data": []}, None),
        ({}, None),
    ],
)
def test_a_list_goes_on_behind_the_last_of_a_page(page: Mapping[str, Any], cursor: str | None) -> None:
    assert next_cursor(page) == cursor


@pytest.mark.parametrize(
    ("reference", "prefix"),
    [("cs_test_1", "cs"), ("in_1", "in"), ("pi_1", "pi"), ("sub_1", "sub"), ("re_1", ""), ("cs_", ""), ("cs_1/x", "")],
)  # fmt: skip
def test_a_reference_says_what_it_names(reference: str, prefix: str) -> None:
    assert prefix_of(reference) == prefix


# What is asked

CHECKOUT = CheckoutRequest(
    "payment-1", PRICE, "사진 3장", "https://shop.example/ok", "https://shop.example/no", "checkout-1",
)  # fmt: skip


def test_a_checkout_is_asked_for_whole() -> None:
    plain = {
        "mode": "payment",
        "client_reference_id": "payment-1",
        "line_items": [
            {"quantity": 1, "price_data": {"currency": "krw", "unit_amount": 9900, "product_data": {"name": "사진 3장"}}}
        ],
        "success_url": "https://shop.example/ok",
        "cancel_url": "https://shop.example/no",
        "metadata": {"madang_payment_id": "payment-1"},
        "payment_intent_data": {"metadata": {"madang_payment_id": "payment-1"}, "description": "사진 3장"},
        "adaptive_pricing": {"enabled": False},
        "locale": "ko",
    }
    assert payload.checkout_params(CHECKOUT, NOW) == plain
    end = datetime(2026, 11, 20, 11, tzinfo=UTC)
    more = replace(CHECKOUT, customer_email="buyer@example.com", expires_at=end, extra={"submit_type": "book"}, locale="xx")
    added = {"customer_email": "buyer@example.com", "expires_at": seconds(end), "submit_type": "book", "locale": "auto"}
    assert payload.checkout_params(more, NOW) == {**plain, **added}


SUBSCRIBE = SubscribeRequest(
    "s-1", "", PRICE, 3, "마당 프로", "https://shop.example/ok", "https://shop.example/no", "subscribe-1"
)


def test_a_subscription_is_asked_for_whole() -> None:
    recurring = {"interval": "month", "interval_count": 3}
    told = {"currency": "krw", "unit_amount": 9900, "product_data": {"name": "마당 프로"}, "recurring": recurring}
    data = {"metadata": {"madang_subscription_id": "s-1"}, "description": "마당 프로"}
    plain: Mapping[str, Any] = {
        "mode": "subscription",
        "client_reference_id": "s-1",
        "line_items": [{"quantity": 1, "price_data": told}],
        "success_url": "https://shop.example/ok",
        "cancel_url": "https://shop.example/no",
        "metadata": {"madang_subscription_id": "s-1"},
        "subscription_data": data,
        "adaptive_pricing": {"enabled": False},
        "locale": "ko",
    }
    assert payload.subscribe_params(SUBSCRIBE) == plain
    more = replace(
        SUBSCRIBE, price_reference="price_1", trial_days=7, customer_email="buyer@example.com", extra={"submit_type": "book"}
    )
    assert payload.subscribe_params(more) == {
        **plain,
        "line_items": [{"quantity": 1, "price": "price_1"}],
        "expand": ["line_items"],
        "subscription_data": {**data, "trial_period_days": 7},
        "customer_email": "buyer@example.com",
        "submit_type": "book",
    }


@pytest.mark.parametrize(
    ("months", "interval"),
    [(1, ("month", 1)), (11, ("month", 11)), (12, ("year", 1)), (24, ("year", 2)), (36, ("year", 3)), (0, None), (37, None)],
)
def test_stripe_renews_after_one_month_to_three_years(months: int, interval: tuple[str, int] | None) -> None:
    request = replace(SUBSCRIBE, interval_months=months)
    if interval is None:
        with pytest.raises(ValueError, match="three years"):
            payload.subscribe_params(request)
        return
    [line] = payload.subscribe_params(request)["line_items"]
    assert tuple(line["price_data"]["recurring"].values()) == interval


@pytest.mark.parametrize(
    ("recurring", "same"),
    [
        ({"interval": "month", "interval_count": 12}, True),
        ({"interval": "year", "interval_count": 1}, True),
        ({"interval": "year"}, True),
        ({"interval": "month", "interval_count": 1}, False),
        ({"interval": "week", "interval_count": 12}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_price_recurs_as_ours_or_does_not(recurring: Any, same: bool) -> None:
    request = replace(SUBSCRIBE, interval_months=12)
    price = {"unit_amount": 9900, "currency": "krw", "recurring": recurring}
    assert payload.recurs_as(request, price) is same
    assert payload.recurs_as(replace(request, interval_months=1), {**price, "recurring": {"interval": "month"}})
    assert not payload.recurs_as(request, {**price, "unit_amount": 9901})
    assert not payload.recurs_as(request, {**price, "currency": "jpy"})


CHANGE = ChangeSubscriptionRequest("sub_1", "price_2", True, "change-1")


def test_a_change_is_asked_for_whole() -> None:
    named = {"items": [{"id": "si_1", "price": "price_2"}], "payment_behavior": "error_if_incomplete"}
    assert payload.change_params(CHANGE, item()) == {**named, "proration_behavior": "always_invoice"}
    assert payload.change_params(replace(CHANGE, prorate=False), item()) == {**named, "proration_behavior": "none"}
    told = replace(CHANGE, price_reference="", amount=PRICE, interval_months=12)
    price = {
        "currency": "krw",
        "unit_amount": 9900,
        "product": "prod_1",
        "recurring": {"interval": "year", "interval_count": 1},
    }
    for product in ("prod_1", {"id": "prod_1"}):
        asked = payload.change_params(told, item(price={"product": product}))
        assert asked["items"] == [{"id": "si_1", "price_data": price}]
    with pytest.raises(ValueError, match="a price, or an amount"):
        payload.change_params(replace(told, amount=None), item())


def test_a_refund_is_asked_for_whole() -> None:
    request = RefundRequest("cs_1", Money(300, "KRW"), "미" * 501, "열쇠")
    assert payload.refund_params(request, "pi_1") == {
        "payment_intent": "pi_1",
        "amount": 300,
        "metadata": {"madang_refund_key": payload.key_of("열쇠"), "madang_reference": "cs_1", "reason": "미" * 500},
    }


def test_a_page_of_a_list_is_asked_for_whole() -> None:
    time = {"gte": seconds(AT), "lt": seconds(END)}
    sessions = {"created": time, "limit": 100, "expand": ["data.payment_intent.latest_charge"]}
    assert payload.sessions_page(AT, END, None) == sessions
    assert payload.sessions_page(AT, END, "cs_1") == {**sessions, "starting_after": "cs_1"}
    invoices = {"created": time, "limit": 20, "expand": ["data.payments"]}
    assert payload.invoices_page(AT, END, None) == invoices
    assert payload.invoices_page(AT, END, "in_1") == {**invoices, "starting_after": "in_1"}
    assert payload.refunds_page("pi_1", None) == {"payment_intent": "pi_1", "limit": 100}
    assert payload.refunds_page("pi_1", "re_1") == {"payment_intent": "pi_1", "limit": 100, "starting_after": "re_1"}


def test_a_key_goes_as_it_is_where_a_header_and_stripe_take_it() -> None:
    assert payload.options_of("k") == {"idempotency_key": "k"}
    assert payload.options_of("k", expires=7) == {"idempotency_key": "k@7"}
    assert payload.key_of("k" * 255) == "k" * 255
    for odd in ("k" * 256, "열쇠", "two\nlines"):
        assert len(payload.key_of(odd)) == 64


# Events


def event(kind: str, about: Any) -> Mapping[str, Any]:
    return {"id": "evt_1", "type": kind, "created": seconds(AT), "data": {"object": about}}


REFUND = {"object": "refund", "id": "re_1", "payment_intent": "pi_1"}
KNOWN = {"metadata": {"madang_reference": "cs_1"}}


@pytest.mark.parametrize(
    ("kind", "about", "named", "followed"),
    [
        ("checkout.session.completed", session(), {"reference": "cs_1", "payment_id": "payment-1"}, None),
        ("checkout.session.completed", session(client_reference_id=7), {"reference": "cs_1"}, None),
        (
            "checkout.session.completed",
            session(mode="subscription", client_reference_id="s-1", subscription="sub_1"),
            {"subscription": "sub_1", "subscription_id": "s-1"},
            None,
        ),
        (
            "checkout.session.expired",
            session(mode="subscription", client_reference_id=None),
            {"subscription": "cs_1"},
            None,
        ),
        ("checkout.session.completed", session(mode="setup"), {}, None),
        ("invoice.paid", invoice(), {"reference": "in_1", "subscription": "sub_1", "subscription_id": "s-1"}, None),
        ("invoice.paid", invoice(amount_due=0), {"subscription": "sub_1", "subscription_id": "s-1"}, None),
        ("invoice.created", invoice(status="draft"), {"subscription": "sub_1", "subscription_id": "s-1"}, None),
        ("invoice.paid", invoice(parent=None, subscription="sub_2"), {"reference": "in_1", "subscription": "sub_2"}, None),
        ("invoice.paid", invoice(parent=None), {}, None),
        ("customer.subscription.updated", subscription(), {"subscription": "sub_1", "subscription_id": "s-1"}, None),
        ("customer.subscription.updated", {"id": "sub_1"}, {"subscription": "sub_1"}, None),
        ("payment_intent.succeeded", intent(metadata=OURS), {"reference": "pi_1", "payment_id": "payment-2"}, None),
        ("payment_intent.succeeded", intent(), {}, None),
        ("charge.updated", charge(payment_intent="pi_1", metadata={}), {}, None),
        (
            "charge.succeeded",
            charge(payment_intent="pi_1", metadata=OURS),
            {"reference": "pi_1", "payment_id": "payment-2"},
            None,
        ),
        ("charge.succeeded", charge(payment_intent="pi_1"), {}, None),
        ("charge.refunded", charge(payment_intent="pi_1"), {}, "pi_1"),
        ("charge.refunded", charge(payment_intent={"id": "pi_1"}), {}, "pi_1"),
        ("charge.dispute.created", {"payment_intent": "pi_1"}, {}, "pi_1"),
        ("refund.updated", {**REFUND, **KNOWN}, {"reference": "cs_1"}, None),
        ("refund.updated", {**REFUND, "metadata": {"madang_reference": 7}}, {}, "pi_1"),
        ("refund.updated", REFUND, {}, "pi_1"),
        ("customer.created", {"id": "cus_1"}, {}, None),
        ("checkout.session.completed", None, {}, None),
    ],
)  # fmt: skip
def test_an_event_names_what_it_is_about(kind: str, about: Any, named: Mapping[str, Any], followed: str | None) -> None:
    notice = PaymentNotice("evt_1", kind, AT, **named)
    assert webhooks.told_by(event(kind, about)) == webhooks.Told(notice, followed)


SECRET = Secret("whsec_test-secret-not-secret")


def signature(body: bytes, seconds: int) -> str:
    return hmac.digest(SECRET.reveal().encode(), f"{seconds}.".encode() + body, "sha256").hex()


def signed(body: bytes, later: int = 0, header: str = "t={t}, v1={v1}") -> WebhookRequest:
    told = header.format(t=seconds(AT), v1=signature(body, seconds(AT)))
    return WebhookRequest({"stripe-signature": told}, body, AT + timedelta(seconds=later))


@pytest.mark.parametrize("later", [-300, 0, 300])
@pytest.mark.parametrize("header", ["t={t},v1={v1}", "v0=0,v1=0,v1={v1}, t={t}", "t={t}," + "v1=0," * 20 + "v1={v1}"])
def test_an_event_is_believed_within_five_minutes_when_one_signature_is_ours(later: int, header: str) -> None:
    assert webhooks.verified(SECRET, signed(b'{"id": "evt_1"}', later, header)) == {"id": "evt_1"}


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (signed(b'{"id": "evt_1"}', -301), "too long ago"),
        (signed(b'{"id": "evt_1"}', 301), "too long ago"),
        (signed(b'{"id": "evt_1"}', header="t={t},v0={v1}"), "no signature is ours"),
        (signed(b'{"id": "evt_1"}', header="t={t}"), "no signature is ours"),
        (signed(b'{"id": "evt_1"}', header="t={t},t={t},v1={v1}"), "missing or wrong"),
        (signed(b'{"id": "evt_1"}', header="v1={v1}"), "missing or wrong"),
        (signed(b'{"id": "evt_1"}', header="t=-{t},v1={v1}"), "missing or wrong"),
        (signed(b'{"id": "evt_1"}', header="t=0000{t},v1={v1}"), "missing or wrong"),
        (WebhookRequest({}, b"{}", AT), "missing or wrong"),
        (signed(b"[" * 100_000), "cannot be read"),
        (signed(b"\xff"), "cannot be read"),
        (signed(b"[]"), "not an event"),
        (signed(b'{"id": 7}'), "not an event"),
        (signed(b'{"id": ""}'), "not an event"),
    ],
)
def test_what_stripe_did_not_sign_for_us_now_is_refused(request_: WebhookRequest, why: str) -> None:
    with pytest.raises(SignatureInvalid, match=why) as refused:
        webhooks.verified(SECRET, request_)
    assert (refused.value.provider, refused.value.operation) == ("stripe", "read_webhook")


def test_the_largest_and_the_smallest_amount_are_taken() -> None:
    assert stripe_amount(Money(LARGEST, "USD")) == (999_999_999_999, "usd")
    assert stripe_amount(Money(1, "USD")) == (1, "usd")
    assert stripe_amount(Money(10, "KWD")) == (10, "kwd")


def test_an_event_without_a_time_is_told_now_and_a_long_kind_is_cut() -> None:
    before = datetime.now(UTC)
    told = webhooks.told_by({"id": "evt_1", "type": "x" * 101})
    assert told.notice.kind == "x" * 100
    assert told.notice.occurred_at is not None
    assert before <= told.notice.occurred_at <= datetime.now(UTC)


# Errors


@pytest.mark.parametrize(
    ("operation", "status", "told", "effect", "expected", "words"),
    [
        ("fetch", 302, {}, False, Misconfigured, "plugins.stripe"),
        ("fetch", 399, {"code": "x"}, False, Misconfigured, "plugins.stripe"),
        ("fetch", 400, {}, False, Rejected, "refuses the request"),
        ("fetch", 405, {"code": "x"}, False, Misconfigured, "plugins.stripe"),
        ("fetch", 404, {}, False, Misconfigured, "plugins.stripe"),
        ("fetch", 404, {"code": "resource_missing"}, False, Rejected, "no such thing"),
        ("fetch", 408, {}, False, Unavailable, "answers 408"),
        ("refund", 424, {}, True, Unavailable, "answers 424"),
        ("refund", 409, {}, True, OutcomeUnknown, "answers 409"),
        ("refund", 499, {}, True, Rejected, "refuses the request"),
        ("fetch", 500, {}, False, Unavailable, "answers 500"),
        ("refund", 400, {"type": "card_error"}, True, Rejected, "declined"),
        ("refund", 402, {}, True, Rejected, "declined"),
        ("refund", 400, {"code": "lock_timeout"}, True, RateLimited, "too many calls"),
    ],
)
def test_an_error_says_what_is_to_be_done(
    operation: str, status: int, told: Mapping[str, Any], effect: bool, expected: type[PortError], words: str
) -> None:
    answer = {"error": told} if told else {}
    error = errors.error_of(operation, status, {"request-id": "req_1"}, answer, effect=effect)
    assert type(error) is expected
    assert words in error.message
    known = told.get("code", told.get("type", str(status)))
    assert (error.provider, error.operation, error.code, error.request_id) == ("stripe", operation, known, "req_1")


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"code": "a_code", "type": "a_type"}, "a_code"),
        ({"code": "No Code", "type": "a_type"}, "a_type"),
        ({"code": "x" * 65, "type": 7}, "400"),
        ({"type": "card_error", "decline_code": "No Word"}, "card_error"),
        ({"type": "card_error", "decline_code": "lost_card"}, "card_error:lost_card"),
        ("no object", "400"),
    ],
)
def test_an_error_has_stripes_word_for_its_code_or_the_status(told: Any, code: str) -> None:
    assert errors.error_of("refund", 400, {}, {"error": told}, effect=True).code == code


@pytest.mark.parametrize(("written", "pause"), PAUSES)
def test_a_pause_that_is_asked_for_is_kept_and_bounded(written: str, pause: float | None) -> None:
    error = errors.error_of("refund", 429, {"retry-after": written}, {}, effect=True)
    assert isinstance(error, RateLimited)
    assert error.retry_after == pause


@pytest.mark.parametrize("given", ["", "no id", "x" * 65])
def test_an_id_of_a_call_that_is_none_is_left_out(given: str) -> None:
    assert errors.request_id({"request-id": given}) is None
    assert errors.request_id({}) is None


def test_the_reason_of_a_refused_refund_is_not_that_of_other_calls() -> None:
    told = {"error": {"code": "charge_disputed", "type": "invalid_request_error"}}
    reasons = [errors.error_of(each, 400, {}, told, effect=True) for each in ("refund", "subscribe")]
    assert [getattr(each, "reason", None) for each in reasons] == ["disputed", "invalid_request"]


def test_what_is_refused_here_names_us_the_operation_and_the_reason() -> None:
    refused = errors.refused("refund", "why")
    assert (refused.provider, refused.operation, refused.reason, refused.message) == (
        "stripe",
        "refund",
        "invalid_request",
        "why",
    )
    assert errors.refused("fetch", "why", "not_found").reason == "not_found"
