"""Paddle's documents mapped whole and compared whole, what is no such document, what leaves, and every error."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contract.written_times import AT, END, LATER, MOMENTS, WRITTEN, WRITTEN_END, WRITTEN_LATER
from madang.adapters.paddle import errors, mapping, payload
from madang.adapters.paddle.settings import PaddleSettings
from madang.adapters.paddle.subscriptions import awaited_of, ends, subscription_of
from madang.adapters.paddle.webhooks import notice_in
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

PRICE, NOTHING = Money(990, "USD"), Money(0, "USD")
ITEM: Mapping[str, Any] = {"price": {"id": "pri_1", "tax_mode": "external"}, "quantity": 1}
OPEN_TO_BOTH = {"price": {"id": "pri_2", "tax_mode": "account_setting"}}
TOTALS: Mapping[str, Any] = {"totals": {"total": "1089", "tax": "99"}, "adjusted_totals": {"total": "1089"}}
CAPTURED = {"status": "captured", "captured_at": WRITTEN, "method_details": {"type": "card"}}
OURS = {"payment_id": "payment-1"}


def transaction(**changes: Any) -> Mapping[str, Any]:
    made = {"id": "txn_1", "status": "completed", "currency_code": "USD", "details": TOTALS, "items": [ITEM, OPEN_TO_BOTH]}
    return {**made, "custom_data": OURS, "payments": [{"status": "error"}, CAPTURED], "billed_at": WRITTEN_LATER, **changes}


def adjusted(action: str, total: str, status: str = "approved", tax: str = "0", item: str = "txnitm_1") -> Mapping[str, Any]:
    totals = {"total": total, "tax": tax}
    items = [{"item_id": item, "totals": totals}]
    return {"id": f"adj_{total}", "action": action, "status": status, "currency_code": "USD", "totals": totals, "items": items}


def within(**changes: Any) -> Mapping[str, Any]:
    return transaction(items=[{"price": {"tax_mode": "internal"}}], **changes)


PAID = PaymentSnapshot(
    "txn_1", RemotePaymentStatus.PAID, PRICE, NOTHING, payment_id="payment-1", paid_at=AT, method="card", tax=Money(99, "USD")
)
UNPAID: Mapping[str, Any] = {"paid_at": None, "method": None}


def parts(*adjustments: Any) -> Mapping[str, Any]:
    return transaction(adjustments=list(adjustments))


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        (transaction(), {}),
        (transaction(status="paid"), {}),
        (transaction(status="billed"), {"status": "pending", **UNPAID}),
        (transaction(status="canceled"), {"status": "cancelled", **UNPAID}),
        (transaction(status="a_state_to_come"), {"status": "pending", **UNPAID}),
        (transaction(custom_data=None), {"payment_id": None}),
        (transaction(custom_data={"payment_id": ""}), {"payment_id": None}),
        (transaction(subscription_id="sub_1"), {"subscription": "sub_1"}),
        (transaction(payments=[]), {"method": None, "paid_at": LATER}),
        (transaction(payments=None, billed_at=None, updated_at=WRITTEN_END), {"method": None, "paid_at": END}),
        (transaction(payments=[{**CAPTURED, "method_details": None}]), {"method": None}),
        (transaction(details={"totals": {"total": "990", "tax": "0"}}), {"tax": None}),
        (transaction(details={"totals": {"total": "991", "tax": "1"}}), {"tax": Money(1, "USD")}),
        (transaction(details={"totals": {"total": "1", "tax": "2"}}), {"amount": NOTHING, "tax": Money(2, "USD")}),
        (within(), {"amount": Money(1089, "USD"), "tax": None}),
        (transaction(items=None), {}),
        (transaction(items=[OPEN_TO_BOTH, {"price": {"tax_mode": "internal"}}]), {"amount": Money(1089, "USD"), "tax": None}),
        (parts(adjusted("refund", "330", tax="30")), {"status": "partly_refunded", "refunded": Money(300, "USD")}),
        (parts(adjusted("refund", "330", "pending_approval", "30"), adjusted("refund", "9", "rejected"), None), {}),
        (parts(adjusted("refund", "1089", tax="99")), {"status": "refunded", "refunded": PRICE}),
        (parts(adjusted("credit", "330")), {}),
        (
            parts(adjusted("chargeback", "1089", tax="99")),
            {"status": "refunded", "refunded": PRICE, "charged_back": PRICE},
        ),
        (
            parts(adjusted("chargeback", "330", tax="30"), adjusted("refund", "100")),
            {"status": "partly_refunded", "refunded": Money(400, "USD"), "charged_back": Money(300, "USD")},
        ),
        (
            parts(adjusted("chargeback", "990"), adjusted("refund", "100")),
            {"status": "refunded", "refunded": PRICE, "charged_back": PRICE},
        ),
        (parts(adjusted("chargeback", "990", "reversed")), {"charged_back": NOTHING}),
        (parts(adjusted("chargeback_warning", "990")), {"status": "disputed", "charged_back": NOTHING}),
        (parts(adjusted("chargeback_warning", "990", "reversed")), {"charged_back": NOTHING}),
    ],
)  # fmt: skip
def test_a_transaction_is_read_whole(told: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    wanted = {**changes, "status": RemotePaymentStatus(changes.get("status", "paid"))}
    assert mapping.payment_of(told, False) == replace(PAID, **wanted)


def test_a_price_that_leaves_it_to_the_account_holds_the_tax_as_that_says() -> None:
    told = transaction(items=[{"price": {"tax_mode": "account_setting"}}])
    assert [mapping.holds_tax(told, inclusive) for inclusive in (True, False)] == [True, False]
    assert [mapping.holds_tax(transaction(), inclusive) for inclusive in (True, False)] == [False, False]


@pytest.mark.parametrize(
    ("status", "expected", "failure"),
    [
        ("approved", "succeeded", None),
        ("pending_approval", "pending", None),
        ("rejected", "failed", "rejected"),
        ("reversed", "failed", "rejected"),
        ("a_state_to_come", "pending", None),
    ],
)
def test_a_refund_is_read_whole(status: str, expected: str, failure: str | None) -> None:
    told = adjusted("refund", "330", status, "30")
    for holds, amount in ((False, 300), (True, 330)):
        wanted = RefundSnapshot("adj_330", RemoteRefundStatus(expected), Money(amount, "USD"), failure)
        assert mapping.refund_of(told, holds) == wanted


def test_what_is_or_may_yet_be_given_back_is_taken_of_its_items() -> None:
    told = parts(
        adjusted("refund", "100", "pending_approval"), adjusted("refund", "33", tax="3"), adjusted("refund", "7", "rejected"),
        adjusted("chargeback", "50", item="txnitm_2"), adjusted("chargeback", "5", "reversed"), adjusted("credit", "9"),
    )  # fmt: skip
    assert mapping.taken_back(told, False) == {"txnitm_1": 130, "txnitm_2": 50}
    assert mapping.taken_back(told, True) == {"txnitm_1": 133, "txnitm_2": 50}
    assert mapping.taken_back(transaction(adjustments=None), False) == {}


LINE = {"price": {"id": "pri_1", "unit_price": {"amount": "495", "currency_code": "USD"}}, "quantity": 2}


def subscription(**changes: Any) -> Mapping[str, Any]:
    period = {"starts_at": WRITTEN, "ends_at": WRITTEN_END}
    made = {"id": "sub_1", "status": "active", "currency_code": "USD", "items": [LINE], "current_billing_period": period}
    return {**made, "custom_data": {"subscription_id": "s-1"}, "canceled_at": WRITTEN_LATER, **changes}


RUNNING = SubscriptionSnapshot(
    "sub_1", RemoteSubscriptionStatus.ACTIVE, "pri_1", current_period_start=AT, current_period_end=END,
    subscription_id="s-1", amount=PRICE,
)  # fmt: skip
TRIAL = {**LINE, "trial_dates": {"ends_at": WRITTEN_END}}
OTHER = {"price": {"id": "pri_2", "unit_price": {"amount": "10", "currency_code": "USD"}}}
FOREIGN = {"price": {"id": "pri_1", "unit_price": {"amount": "10", "currency_code": "EUR"}}}


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        (subscription(), {}),
        (subscription(items=[LINE, OTHER]), {"amount": Money(1000, "USD")}),
        (subscription(items=[FOREIGN]), {"amount": None}),
        (subscription(status="trialing", items=[TRIAL]), {"status": "trialing", "trial_ends_at": END}),
        (subscription(items=[TRIAL]), {}),
        (subscription(status="canceled"), {"status": "cancelled", "ended_at": LATER}),
        (subscription(status="a_state_to_come"), {"status": "pending"}),
        (subscription(scheduled_change={"action": "cancel"}), {"cancel_at_period_end": True}),
        (subscription(scheduled_change={"action": "pause"}), {}),
        (
            subscription(current_billing_period=None, next_billed_at=WRITTEN_LATER),
            {"current_period_start": None, "current_period_end": LATER},
        ),
    ],
)
def test_a_subscription_is_read_whole(told: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    wanted = {**changes, "status": RemoteSubscriptionStatus(changes.get("status", "active"))}
    assert subscription_of(told) == replace(RUNNING, **wanted)
    assert ends(told) is changes.get("cancel_at_period_end", False)


def test_a_subscription_that_nobody_agreed_to_has_its_checkouts_reference() -> None:
    told = transaction(status="ready", custom_data={"subscription_id": "s-1"})
    waiting = SubscriptionSnapshot("txn_1", RemoteSubscriptionStatus.PENDING, "pri_1", subscription_id="s-1")
    assert awaited_of(told) == waiting
    given_up = replace(waiting, status=RemoteSubscriptionStatus.CANCELLED, price_reference="")
    assert awaited_of({**told, "status": "canceled", "items": [{"price": {"id": None}}]}) == given_up


READERS: Mapping[str, Callable[[Any], object]] = {
    "payment": lambda told: mapping.payment_of(told, False),
    "refund": lambda told: mapping.refund_of(told, False),
    "subscription": subscription_of,
    "awaited": awaited_of,
}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("payment", {}),
        ("payment", transaction(id="")),
        ("payment", transaction(id=7)),
        ("payment", transaction(currency_code=None)),
        ("payment", transaction(details=[])),
        ("payment", transaction(details={"totals": {"total": 1089, "tax": "99"}})),
        ("payment", transaction(details={"totals": {"total": "1089"}})),
        ("payment", transaction(details={"totals": {"total": "1e3", "tax": "0"}})),
        ("payment", transaction(details={"totals": {"total": "１", "tax": "0"}})),
        ("refund", {**adjusted("refund", "1"), "id": None}),
        ("refund", {**adjusted("refund", "1"), "totals": None}),
        ("refund", {**adjusted("refund", "1"), "currency_code": ""}),
        ("subscription", subscription(id=None)),
        ("subscription", subscription(items=[])),
        ("subscription", subscription(items=None)),
        ("subscription", subscription(items=[LINE, "x"])),
        ("subscription", subscription(items=[{"price": {"id": ""}}])),
        ("subscription", subscription(items=[{"price": {"id": "pri_1"}}])),
        ("awaited", transaction(items=[])),
        ("awaited", transaction(id=None)),
    ],
)
def test_what_is_no_such_document_is_not_read_as_one(what: str, told: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        READERS[what](told)


@pytest.mark.parametrize(("written", "amount"), [("0", 0), ("-5", -5), ("990", 990)])
def test_an_amount_is_written_as_a_text(written: str, amount: int) -> None:
    assert mapping.integer_of(written) == amount


@pytest.mark.parametrize(("written", "moment"), MOMENTS)
def test_a_time_needs_its_zone(written: Any, moment: datetime | None) -> None:
    assert mapping.moment_of(written) == moment


# What leaves

SETTINGS = PaddleSettings(
    Secret("test-key-not-secret"), Secret("test-signing-not-secret"), checkout_url="https://shop.example/pay"
)
CHECKOUT = CheckoutRequest("payment-1", PRICE, "사진 3장", "https://shop.example/ok", "https://shop.example/no", "checkout-1")
PLAN = SubscribeRequest("s-1", "", PRICE, 3, "마당 프로", "https://shop.example/ok", "https://shop.example/no", "subscribe-1")
CATALOGUE = f"pri_{'a' * 26}"


def price(name: str, note: str) -> dict[str, Any]:
    return {
        "description": note,
        "unit_price": {"amount": "990", "currency_code": "USD"},
        "tax_mode": "external",
        "quantity": {"minimum": 1, "maximum": 1},
        "product": {"name": name, "tax_category": "standard"},
    }


def asked(item: Mapping[str, Any], custom: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "items": [{**item, "quantity": 1}], "currency_code": "USD", "collection_mode": "automatic", "custom_data": custom,
        "checkout": {"url": "https://shop.example/pay"},
    }  # fmt: skip


def test_a_checkout_and_a_subscription_are_asked_for_whole() -> None:
    checkout = asked({"price": price("사진 3장", "payment payment-1")}, OURS)
    assert payload.transaction_of(CHECKOUT, SETTINGS) == checkout
    assert payload.transaction_of(replace(CHECKOUT, extra={"address_id": "add_1"}), SETTINGS) == {
        **checkout,
        "address_id": "add_1",
    }
    bare = payload.transaction_of(CHECKOUT, replace(SETTINGS, checkout_url=None))
    assert bare == {name: told for name, told in checkout.items() if name != "checkout"}
    recurring = {**price("마당 프로", "every 3 months"), "billing_cycle": {"interval": "month", "frequency": 3}}
    custom = {"subscription_id": "s-1"}
    assert payload.subscription_transaction_of(PLAN, SETTINGS) == asked({"price": recurring}, custom)
    trial = {**recurring, "trial_period": {"interval": "day", "frequency": 1}}
    assert payload.subscription_transaction_of(replace(PLAN, trial_days=1), SETTINGS) == asked({"price": trial}, custom)
    named = payload.subscription_transaction_of(replace(PLAN, price_reference=CATALOGUE, extra={"x": 1}), SETTINGS)
    assert named == {**asked({"price_id": CATALOGUE}, custom), "x": 1}


@pytest.mark.parametrize(
    ("prorate", "on_trial", "mode"),
    [(True, False, "prorated_immediately"), (True, True, "do_not_bill"), (False, False, "do_not_bill")],
)
def test_a_change_is_asked_for_whole(prorate: bool, on_trial: bool, mode: str) -> None:
    request = ChangeSubscriptionRequest("sub_1", CATALOGUE, prorate, "change-1")
    named = {"items": [{"price_id": CATALOGUE, "quantity": 1}], "proration_billing_mode": mode}
    assert payload.change_of(request, SETTINGS, on_trial=on_trial) == named
    told = replace(request, price_reference="", amount=PRICE, interval_months=12, description="마당 팀")
    recurring = {**price("마당 팀", "every 12 months"), "billing_cycle": {"interval": "month", "frequency": 12}}
    item = {"price": recurring, "quantity": 1}
    assert payload.change_of(told, SETTINGS, on_trial=on_trial) == {**named, "items": [item]}


def lines(*totals: str) -> Mapping[str, Any]:
    items = [{"id": f"txnitm_{number}", "totals": {"total": total, "tax": "0"}} for number, total in enumerate(totals, 1)]
    return {"line_items": items, **TOTALS}


@pytest.mark.parametrize(
    ("amount", "adjustments", "items"),
    [
        (990, (), None),
        (300, (), [{"item_id": "txnitm_1", "type": "full"}]),
        (299, (), [{"item_id": "txnitm_1", "type": "partial", "amount": "299"}]),
        (301, (), [{"item_id": "txnitm_1", "type": "full"}, {"item_id": "txnitm_2", "type": "partial", "amount": "1"}]),
        (690, (adjusted("refund", "300"),), [{"item_id": "txnitm_2", "type": "full"}]),
        (
            890,
            (adjusted("refund", "100"),),
            [{"item_id": "txnitm_1", "type": "full"}, {"item_id": "txnitm_2", "type": "full"}],
        ),
        (890, (adjusted("refund", "101"),), "exceeded"),
        (991, (), "exceeded"),
    ],
)
def test_a_refund_is_of_the_items_that_have_something_left(amount: int, adjustments: Any, items: Any) -> None:
    told = transaction(details=lines("300", "690"), adjustments=list(adjustments))
    request = RefundRequest("txn_1", Money(amount, "USD"), "why", "refund-1")
    head = {"action": "refund", "transaction_id": "txn_1", "reason": "why [refund-1]"}
    if items == "exceeded":
        with pytest.raises(Rejected) as beyond:
            payload.refund_body(request, told, False)
        assert (beyond.value.reason, beyond.value.operation, beyond.value.provider) == ("amount_exceeded", "refund", "paddle")
    elif items is None:
        assert payload.refund_body(request, told, False) == {**head, "type": "full"}
    else:
        partly = {**head, "type": "partial", "tax_mode": "external", "items": items}
        assert payload.refund_body(request, told, False) == partly
        assert payload.refund_body(request, told, True) == {**partly, "tax_mode": "internal"}


def test_a_reason_ends_with_our_key_and_a_long_one_is_cut() -> None:
    request = RefundRequest("txn_1", PRICE, "미" * 201, "refund-1")
    assert payload.reason_of(request) == f"{'미' * 200} [refund-1]"
    assert payload.reason_of(replace(request, reason="")) == "[refund-1]"
    assert payload.mark_of("k" * 100) == f"[{'k' * 100}]"
    assert len(payload.mark_of("k" * 101)) == len(payload.mark_of("열쇠")) == 66


def opened(**changes: Any) -> Mapping[str, Any]:
    return payload.transaction_of(replace(CHECKOUT, **changes), SETTINGS)


def subscribed(**changes: Any) -> Mapping[str, Any]:
    return payload.subscription_transaction_of(replace(PLAN, **changes), SETTINGS)


def test_what_is_refused_before_it_leaves_names_us_the_operation_and_the_reason() -> None:
    change = ChangeSubscriptionRequest("sub_1", "", True, "change-1")
    refusals: list[tuple[type[PortError], str, str, Callable[[], object]]] = [
        (Rejected, "open_checkout", "description is empty", lambda: opened(description=" ")),
        (Rejected, "open_checkout", "1 to 200 characters", lambda: opened(payment_id="")),
        (Rejected, "open_checkout", "1 to 200 characters", lambda: opened(payment_id="p" * 201)),
        (Rejected, "open_checkout", "more than nothing", lambda: opened(amount=NOTHING)),
        (Unsupported, "open_checkout", "KWD", lambda: opened(amount=Money(990, "KWD"))),
        (Rejected, "subscribe", "1 to 200 characters", lambda: subscribed(subscription_id="")),
        (Rejected, "subscribe", "an id such as", lambda: subscribed(price_reference="pri_1")),
        (Unsupported, "subscribe", "trial", lambda: subscribed(price_reference=CATALOGUE, trial_days=1)),
        (Rejected, "subscribe", "description is empty", lambda: subscribed(description="")),
        (Rejected, "change_subscription", "neither", lambda: payload.change_of(change, SETTINGS, on_trial=False)),
        (
            Rejected,
            "change_subscription",
            "an id such as",
            lambda: payload.change_of(replace(change, price_reference="x"), SETTINGS, on_trial=False),
        ),
    ]
    for expected, operation, words, call in refusals:
        with pytest.raises(expected, match=words) as refused:
            call()
        assert (refused.value.provider, refused.value.operation) == ("paddle", operation)
        assert getattr(refused.value, "reason", "invalid_request") == "invalid_request"
    for length in (1, 200):
        assert opened(payment_id="p" * length)["custom_data"] == {"payment_id": "p" * length}
    [item] = opened(description="x" * 201, amount=Money(1, "USD"))["items"]
    assert (item["price"]["product"]["name"], item["price"]["unit_price"]["amount"]) == ("x" * 200, "1")


# Events


def delivered(kind: str, data: Any, **changed: Any) -> WebhookRequest:
    event = {"event_id": "evt_1", "event_type": kind, "occurred_at": WRITTEN, "data": data, **changed}
    return signed(json.dumps(event).encode(), AT)


def signed(body: bytes, at: datetime) -> WebhookRequest:
    stamp = str(int(at.timestamp()))
    signature = hmac.new(SETTINGS.webhook_secret.reveal().encode(), stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return WebhookRequest({"paddle-signature": f"ts={stamp}; h1={signature}"}, body, at)


REFERENCE = {"reference": "txn_1", "payment_id": "payment-1"}
BORN = {"custom_data": {"subscription_id": "s-1"}}
RENEWED = {"reference": "txn_1", "subscription": "sub_1", "subscription_id": "s-1"}


@pytest.mark.parametrize(
    ("kind", "data", "names"),
    [
        ("transaction.completed", transaction(), {**REFERENCE, "snapshot": PAID}),
        ("transaction.paid", transaction(status="paid"), REFERENCE),
        ("transaction.updated", transaction(details={**TOTALS, "adjusted_totals": {"total": "1"}}), REFERENCE),
        ("transaction.updated", transaction(details={"totals": TOTALS["totals"]}), REFERENCE),
        ("transaction.updated", transaction(adjustments=[adjusted("chargeback_warning", "990")]), REFERENCE),
        ("transaction.ready", transaction(status="ready", **BORN), {"subscription": "txn_1", "subscription_id": "s-1"}),
        ("transaction.billed", transaction(status="billed", subscription_id="sub_1", **BORN), RENEWED),
        ("subscription.updated", subscription(), {"subscription": "sub_1", "subscription_id": "s-1"}),
        ("subscription.updated", {"id": "sub_1"}, {"subscription": "sub_1"}),
        (
            "adjustment.created",
            {"transaction_id": "txn_1", "subscription_id": "sub_1"},
            {"reference": "txn_1", "subscription": "sub_1"},
        ),
        ("adjustment.updated", {"transaction_id": "txn_1"}, {"reference": "txn_1"}),
        ("customer.created", {"id": "ctm_1"}, {}),
    ],
)  # fmt: skip
def test_an_event_names_what_it_is_about_and_proves_what_was_paid(
    kind: str, data: Mapping[str, Any], names: Mapping[str, Any]
) -> None:
    assert notice_in(delivered(kind, data), SETTINGS) == PaymentNotice("evt_1", kind, AT, **names)


@pytest.mark.parametrize(
    ("kind", "data", "changed"),
    [
        ("transaction.completed", [], {}),
        ("transaction.completed", transaction(id=None), {}),
        ("transaction.completed", transaction(details=None), {}),
        ("transaction.completed", transaction(items=[7]), {}),
        ("transaction.completed", transaction(items=7), {}),
        ("subscription.updated", {}, {}),
        ("adjustment.created", {}, {}),
        ("customer.created", {}, {"event_id": ""}),
        ("customer.created", {}, {"event_type": None}),
        ("customer.created", None, {}),
    ],
)
def test_a_signed_body_of_another_shape_is_no_event(kind: str, data: Any, changed: Mapping[str, Any]) -> None:
    with pytest.raises(SignatureInvalid) as refused:
        notice_in(delivered(kind, data, **changed), SETTINGS)
    assert (refused.value.provider, refused.value.operation) == ("paddle", "read_webhook")


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"no JSON", b"[]"])
def test_a_signed_body_that_is_no_document_is_no_event(body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        notice_in(signed(body, AT), SETTINGS)


@pytest.mark.parametrize(("seconds", "believed"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_an_event_is_believed_for_as_long_as_the_settings_say(seconds: int, believed: bool) -> None:
    genuine = delivered("customer.created", {})
    late = replace(genuine, received_at=AT + timedelta(seconds=seconds))
    if believed:
        assert notice_in(late, SETTINGS)
        return
    with pytest.raises(SignatureInvalid, match="too long ago"):
        notice_in(late, SETTINGS)


@pytest.mark.parametrize("header", ["", "ts=;h1=0", "h1=0", "ts=1;ts=1;h1=0", "ts=x;h1=0", "ts=123456789012;h1=0"])
def test_a_header_that_does_not_say_one_time_is_refused(header: str) -> None:
    with pytest.raises(SignatureInvalid, match="one time"):
        notice_in(WebhookRequest({"paddle-signature": header}, b"{}", AT), SETTINGS)


# Errors


@pytest.mark.parametrize(
    ("status", "code", "operation", "effect", "expected", "words"),
    [
        (399, None, "fetch", False, Misconfigured, "plugins.paddle"),
        (400, None, "fetch", False, Rejected, "refuses the request"),
        (404, None, "fetch", False, Misconfigured, "plugins.paddle"),
        (404, "not_found", "fetch", False, Rejected, "no such thing"),
        (404, "not_found", "subscribe", True, Rejected, "no such thing"),
        (404, "not_found", "open_checkout", True, Rejected, "no such thing"),
        (408, None, "refund", True, OutcomeUnknown, "answers 408"),
        (408, None, "fetch", False, Unavailable, "answers 408"),
        (499, None, "refund", True, Rejected, "refuses the request"),
        (500, None, "refund", True, OutcomeUnknown, "answers 500"),
        (503, None, "refund", True, Unavailable, "cannot do it now"),
        (409, "conflict", "refund", True, Unavailable, "cannot do it now"),
        (429, "too_many_requests", "refund", True, RateLimited, "too many calls"),
        (403, "forbidden", "fetch", False, Misconfigured, "its api_key may not do this"),
        (400, "subscription_payment_declined", "change_subscription", True, Rejected, "was declined"),
    ],
)
def test_an_error_says_what_is_to_be_done(
    status: int, code: str | None, operation: str, effect: bool, expected: type[PortError], words: str
) -> None:
    answer = {"error": {"code": code}, "meta": {"request_id": "req-1"}} if code else {}
    error = errors.error_of(status, {"retry-after": "7"}, answer, operation, effect=effect)
    assert type(error) is expected
    assert words in error.message
    told = (code, "req-1") if code else (str(status), None)
    assert (error.provider, error.operation, error.code, error.request_id) == ("paddle", operation, *told)
    if isinstance(error, Rejected):
        reasons = {"was declined": "declined", "no such thing": "not_found" if operation == "fetch" else "invalid_request"}
        assert error.reason == reasons.get(words, "invalid_request")


@pytest.mark.parametrize("error", [{"code": "No Code"}, {"code": "x" * 101}, {"code": 7}, "none", None])
def test_an_error_without_a_word_has_its_status_for_a_code(error: Any) -> None:
    found = errors.error_of(400, {}, {"error": error, "meta": {"request_id": "no id"}}, "refund", effect=True)
    assert (found.code, found.request_id) == ("400", None)
    assert errors.error_of(400, {}, {"meta": []}, "refund", effect=True).request_id is None


@pytest.mark.parametrize(("written", "pause"), [("7", 7.0), ("999999", 86_400.0), ("", None), ("soon", None), ("-1", None)])
def test_a_pause_that_is_asked_for_is_kept_and_bounded(written: str, pause: float | None) -> None:
    error = errors.error_of(429, {"retry-after": written}, {}, "refund", effect=True)
    assert isinstance(error, RateLimited)
    assert error.retry_after == pause
