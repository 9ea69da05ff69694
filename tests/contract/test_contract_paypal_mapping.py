"""PayPal's documents mapped whole and compared whole, what is no such document, and the words of every error."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.written_times import AT, MOMENTS, PAUSES, WRITTEN
from madang.adapters.paypal import mapping, payload, webhooks
from madang.adapters.paypal.settings import PaypalSettings
from madang.adapters.paypal.subscriptions import subscription_from
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

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRICE = Money(990, "USD")


def dollars(value: str) -> Mapping[str, str]:
    return {"currency_code": "USD", "value": value}


def refund(status: str, value: str, key: str) -> Mapping[str, Any]:
    return {"id": f"R{key}", "status": status, "amount": dollars(value), "custom_id": f"refund:{key} payment-1"}


def order(status: str = "COMPLETED", capture: str | None = "COMPLETED", *refunds: Mapping[str, Any]) -> dict[str, Any]:
    """As an order is shown: with its capture and refunds, or before anything was captured. The first unit is ours."""
    made = {"id": "C1", "status": capture, "amount": dollars("9.90"), "create_time": WRITTEN}
    later = {**made, "id": "C2", "status": "PENDING"}
    payments = {"captures": [made, later], **({"refunds": list(refunds)} if refunds else {})}
    unit = {"reference_id": "default", "custom_id": "payment-1", "amount": dollars("9.90")}
    first, other = {**unit, **({"payments": payments} if capture else {})}, {"amount": dollars("1.00")}
    return {"id": "O1", "status": status, "purchase_units": [first, other]}


PAID = PaymentSnapshot(
    "O1", RemotePaymentStatus.PAID, PRICE, Money(0, "USD"), payment_id="payment-1", paid_at=AT, method="paypal"
)
CHARGE = {"id": "S1", "status": "COMPLETED", "amount": dollars("9.90"), "create_time": WRITTEN}
CHARGED = PaymentSnapshot(
    "I-1/S1", RemotePaymentStatus.PAID, PRICE, Money(0, "USD"), paid_at=AT, method="paypal", subscription="I-1"
)
PARTS = (
    refund("COMPLETED", "3.00", "1"), refund("PENDING", "1.00", "2"), refund("FAILED", "1.00", "3"),
    refund("CANCELLED", "1.00", "4"), refund("A_STATE_TO_COME", "1.00", "5"), refund("COMPLETED", "0.50", "6"),
)  # fmt: skip


def changed(snapshot: PaymentSnapshot, status: str, refunded: int = 0, **more: Any) -> PaymentSnapshot:
    return replace(snapshot, status=RemotePaymentStatus(status), refunded=Money(refunded, "USD"), **more)


WAITING: Mapping[str, Any] = {"paid_at": None, "method": None}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (order(), PAID),
        (order("COMPLETED", "PARTIALLY_REFUNDED", *PARTS), changed(PAID, "partly_refunded", 350)),
        (order("COMPLETED", "REFUNDED", refund("COMPLETED", "3.00", "1")), changed(PAID, "refunded", 990)),
        (order("COMPLETED", "PENDING"), changed(PAID, "pending", paid_at=None)),
        (order("COMPLETED", "DECLINED"), changed(PAID, "failed", paid_at=None, failure="declined")),
        (order("COMPLETED", "A_STATE_TO_COME"), changed(PAID, "pending", paid_at=None)),
        (order("CREATED", None), changed(PAID, "pending", **WAITING)),
        (order("APPROVED", None), changed(PAID, "authorised", **WAITING)),
        (order("VOIDED", None), changed(PAID, "cancelled", **WAITING)),
        (order("COMPLETED", None), changed(PAID, "pending", **WAITING)),
    ],
)
def test_an_order_is_read_whole(told: Mapping[str, Any], expected: PaymentSnapshot) -> None:
    assert mapping.snapshot_of_order(told) == expected


def test_an_order_without_our_id_or_a_time_is_read_without() -> None:
    told = order()
    del told["purchase_units"][0]["custom_id"], told["purchase_units"][0]["payments"]["captures"][0]["create_time"]
    assert mapping.snapshot_of_order(told) == changed(PAID, "paid", payment_id=None, paid_at=None)
    assert mapping.payment_id_of(told) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("COMPLETED", CHARGED),
        ("PARTIALLY_REFUNDED", changed(CHARGED, "partly_refunded")),
        ("REFUNDED", changed(CHARGED, "refunded", 990)),
        ("PENDING", changed(CHARGED, "pending", paid_at=None)),
        ("DECLINED", changed(CHARGED, "failed", paid_at=None, failure="declined")),
        ("A_STATE_TO_COME", changed(CHARGED, "pending", paid_at=None)),
    ],
)
def test_a_subscriptions_charge_is_read_whole(status: str, expected: PaymentSnapshot) -> None:
    assert mapping.snapshot_of_capture({**CHARGE, "status": status}, "I-1/S1", "I-1") == expected


def test_the_capture_of_an_order_is_known_once_there_is_one() -> None:
    assert mapping.capture_id_of(order()) == "C1"
    assert mapping.capture_id_of(order("APPROVED", None)) is None
    assert mapping.capture_id_of({"purchase_units": [{"payments": None}]}) is None
    assert mapping.capture_id_of({"purchase_units": [{"payments": {"captures": []}}]}) is None


@pytest.mark.parametrize(
    ("part", "status"),
    list(zip(PARTS, ("succeeded", "pending", "failed", "failed", "pending", "succeeded"), strict=True)),
)
def test_a_refund_is_found_by_its_mark_and_read_whole(part: Mapping[str, Any], status: str) -> None:
    found = mapping.refund_marked(order("COMPLETED", "PARTIALLY_REFUNDED", {"id": "R0"}, *PARTS), f"refund:{part['id'][1:]}")
    amount = Money(round(float(part["amount"]["value"]) * 100), "USD")
    assert found == RefundSnapshot(part["id"], RemoteRefundStatus(status), amount, "failed" if status == "failed" else None)
    assert mapping.refund_marked(order(), "refund:1") is None


BILLING: Mapping[str, Any] = {
    "failed_payments_count": 0, "next_billing_time": "2026-12-20T09:30:00Z", "last_payment": {"time": WRITTEN},
}  # fmt: skip
SUBSCRIPTION: Mapping[str, Any] = {
    "id": "I-1", "plan_id": "P-1", "custom_id": "s-1", "status": "ACTIVE", "create_time": "2026-10-01T00:00:00Z",
    "start_time": WRITTEN, "status_update_time": "2026-11-20T10:00:00Z",
    "billing_info": BILLING,
    "plan": {
        "billing_cycles": [
            {"tenure_type": "TRIAL", "pricing_scheme": {"fixed_price": dollars("0.00")}},
            {"tenure_type": "REGULAR", "pricing_scheme": {"fixed_price": dollars("9.90")}},
        ]
    },
}  # fmt: skip
OPENED = datetime(2026, 10, 1, tzinfo=UTC)
RUNNING: Mapping[str, Any] = {
    "reference": "I-1", "status": RemoteSubscriptionStatus.ACTIVE, "price_reference": "P-1", "current_period_start": AT,
    "current_period_end": datetime(2026, 12, 20, 9, 30, tzinfo=UTC), "subscription_id": "s-1", "amount": PRICE,
}  # fmt: skip
LATER = datetime(2026, 11, 28, 12, tzinfo=UTC)
ON_TRIAL = {"status": RemoteSubscriptionStatus.TRIALING, "current_period_end": LATER, "trial_ends_at": LATER}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, {}),
        ({"billing_info": {**BILLING, "failed_payments_count": 1}}, {"status": "past_due"}),
        ({"billing_info": {"next_billing_time": "2026-12-20T09:30:00Z"}}, {"current_period_start": OPENED}),
        ({"start_time": "2026-11-28T12:00:00Z"}, ON_TRIAL),
        ({"start_time": "2026-11-21T12:00:00Z"}, {}),
        ({"start_time": "2026-11-28T12:00:00Z", "status": "APPROVAL_PENDING"}, {"status": "pending"}),
        ({"status": "SUSPENDED", "billing_info": {**BILLING, "failed_payments_count": 3}}, {"status": "paused"}),
        ({"status": "CANCELLED"}, {"status": "cancelled", "ended_at": datetime(2026, 11, 20, 10, tzinfo=UTC)}),
        ({"status": "A_STATE_TO_COME"}, {"status": "pending"}),
        ({"plan": {}}, {"amount": None}),
        ({"plan": {"billing_cycles": [{"tenure_type": "REGULAR"}]}}, {"amount": None}),
    ],
)  # fmt: skip
def test_a_subscription_is_read_whole(told: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    wanted = {**RUNNING, **expected}
    wanted["status"] = RemoteSubscriptionStatus(wanted["status"])
    found = subscription_from({**SUBSCRIPTION, **told}, NOW, "https://www.paypal.com/agree")
    assert found == SubscriptionSnapshot(**wanted, approve_url="https://www.paypal.com/agree")


def test_a_subscription_that_has_not_begun_says_little() -> None:
    told = {"id": "I-1", "plan_id": "P-1", "status": "APPROVAL_PENDING"}
    assert subscription_from(told, NOW) == SubscriptionSnapshot("I-1", RemoteSubscriptionStatus.PENDING, "P-1")


READERS: Mapping[str, Callable[[Any], object]] = {
    "order": mapping.snapshot_of_order,
    "capture": mapping.capture_id_of,
    "charge": lambda told: mapping.snapshot_of_capture(told, "I-1/S1", "I-1"),
    "refund": mapping.refund_of,
    "disputes": mapping.is_disputed,
    "subscription": lambda told: subscription_from(told, NOW),
}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("order", {}),
        ("order", []),
        ("order", {"purchase_units": []}),
        ("order", {"purchase_units": [[]]}),
        ("order", {**order(), "id": ""}),
        ("order", {**order(), "id": 7}),
        ("order", {**order("APPROVED", None), "status": []}),
        ("order", {**order(), "purchase_units": [{"amount": dollars("nine")}]}),
        ("order", {**order(), "purchase_units": [{"amount": dollars("Infinity")}]}),
        ("order", {**order(), "purchase_units": [{"amount": dollars("9.999")}]}),
        ("order", {**order(), "purchase_units": [{"amount": {"value": 9.9, "currency_code": "USD"}}]}),
        ("order", {**order(), "purchase_units": [{"amount": {"value": "9.90"}}]}),
        ("capture", {"purchase_units": [{"payments": {"captures": [{}]}}]}),
        ("capture", {"purchase_units": [{"payments": {"captures": [{"id": ""}]}}]}),
        ("charge", {}),
        ("refund", {**PARTS[0], "id": None}),
        ("disputes", {}),
        ("disputes", {"items": [{}]}),
        ("subscription", {**SUBSCRIPTION, "id": ""}),
        ("subscription", {**SUBSCRIPTION, "plan_id": None}),
        ("subscription", {**SUBSCRIPTION, "billing_info": []}),
    ],
)
def test_what_is_no_such_document_is_not_read_as_one(what: str, told: Any) -> None:
    with pytest.raises(mapping.UNREADABLE):
        READERS[what](told)


@pytest.mark.parametrize(
    ("states", "disputed"), [((), False), (("RESOLVED",), False), (("OPEN",), True), (("RESOLVED", "UNDER_REVIEW"), True)]
)
def test_a_payment_is_disputed_while_one_of_its_disputes_is_not_over(states: tuple[str, ...], disputed: bool) -> None:
    assert mapping.is_disputed({"items": [{"dispute_id": "PP-D-1", "status": each} for each in states]}) is disputed


def test_of_several_links_the_first_relation_that_there_is_counts() -> None:
    told = {"links": [{"rel": "approve", "href": "https://a"}, {"rel": "payer-action", "href": "https://b"}]}
    assert mapping.link_in(told, "payer-action", "approve") == "https://b"
    assert mapping.link_in(told, "up", "approve") == "https://a"
    assert mapping.link_in(told, "up") is None
    assert mapping.link_in({}, "up") is None


@pytest.mark.parametrize(("written", "moment"), MOMENTS)
def test_a_time_needs_its_zone(written: Any, moment: datetime | None) -> None:
    assert mapping.moment_of(written) == moment


# Errors

SPOKEN = {"name": "UNPROCESSABLE_ENTITY", "debug_id": "d1", "details": [{"issue": "INSTRUMENT_DECLINED"}]}


def code(answer: Mapping[str, Any], status: int = 422) -> str | None:
    return mapping.error_of(status, {}, answer, "capture", effect=True).code


def test_an_error_has_the_issue_the_name_or_the_status_for_its_code() -> None:
    assert code(SPOKEN) == "INSTRUMENT_DECLINED"
    assert code({**SPOKEN, "details": []}) == "UNPROCESSABLE_ENTITY"
    assert code({**SPOKEN, "details": [{}]}) == "UNPROCESSABLE_ENTITY"
    assert code({**SPOKEN, "details": ["no"]}) == "UNPROCESSABLE_ENTITY"
    assert code({"error": "invalid_client"}, 401) == "INVALID_CLIENT"
    assert code({"name": "buyer@example.com"}) == code({"name": "X" * 81}) == code({}) == "422"


@pytest.mark.parametrize(
    ("headers", "answer", "known"),
    [
        ({"paypal-debug-id": "h1"}, {"debug_id": "b1"}, "h1"),
        ({}, {"debug_id": "b1"}, "b1"),
        ({"paypal-debug-id": "not an id"}, {"debug_id": "b1"}, "b1"),
        ({"paypal-debug-id": ""}, {"debug_id": 7}, None),
        ({}, {}, None),
    ],
)
def test_an_error_has_paypals_id_of_the_call(headers: Mapping[str, str], answer: Mapping[str, Any], known: str | None) -> None:
    assert mapping.error_of(422, headers, answer, "capture", effect=True).request_id == known


@pytest.mark.parametrize(("written", "seconds"), PAUSES)
def test_a_pause_that_is_asked_for_is_kept_and_bounded(written: str, seconds: float | None) -> None:
    error = mapping.error_of(429, {"retry-after": written}, {}, "capture", effect=True)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


def told(issue: str) -> Mapping[str, Any]:
    return {"details": [{"issue": issue}]}


@pytest.mark.parametrize(
    ("status", "answer", "operation", "effect", "expected", "words"),
    [
        (401, {"error": "invalid_token"}, "capture", True, Unavailable, "ended early"),
        (401, {"error": "invalid_client"}, "capture", True, Misconfigured, "client_secret"),
        (422, {"error": "invalid_token"}, "capture", True, Rejected, "refuses the request"),
        (422, told("ORDER_COMPLETION_IN_PROGRESS"), "capture", True, OutcomeUnknown, "still at it"),
        (408, {}, "fetch", False, Unavailable, "still at it"),
        (500, told("INSTRUMENT_DECLINED"), "capture", True, OutcomeUnknown, "answers 500"),
        (499, {}, "capture", True, Rejected, "refuses the request"),
        (503, {}, "capture", True, Unavailable, "answers 503"),
        (404, told("RESOURCE_NOT_FOUND"), "fetch", False, Rejected, "no such thing"),
        (404, told("INVALID_RESOURCE_ID"), "fetch", False, Rejected, "no such thing"),
        (404, told("INVALID_RESOURCE_ID"), "subscribe", True, Rejected, "no such plan"),
        (422, told("INVALID_RESOURCE_ID"), "fetch", False, Rejected, "refuses the request"),
        (404, told("SOMETHING_NEW"), "fetch", False, Misconfigured, "base_url"),
        (403, told("PERMISSION_DENIED"), "fetch", False, Misconfigured, "plugins.paypal: the app may not do this"),
        (399, {}, "fetch", False, Misconfigured, "base_url"),
        (400, {}, "fetch", False, Rejected, "refuses the request"),
    ],
)
def test_an_error_says_what_is_to_be_done(
    status: int, answer: Mapping[str, Any], operation: str, effect: bool, expected: type[PortError], words: str
) -> None:
    error = mapping.error_of(status, {}, answer, operation, effect=effect)
    assert type(error) is expected
    assert words in error.message
    assert (error.provider, error.operation) == ("paypal", operation)
    if isinstance(error, Rejected):
        assert error.reason == ("not_found" if words == "no such thing" else "invalid_request")


# What leaves

SETTINGS = PaypalSettings("client", Secret("test-key-not-secret"), "WEBHOOK0NOT0REAL", brand="마당")
CHECKOUT = CheckoutRequest("p", PRICE, "", "https://shop.example/ok", "https://shop.example/no", "checkout-1", locale="ja")
SUBSCRIBE = SubscribeRequest(
    "s-1", "P-1", PRICE, 1, "Basic", "https://shop.example/ok", "https://shop.example/no", "subscribe-1", locale="fr",
    customer_email="buyer@example.com", trial_days=7, extra={"quantity": "1"},
)  # fmt: skip


def test_a_subscription_is_asked_for_whole() -> None:
    context = {
        "return_url": "https://shop.example/ok", "cancel_url": "https://shop.example/no", "user_action": "SUBSCRIBE_NOW",
        "shipping_preference": "NO_SHIPPING", "locale": "en-US", "brand_name": "마당",
    }  # fmt: skip
    assert payload.subscription_of(SUBSCRIBE, SETTINGS, NOW) == {
        "plan_id": "P-1", "custom_id": "s-1", "application_context": context, "start_time": "2026-11-28T12:00:00Z",
        "subscriber": {"email_address": "buyer@example.com"}, "quantity": "1",
    }  # fmt: skip
    nobody = PaypalSettings("client", Secret("test-key-not-secret"), "W1")
    plain = SubscribeRequest("s-1", "P-1", PRICE, 1, "Basic", "https://a", "https://b", "k")
    assert payload.subscription_of(plain, nobody, NOW).keys() == {"plan_id", "custom_id", "application_context"}
    assert "brand_name" not in payload.subscription_of(plain, nobody, NOW)["application_context"]


def test_an_order_leaves_out_what_is_empty_and_takes_what_the_caller_adds() -> None:
    asked = payload.order_of(CHECKOUT, SETTINGS)
    [unit] = asked["purchase_units"]
    assert unit == {"custom_id": "p", "invoice_id": "p", "amount": dollars("9.90")}
    assert asked["payment_source"]["paypal"]["experience_context"]["locale"] == "ja-JP"
    more = CheckoutRequest("p", PRICE, "", "https://a", "https://b", "k", extra={"payer": {"name": "x"}})
    assert payload.order_of(more, SETTINGS)["payer"] == {"name": "x"}


def test_a_refund_is_marked_with_its_key_and_payment_within_what_paypal_takes() -> None:
    request = RefundRequest("O1", PRICE, "", "refund-1")
    assert payload.refund_body(request, "payment-1") == {"amount": dollars("9.90"), "custom_id": "refund-1 payment-1"}
    assert payload.refund_mark("refund-1", None) == "refund-1"
    assert payload.refund_mark("k" * 64, None) == "k" * 64
    for odd in ("k" * 65, "열쇠", "two words"):
        assert len(payload.refund_mark(odd, None)) == 64
        assert payload.refund_mark(odd, None) != odd
    assert payload.refund_mark("k" * 64, "p" * 100) == f"{'k' * 64} {'p' * 62}"


@pytest.mark.parametrize("prorate", [True, False])
def test_a_change_names_a_plan_and_settles_nothing(prorate: bool) -> None:
    request = ChangeSubscriptionRequest("I-1", "P-2", prorate, "change-1")
    if not prorate:
        assert payload.revision_of(request) == {"plan_id": "P-2"}
        with pytest.raises(Rejected) as nameless:
            payload.revision_of(ChangeSubscriptionRequest("I-1", "", False, "change-1"))
        assert (nameless.value.operation, nameless.value.reason) == ("change_subscription", "invalid_request")
        return
    with pytest.raises(Unsupported) as unsettled:
        payload.revision_of(request)
    assert (unsettled.value.provider, unsettled.value.operation) == ("paypal", "change_subscription")


def test_what_is_refused_before_it_leaves_names_us_and_the_operation() -> None:
    calls: Mapping[str, Callable[[], object]] = {
        "open_checkout": lambda: payload.amount_of(Money(9900, "KRW"), "open_checkout"),
        "cancel_subscription": lambda: payload.cancellation_of(CancelSubscriptionRequest("I-1", True, "k")),
        "subscribe": lambda: payload.subscription_of(
            SubscribeRequest("s", "P-1", Money(0, "USD"), 1, "B", "https://a", "https://b", "k"), SETTINGS, NOW
        ),
    }
    for operation, call in calls.items():
        with pytest.raises((Unsupported, Rejected)) as refused:
            call()
        assert (refused.value.provider, refused.value.operation) == ("paypal", operation)


@pytest.mark.parametrize("length", [0, 1, 127, 128])
def test_an_id_of_ours_has_as_many_characters_as_paypal_keeps(length: int) -> None:
    if 1 <= length <= 127:
        request = CheckoutRequest("p" * length, PRICE, "", "https://a", "https://b", "k")
        assert payload.order_of(request, SETTINGS)["purchase_units"][0]["custom_id"] == "p" * length
        return
    with pytest.raises(Rejected, match="payment_id has 1 to 127 characters") as refused:
        payload.order_of(CheckoutRequest("p" * length, PRICE, "", "https://a", "https://b", "k"), SETTINGS)
    assert (refused.value.operation, refused.value.reason) == ("open_checkout", "invalid_request")


# Events

HEADERS = {
    "paypal-auth-algo": "SHA256withRSA",
    "paypal-cert-url": "https://api.paypal.com/v1/notifications/certs/CERT-1",
    "paypal-transmission-id": "69cd13f0-d67a-11e5-baa3-778b53f4ae55",
    "paypal-transmission-sig": "c2lnbmVkIGJ5IHBheXBhbA==",
    "paypal-transmission-time": "2026-11-21T12:00:00Z",
}
BODY = b'{"id": "WH-1",  "event_type": "PING"}'


def asked(body: bytes = BODY, received_at: datetime = NOW, **changed: str) -> tuple[bytes, Mapping[str, Any]]:
    headers = {**HEADERS, **{f"paypal-{name.replace('_', '-')}": value for name, value in changed.items()}}
    return webhooks.question_about(WebhookRequest(headers, body, received_at), SETTINGS)


def test_paypal_is_asked_whether_it_signed_just_these_bytes() -> None:
    question, event = asked()
    assert event == {"id": "WH-1", "event_type": "PING"}
    assert question.endswith(b', "webhook_event": ' + BODY + b"}")
    assert json.loads(question) == {
        "webhook_id": "WEBHOOK0NOT0REAL",
        "auth_algo": "SHA256withRSA",
        "cert_url": "https://api.paypal.com/v1/notifications/certs/CERT-1",
        "transmission_id": "69cd13f0-d67a-11e5-baa3-778b53f4ae55",
        "transmission_sig": "c2lnbmVkIGJ5IHBheXBhbA==",
        "transmission_time": "2026-11-21T12:00:00Z",
        "webhook_event": event,
    }


@pytest.mark.parametrize("name", sorted(HEADERS))
@pytest.mark.parametrize("value", ["", "two words", "x" * 600])
def test_headers_that_paypal_never_sends_are_refused_without_asking(name: str, value: str) -> None:
    with pytest.raises(SignatureInvalid, match=name) as refused:
        asked(**{name.removeprefix("paypal-").replace("-", "_"): value})
    assert (refused.value.provider, refused.value.operation) == ("paypal", "read_webhook")


@pytest.mark.parametrize(
    ("address", "believed"),
    [
        ("https://paypal.com/cert", True),
        ("https://api.sandbox.paypal.com/cert", True),
        ("https://api-m.paypal.com.evil.example/cert", False),
        ("https://evilpaypal.com/cert", False),
        ("http://api.paypal.com/cert", False),
        ("http://api-m.paypal.com/cert", False),
        ("https://evil.example/cert", False),
    ],
)
def test_a_certificate_is_paypals_own(address: str, believed: bool) -> None:
    if believed:
        assert asked(cert_url=address)
        return
    with pytest.raises(SignatureInvalid, match="certificate"):
        asked(cert_url=address)


def test_a_certificate_may_lie_where_the_settings_say_that_paypal_is() -> None:
    stand_in = replace(SETTINGS, base_url="http://127.0.0.1:8080")
    for address, believed in (
        ("http://127.0.0.1:8080/c", True),
        ("https://127.0.0.1:8080/c", False),
        ("http://127.0.0.1/c", False),
    ):
        request = WebhookRequest({**HEADERS, "paypal-cert-url": address}, BODY, NOW)
        if believed:
            assert webhooks.question_about(request, stand_in)
            continue
        with pytest.raises(SignatureInvalid, match="certificate"):
            webhooks.question_about(request, stand_in)


@pytest.mark.parametrize(("seconds", "believed"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_an_event_is_believed_for_five_minutes(seconds: int, believed: bool) -> None:
    received = NOW + timedelta(seconds=seconds)
    if believed:
        assert asked(received_at=received)
        return
    with pytest.raises(SignatureInvalid, match="too long ago"):
        asked(received_at=received)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"id": "WH-1"}',
        b'{"id": 7, "event_type": "PING"}',
        b'{"event_type": "PING"}',
    ],
)
def test_a_body_that_is_no_event_is_refused_without_asking(body: bytes) -> None:
    with pytest.raises(SignatureInvalid, match="body"):
        asked(body)


CAPTURE = {"id": "C1", "custom_id": "payment-1", "supplementary_data": {"related_ids": {"order_id": "O1"}}}
UP = [{"rel": "self", "href": "https://api.paypal.com/v2/checkout/orders/O0"}]
LED = {"id": "C1", "links": [*UP, {"rel": "up", "href": "https://api.paypal.com/v2/checkout/orders/O2"}]}
CASE = {"dispute_id": "PP-D-1", "disputed_transactions": [{"seller_transaction_id": "C1", "custom": "payment-1"}]}


@pytest.mark.parametrize(
    ("kind", "resource", "names"),
    [
        ("CHECKOUT.ORDER.APPROVED", order("APPROVED", None), {"reference": "O1", "payment_id": "payment-1"}),
        ("CHECKOUT.ORDER.APPROVED", {"id": "O1"}, {}),
        ("PAYMENT.CAPTURE.COMPLETED", CAPTURE, {"reference": "O1", "payment_id": "payment-1"}),
        ("PAYMENT.CAPTURE.DENIED", LED, {"reference": "O2"}),
        ("PAYMENT.CAPTURE.PENDING", {"id": "C1", "links": UP}, {}),
        ("PAYMENT.CAPTURE.PENDING", {"custom_id": "payment-1"}, {"payment_id": "payment-1"}),
        ("PAYMENT.CAPTURE.REFUNDED", {"id": "R1", "custom_id": "refund:1 payment-1"}, {"payment_id": "payment-1"}),
        ("PAYMENT.CAPTURE.REFUNDED", {"id": "R1", "custom_id": "refund:1"}, {}),
        ("PAYMENT.CAPTURE.REFUNDED", {"id": "R1"}, {}),
        ("PAYMENT.SALE.COMPLETED", {"id": "S1", "billing_agreement_id": "I-1"}, {"reference": "I-1/S1", "subscription": "I-1"}),
        ("PAYMENT.SALE.REFUNDED", {"id": "S1"}, {}),
        ("BILLING.SUBSCRIPTION.CANCELLED", {"id": "I-1"}, {"subscription": "I-1"}),
        ("BILLING.SUBSCRIPTION.CANCELLED", {"id": 7}, {}),
        ("CUSTOMER.DISPUTE.CREATED", CASE, {"payment_id": "payment-1"}),
        ("CUSTOMER.DISPUTE.RESOLVED", {"disputed_transactions": []}, {}),
        ("VAULT.PAYMENT-TOKEN.CREATED", {"id": "V1"}, {}),
        ("CHECKOUT.ORDER.APPROVED", None, {}),
        ("CHECKOUT.ORDER.APPROVED", [], {}),
    ],
)
def test_an_event_names_what_it_is_about(kind: str, resource: Any, names: Mapping[str, Any]) -> None:
    event = {"id": "WH-1", "event_type": kind, "create_time": WRITTEN, "resource": resource}
    assert webhooks.notice_of(event) == PaymentNotice("WH-1", kind, AT, **names)


@pytest.mark.parametrize(
    ("kind", "resource", "capture"),
    [
        ("PAYMENT.CAPTURE.REFUNDED", {"links": [{"rel": "up", "href": "https://x/v2/payments/captures/C1"}]}, "C1"),
        ("PAYMENT.CAPTURE.REFUNDED", {"links": [{"rel": "up", "href": "https://x/v2/payments/captures/C1/refund"}]}, None),
        ("PAYMENT.CAPTURE.REFUNDED", {"id": "R1"}, None),
        ("CUSTOMER.DISPUTE.UPDATED", CASE, "C1"),
        ("CUSTOMER.DISPUTE.UPDATED", {"disputed_transactions": [{"seller_transaction_id": ""}]}, None),
        ("PAYMENT.CAPTURE.COMPLETED", CASE, None),
        ("CUSTOMER.DISPUTE.UPDATED", None, None),
    ],
)
def test_a_refund_and_a_dispute_name_the_capture_behind_them(kind: str, resource: Any, capture: str | None) -> None:
    assert webhooks.capture_behind({"id": "WH-1", "event_type": kind, "resource": resource}) == capture
