"""Lemon Squeezy's documents mapped whole and compared whole, what is no such document, what leaves, and every error."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.written_times import AT, MOMENTS, PAUSES, WRITTEN
from madang.adapters.lemonsqueezy import mapping, payload
from madang.adapters.lemonsqueezy.settings import LemonSqueezySettings
from madang.adapters.lemonsqueezy.webhooks import notice_in
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
BOUGHT: Mapping[str, Any] = {
    "status": "paid", "currency": "USD", "total": 1089, "tax": 99, "tax_inclusive": False, "refunded_amount": 0,
    "card_brand": "visa", "created_at": WRITTEN, "updated_at": "2026-11-20T09:31:00.000000Z",
}  # fmt: skip
PAID = PaymentSnapshot(
    "7", RemotePaymentStatus.PAID, PRICE, NOTHING, paid_at=AT, method="card", tax=Money(99, "USD")
)  # fmt: skip
UNPAID: Mapping[str, Any] = {"paid_at": None}


def order(**changes: Any) -> Mapping[str, Any]:
    return {"type": "orders", "id": "7", "attributes": {**BOUGHT, **changes}}


def invoice(**changes: Any) -> Mapping[str, Any]:
    return {"type": "subscription-invoices", "id": "8", "attributes": {**BOUGHT, "subscription_id": 5, **changes}}


def without(*names: str) -> Mapping[str, Any]:
    return {"type": "orders", "id": "7", "attributes": {name: told for name, told in BOUGHT.items() if name not in names}}


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        (order(), {}),
        (order(status="partial_refund", refunded_amount=300), {"status": "partly_refunded", "refunded": Money(300, "USD")}),
        (order(status="partial_refund", refunded_amount=1000), {"status": "partly_refunded", "refunded": PRICE}),
        (order(status="refunded"), {"status": "refunded", "refunded": PRICE}),
        (order(status="pending"), {"status": "pending", **UNPAID}),
        (order(status="failed"), {"status": "failed", "failure": "declined", **UNPAID}),
        (order(status="a_state_to_come"), {"status": "pending", **UNPAID}),
        (order(total=990, tax=90, tax_inclusive=True), {"tax": None}),
        (order(total=990, tax=0), {"tax": None}),
        (order(total=990, tax=1), {"amount": Money(989, "USD"), "tax": Money(1, "USD")}),
        (order(card_brand=None), {"method": None}),
        (order(created_at=None), {"paid_at": None}),
        (without("tax_inclusive", "refunded_amount", "card_brand"), {"method": None}),
        (without("tax"), {"amount": Money(1089, "USD"), "tax": None}),
        (invoice(), {"reference": "invoice:8", "subscription": "5"}),
        (
            invoice(status="void"),
            {"reference": "invoice:8", "subscription": "5", "status": "failed", "failure": "declined", **UNPAID},
        ),
    ],
)
def test_an_order_and_an_invoice_are_read_whole(told: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    wanted = {**changes, "status": RemotePaymentStatus(changes.get("status", "paid"))}
    assert mapping.payment_of(told) == replace(PAID, **wanted)


def test_a_refund_is_named_by_its_order_and_what_had_gone_back_with_it() -> None:
    found = mapping.refund_of(order(status="partial_refund", refunded_amount=300), Money(200, "USD"))
    assert found == RefundSnapshot("7/300", RemoteRefundStatus.SUCCEEDED, Money(200, "USD"))


RENEWED: Mapping[str, Any] = {
    "status": "active", "variant_id": 21, "cancelled": False, "renews_at": "2026-12-20T09:30:00.000000Z", "ends_at": None,
    "trial_ends_at": "2026-11-19T00:00:00.000000Z", "first_subscription_item": {"id": 1, "price_id": 121},
    "updated_at": WRITTEN,
}  # fmt: skip
END = datetime(2026, 12, 20, 9, 30, tzinfo=UTC)
RUNNING = SubscriptionSnapshot("5", RemoteSubscriptionStatus.ACTIVE, "21", current_period_end=END, amount=PRICE)


def subscription(**changes: Any) -> Mapping[str, Any]:
    return {"type": "subscriptions", "id": "5", "attributes": {**RENEWED, **changes}}


ENDING: Mapping[str, Any] = {"ends_at": WRITTEN}


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        (subscription(), {}),
        (subscription(status="on_trial"), {"status": "trialing", "trial_ends_at": datetime(2026, 11, 19, tzinfo=UTC)}),
        (
            subscription(status="on_trial", cancelled=True),
            {"status": "trialing", "trial_ends_at": datetime(2026, 11, 19, tzinfo=UTC), "cancel_at_period_end": True},
        ),
        (subscription(cancelled=True), {}),
        (
            subscription(status="cancelled", cancelled=True, **ENDING),
            {"current_period_end": AT, "cancel_at_period_end": True},
        ),
        (subscription(status="expired", **ENDING), {"status": "cancelled", "current_period_end": AT, "ended_at": AT}),
        (subscription(status="paused"), {"status": "paused"}),
        (subscription(status="unpaid"), {"status": "past_due"}),
        (subscription(status="a_state_to_come", **ENDING), {"status": "pending", "current_period_end": AT}),
    ],
)
def test_a_subscription_is_read_whole(told: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    wanted = {**changes, "status": RemoteSubscriptionStatus(changes.get("status", "active"))}
    assert mapping.subscription_of(told, PRICE) == replace(RUNNING, **wanted)


def test_the_price_of_a_subscription_is_that_of_its_item() -> None:
    assert mapping.price_id_of(subscription()) == 121
    assert mapping.price_id_of(subscription(first_subscription_item=None)) is None
    assert mapping.price_of({"attributes": {"unit_price": 990}}) == PRICE
    assert mapping.price_of({"attributes": {"unit_price": 0}}) == NOTHING


READERS: Mapping[str, Callable[[Any], object]] = {
    "answer": mapping.resource_in,
    "payment": mapping.payment_of,
    "subscription": mapping.subscription_of,
    "item": mapping.price_id_of,
    "price": mapping.price_of,
}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("answer", {}),
        ("answer", {"data": []}),
        ("payment", {}),
        ("payment", {**order(), "id": ""}),
        ("payment", {**order(), "id": 7}),
        ("payment", order(total=-1)),
        ("payment", order(total="990")),
        ("payment", order(total=9.9)),
        ("payment", order(currency="ZZZ")),
        ("payment", order(status=[])),
        ("payment", {**order(), "attributes": []}),
        ("payment", {"type": "subscription-invoices", "id": "8", "attributes": BOUGHT}),
        ("subscription", {**subscription(), "id": None}),
        ("subscription", {"id": "5", "attributes": {}}),
        ("item", {"attributes": []}),
        ("item", subscription(first_subscription_item={"id": 1})),
        ("price", {"attributes": {"unit_price": -1}}),
        ("price", {"attributes": {"unit_price": None}}),
    ],
)
def test_what_is_no_such_document_is_not_read_as_one(what: str, told: Any) -> None:
    with pytest.raises(mapping.UNREADABLE):
        READERS[what](told)


@pytest.mark.parametrize(("written", "moment"), MOMENTS)
def test_a_time_needs_its_zone(written: Any, moment: datetime | None) -> None:
    assert mapping.moment_of(written) == moment


# Events

SECRET = Secret("test-signing-not-secret")


def delivered(name: str, data: Mapping[str, Any], custom: Any = None) -> tuple[WebhookRequest, str]:
    """The signed delivery, and the id that it is known by."""
    meta = {"event_name": name, **({} if custom is None else {"custom_data": custom})}
    body = json.dumps({"meta": meta, "data": data}).encode()
    signature = hmac.new(SECRET.reveal().encode(), body, hashlib.sha256).hexdigest()
    return WebhookRequest({"x-signature": signature}, body, AT), hashlib.sha256(body).hexdigest()


LATER = datetime(2026, 11, 20, 9, 31, tzinfo=UTC)
BILLED = replace(PAID, reference="invoice:8", subscription="5")


@pytest.mark.parametrize(
    ("data", "custom", "names"),
    [
        (order(), {"payment_id": "payment-1"}, {"reference": "7", "payment_id": "payment-1", "snapshot": PAID}),
        (order(), None, {"reference": "7", "snapshot": PAID}),
        (order(), {"subscription_id": "s-1"}, {}),
        (
            invoice(),
            {"subscription_id": "s-1"},
            {"reference": "invoice:8", "subscription": "5", "subscription_id": "s-1", "snapshot": BILLED},
        ),
        (invoice(), None, {"reference": "invoice:8", "subscription": "5", "snapshot": BILLED}),
        (subscription(), {"subscription_id": "s-1"}, {"subscription": "5", "subscription_id": "s-1", "occurred_at": AT}),
        (subscription(), [], {"subscription": "5", "occurred_at": AT}),
        ({"type": "license-keys", "id": "1", "attributes": {}}, {"subscription_id": "s-1"}, {"occurred_at": None}),
    ],
)
def test_an_event_names_what_it_is_about_and_proves_what_was_paid(
    data: Mapping[str, Any], custom: Any, names: Mapping[str, Any]
) -> None:
    request, identity = delivered("something_happened", data, custom)
    expected: Mapping[str, Any] = {"occurred_at": LATER, **names}
    assert notice_in(request, SECRET) == PaymentNotice(identity, "something_happened", **expected)


@pytest.mark.parametrize(
    "data",
    [[], {}, {"type": "orders", "id": "7", "attributes": []}, {**subscription(), "id": 5}, order(total="x"), order(total=-1)],
)
def test_a_signed_body_of_another_shape_is_no_event(data: Any) -> None:
    with pytest.raises(SignatureInvalid) as refused:
        notice_in(delivered("order_created", data)[0], SECRET)
    assert (refused.value.provider, refused.value.operation) == ("lemonsqueezy", "read_webhook")


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"no JSON"])
def test_a_signed_body_that_is_no_document_is_no_event(body: bytes) -> None:
    signature = hmac.new(SECRET.reveal().encode(), body, hashlib.sha256).hexdigest()
    with pytest.raises(SignatureInvalid):
        notice_in(WebhookRequest({"x-signature": signature}, body, AT), SECRET)


# Errors


@pytest.mark.parametrize(
    ("status", "answer", "operation", "effect", "expected", "words"),
    [
        (399, {}, "fetch", False, Misconfigured, "plugins.lemonsqueezy"),
        (400, {}, "fetch", False, Rejected, "refuses the request"),
        (402, {}, "fetch", False, Misconfigured, "plugins.lemonsqueezy"),
        (404, {}, "fetch", False, Misconfigured, "plugins.lemonsqueezy"),
        (404, {"errors": []}, "fetch", False, Rejected, "no such thing"),
        (404, {"errors": []}, "open_checkout", True, Rejected, "no such thing"),
        (404, {"errors": []}, "subscribe", True, Rejected, "no such thing"),
        (405, {}, "fetch", False, Misconfigured, "plugins.lemonsqueezy"),
        (406, {}, "fetch", False, Rejected, "refuses the request"),
        (408, {}, "fetch", False, Unavailable, "still at it"),
        (408, {}, "refund", True, OutcomeUnknown, "still at it"),
        (422, {"errors": []}, "refund", True, Rejected, "refuses the request"),
        (499, {}, "refund", True, Rejected, "refuses the request"),
        (500, {"errors": []}, "refund", True, OutcomeUnknown, "answers 500"),
        (503, {}, "refund", True, Unavailable, "answers 503"),
        (504, {}, "fetch", False, Unavailable, "answers 504"),
    ],
)
def test_an_error_says_what_is_to_be_done(
    status: int, answer: Mapping[str, Any], operation: str, effect: bool, expected: type[PortError], words: str
) -> None:
    error = mapping.error_of(status, {}, answer, operation, effect=effect)
    assert type(error) is expected
    assert words in error.message
    assert (error.provider, error.operation, error.code) == ("lemonsqueezy", operation, str(status))
    if isinstance(error, Rejected):
        known = words == "no such thing" and operation == "fetch"
        assert error.reason == ("not_found" if known else "invalid_request")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([{"code": "not-a-word_7"}], "not-a-word_7"),
        ([{"code": "two words"}], "422"),
        ([{"code": "x" * 65}], "422"),
        ([{}], "422"),
        (["x"], "422"),
        ([], "422"),
        (None, "422"),
    ],
)
def test_an_error_has_their_word_for_its_code_or_the_status(errors: Any, code: str) -> None:
    assert mapping.error_of(422, {}, {"errors": errors}, "refund", effect=True).code == code
    assert mapping.error_of(422, {}, {}, "refund", effect=True).code == "422"


@pytest.mark.parametrize(("written", "seconds"), PAUSES)
def test_a_pause_that_is_asked_for_is_kept_and_bounded(written: str, seconds: float | None) -> None:
    error = mapping.error_of(429, {"retry-after": written}, {}, "refund", effect=True)
    assert isinstance(error, RateLimited)
    assert (error.retry_after, error.provider, error.operation, error.code) == (seconds, "lemonsqueezy", "refund", "429")


# What leaves

SETTINGS = LemonSqueezySettings(Secret("test-key-not-secret"), "1", "11", SECRET)
OPEN = CheckoutRequest(
    "payment-1", PRICE, "사진 3장", "https://shop.example/ok", "https://shop.example/no", "checkout-1", expires_at=AT,
    extra={"test_mode": True},
)  # fmt: skip
PLAN = SubscribeRequest(
    "s-1", "21", PRICE, 1, "Basic", "https://shop.example/ok", "https://shop.example/no", "subscribe-1",
    customer_email="buyer@example.com", customer_name="김마당", country="DE", extra={"preview": True},
)  # fmt: skip


def test_a_checkout_for_nobody_in_particular_leaves_out_what_is_not_known() -> None:
    assert payload.checkout_of(OPEN, SETTINGS)["data"]["attributes"] == {
        "custom_price": 990,
        "product_options": {"name": "사진 3장", "redirect_url": "https://shop.example/ok", "enabled_variants": [11]},
        "checkout_options": {"discount": False},
        "checkout_data": {"custom": {"payment_id": "payment-1"}},
        "expires_at": "2026-11-20T09:30:00+00:00",
        "test_mode": True,
    }


def test_a_subscription_is_asked_for_whole() -> None:
    assert payload.subscription_checkout_of(PLAN, SETTINGS)["data"] == {
        "type": "checkouts",
        "attributes": {
            "product_options": {"redirect_url": "https://shop.example/ok", "enabled_variants": [21]},
            "checkout_options": {"discount": False, "skip_trial": True},
            "checkout_data": {
                "custom": {"subscription_id": "s-1"}, "email": "buyer@example.com", "name": "김마당",
                "billing_address": {"country": "DE"},
            },
            "preview": True,
        },
        "relationships": {
            "store": {"data": {"type": "stores", "id": "1"}}, "variant": {"data": {"type": "variants", "id": "21"}},
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("prorate", "settling"), [(True, {"invoice_immediately": True}), (False, {"disable_prorations": True})]
)
def test_a_change_and_a_resumption_name_their_subscription(prorate: bool, settling: Mapping[str, bool]) -> None:
    change = payload.change_body(ChangeSubscriptionRequest("5", "22", prorate, "change-1"))
    assert change == {"data": {"type": "subscriptions", "id": "5", "attributes": {"variant_id": 22, **settling}}}
    assert payload.resumption_body("5") == {"data": {"type": "subscriptions", "id": "5", "attributes": {"cancelled": False}}}


def test_a_refund_names_what_it_is_of_and_its_amount_where_it_is_a_part() -> None:
    whole = payload.refund_body("orders", "7", PRICE, whole=True)
    assert whole == {"data": {"type": "orders", "id": "7", "attributes": {}}}
    part = payload.refund_body("orders", "7", Money(300, "USD"), whole=False)
    assert part == {"data": {"type": "orders", "id": "7", "attributes": {"amount": 300}}}


def opened(**changes: Any) -> Mapping[str, Any]:
    return payload.checkout_of(replace(OPEN, **changes), SETTINGS)


def subscribed(**changes: Any) -> Mapping[str, Any]:
    return payload.subscription_checkout_of(replace(PLAN, **changes), SETTINGS)


def test_what_is_refused_before_it_leaves_names_us_the_operation_and_the_reason() -> None:
    refusals: list[tuple[type[PortError], str, str, Callable[[], object]]] = [
        (Rejected, "open_checkout", "description is empty", lambda: opened(description=" ")),
        (Rejected, "open_checkout", "payment_id is empty", lambda: opened(payment_id="")),
        (Rejected, "open_checkout", "more than nothing", lambda: opened(amount=NOTHING)),
        (Unsupported, "open_checkout", "USD", lambda: opened(amount=Money(990, "EUR"))),
        (Rejected, "subscribe", "variant", lambda: subscribed(price_reference="x")),
        (Unsupported, "subscribe", "USD", lambda: subscribed(amount=Money(9, "KRW"))),
        (Rejected, "refund", "payment's currency", lambda: payload.cents_of(Money(990, "EUR"), "refund")),
        (Rejected, "refund", "more than nothing", lambda: payload.cents_of(Money(-1, "USD"), "refund")),
        (
            Rejected,
            "change_subscription",
            "variant",
            lambda: payload.change_body(ChangeSubscriptionRequest("5", "", True, "change-1")),
        ),
    ]  # fmt: skip
    for expected, operation, words, call in refusals:
        with pytest.raises(expected, match=words) as refused:
            call()
        assert (refused.value.provider, refused.value.operation) == ("lemonsqueezy", operation)
        assert getattr(refused.value, "reason", "invalid_request") == "invalid_request"
    assert payload.cents_of(Money(1, "USD"), "refund") == 1
