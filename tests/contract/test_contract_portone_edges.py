"""What PortOne is sent, word by word, and what becomes of its answers at their edges; over no network."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from contract.fake_portone import BILLING_CHANNEL, CHANNEL, STORE, event, signed
from contract.test_contract_portone_payment import PRICE, WINDOW, settings_for
from contract.test_contract_portone_reading import KEY, ORIGIN
from madang.adapters.portone import mapping, payload, reading
from madang.adapters.portone.calls import Patience, payment_path, read, segment
from madang.adapters.portone.webhooks import notice_of
from madang.plugins.conformance.payment import CHECKOUT
from madang.ports.errors import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import ChargeRequest, RefundRequest, RemotePaymentStatus, RemoteRefundStatus
from madang.ports.secret import Secret

SETTINGS = settings_for()
CHARGE = ChargeRequest("payment-1", "customer-1", Secret("key-1"), PRICE, " a\n plan ", "charge-1")
SENT = replace(
    CHECKOUT, description="a  portrait", customer_email="buyer@example.com", customer_name="구매자", extra={}, locale="ko-KR"
)


def test_the_window_for_a_payment_is_opened_with_all_of_it_and_nothing_else() -> None:
    window = payload.window_of(SENT, SETTINGS)
    assert window == {
        "payMethod": "CARD",
        "storeId": STORE,
        "channelKey": CHANNEL,
        "paymentId": CHECKOUT.payment_id,
        "orderName": "a portrait",
        "totalAmount": CHECKOUT.amount.amount,
        "currency": "KRW",
        "redirectUrl": CHECKOUT.success_url,
        "customer": {"email": "buyer@example.com", "fullName": "구매자"},
        "locale": "KO_KR",
    }
    other = payload.window_of(replace(SENT, customer_email=None, customer_name=None, locale="fr"), SETTINGS)
    assert other == {**window, "customer": {}, "locale": "EN_US"}
    assert payload.registration_of(SENT, SETTINGS) == {
        "storeId": STORE,
        "totalAmount": CHECKOUT.amount.amount,
        "currency": "KRW",
    }


def test_the_window_for_a_card_is_opened_with_all_of_it_and_nothing_else() -> None:
    told = replace(WINDOW, customer_email="buyer@example.com", customer_name="구매자", locale="ko", extra={"offerPeriod": 1})
    window = payload.method_window_of(told, SETTINGS)
    assert window == {
        "billingKeyMethod": "CARD",
        "issueName": "카드 등록",
        "offerPeriod": 1,
        "storeId": STORE,
        "channelKey": BILLING_CHANNEL,
        "issueId": payload.key_of("issue", WINDOW.idempotency_key)[:40],
        "redirectUrl": WINDOW.success_url,
        "customer": {"customerId": WINDOW.customer_id, "email": "buyer@example.com", "fullName": "구매자"},
        "locale": "KO_KR",
    }
    english = payload.method_window_of(replace(told, locale="en"), settings_for(billing_channel_key=None))
    changed = {"issueName": "Card for later payments", "channelKey": CHANNEL, "locale": "EN_US"}
    assert english == {**window, **changed}


def test_a_charge_names_its_customer_as_far_as_they_are_known() -> None:
    body = payload.charge_of(CHARGE, SETTINGS)
    assert body == {
        "storeId": STORE,
        "billingKey": "key-1",
        "orderName": "a plan",
        "customer": {"id": "customer-1"},
        "amount": {"total": PRICE.amount},
        "currency": "KRW",
    }
    known = payload.charge_of(replace(CHARGE, customer_name="구매자", customer_email="buyer@example.com"), SETTINGS)
    assert known["customer"] == {"id": "customer-1", "name": {"full": "구매자"}, "email": "buyer@example.com"}


@pytest.mark.parametrize(("description", "name"), [("x" * 100, "x" * 100), ("x" * 101, "x" * 99 + "…"), (" a \n b ", "a b")])
def test_a_long_name_is_cut_and_one_of_two_lines_is_one(description: str, name: str) -> None:
    assert payload.charge_of(replace(CHARGE, description=description), SETTINGS)["orderName"] == name


@pytest.mark.parametrize(
    ("change", "amount"), [({"description": " \n"}, PRICE), ({}, Money(0, "KRW")), ({}, Money(100, "USD"))]
)
def test_what_cannot_be_charged_is_refused_before_it_leaves(change: dict[str, Any], amount: Money) -> None:
    with pytest.raises(Rejected) as refused:
        payload.charge_of(replace(CHARGE, amount=amount, **change), SETTINGS)
    assert (refused.value.reason, refused.value.operation) == ("invalid_request", "charge")
    if amount is not PRICE:
        with pytest.raises(Rejected) as unopened:
            payload.registration_of(replace(SENT, amount=amount), SETTINGS)
        assert (unopened.value.reason, unopened.value.operation) == ("invalid_request", "open_checkout")


@pytest.mark.parametrize("left", [None, 0, 5])
def test_a_refund_says_what_may_be_left(left: int | None) -> None:
    mark = reading.mark_of("refund-1")
    body = payload.cancel_of(RefundRequest("payment-1", Money(5, "KRW"), "a\n b", "refund-1"), left, SETTINGS)
    told = {} if left is None else {"currentCancellableAmount": left}
    assert body == {"storeId": STORE, "amount": 5, "reason": f"a b{mark}", **told}


@pytest.mark.parametrize("cursor", [None, "", "page-2"])
def test_a_span_of_time_is_asked_for_in_world_time(cursor: str | None) -> None:
    since = datetime(2026, 11, 21, 9, tzinfo=timezone(timedelta(hours=9)))
    query = payload.span_of(since, since + timedelta(hours=1), cursor, 7, SETTINGS)
    told = {} if cursor is None else {"cursor": cursor}
    span = {"from": "2026-11-21T00:00:00Z", "until": "2026-11-21T01:00:00Z"}
    assert {name: json.loads(value) for name, value in query.items()} == {
        "requestBody": {"storeId": STORE, **span, "size": 7, **told}
    }


@pytest.mark.parametrize(
    ("status", "kind", "asking", "acting", "code"),
    [
        (302, None, Misconfigured, Misconfigured, "302"),
        (400, None, Rejected, Rejected, "400"),
        (401, None, Misconfigured, Misconfigured, "401"),
        (402, None, Misconfigured, Misconfigured, "402"),
        (403, None, Misconfigured, Misconfigured, "403"),
        (404, None, Misconfigured, Misconfigured, "404"),
        (404, "NEW_NOT_FOUND", Rejected, Rejected, "NEW_NOT_FOUND"),
        (405, None, Misconfigured, Misconfigured, "405"),
        (408, None, Unavailable, Unavailable, "408"),
        (409, None, Rejected, Rejected, "409"),
        (409, "lower_case", Rejected, Rejected, "409"),
        (409, "A" * 81, Rejected, Rejected, "409"),
        (409, "FORBIDDEN", Misconfigured, Misconfigured, "FORBIDDEN"),
        (409, "PG_PROVIDER", Unavailable, OutcomeUnknown, "PG_PROVIDER"),
        (500, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN", Unavailable, Unavailable, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN"),
        (500, None, Unavailable, OutcomeUnknown, "500"),
        (503, None, Unavailable, OutcomeUnknown, "503"),
        (429, "PG_PROVIDER", RateLimited, RateLimited, "PG_PROVIDER"),
    ],
)
def test_an_error_is_known_by_its_status_and_its_type(
    status: int, kind: str | None, asking: type[Exception], acting: type[Exception], code: str
) -> None:
    for asks, expected in ((True, asking), (False, acting)):
        error = mapping.error_of(status, {}, {} if kind is None else {"type": kind}, "fetch", asks=asks)
        assert (type(error), error.code, error.operation, error.provider) == (expected, code, "fetch", "portone")
        assert getattr(error, "reason", "invalid_request") == "invalid_request"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("2", 2.0), ("0", 0.0), ("1.5", 1.5), ("999999999", 86_400.0), ("1" * 10, None), ("-1", None), ("", None), ("soon", None)],
)
def test_a_wait_is_seconds_and_at_most_a_day(said: str, seconds: float | None) -> None:
    assert mapping.retry_after_of({"retry-after": said}) == seconds


def test_an_id_is_one_part_of_an_address() -> None:
    assert payment_path("a/b?c=é", "fetch") == "/payments/a%2Fb%3Fc%3D%C3%A9"
    assert segment("x" * 300, "fetch") == "x" * 300
    for nobodys in ("", ".", "..", "x" * 301):
        with pytest.raises(Rejected) as refused:
            segment(nobodys, "fetch")
        assert (refused.value.reason, refused.value.operation) == ("not_found", "fetch")


def test_a_patience_that_has_ended_leaves_a_moment() -> None:
    assert Patience(-5.0).left == 0.05
    assert 8.0 < Patience(9.0).left <= 9.0


@pytest.mark.parametrize(
    ("operation", "asks", "error"),
    [
        *((each, False, Unavailable) for each in sorted(mapping.READS)),
        ("charge", True, Unavailable),
        ("charge", False, OutcomeUnknown),
        ("refund", False, OutcomeUnknown),
    ],
)
def test_what_cannot_be_read_leaves_open_what_an_act_did(operation: str, asks: bool, error: type[Exception]) -> None:
    with pytest.raises(error) as unreadable:
        read(operation, lambda: reading.text_of(None), asks=asks)
    assert (type(unreadable.value), unreadable.value.operation) == (error, operation)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("amount", "left"),
    [
        ({"paid": 5, "cancelled": 2, "discount": 0}, 3),
        ({"paid": 5, "cancelled": 2, "discount": 1}, None),
        ({"paid": 5, "cancelled": 2}, None),
        ({"paid": "5", "cancelled": 2, "discount": 0}, None),
        ({"paid": 5, "cancelled": "2", "discount": 0}, None),
        (None, None),
    ],
)
def test_what_is_left_of_a_payment_is_known_where_no_discount_is(amount: Any, left: int | None) -> None:
    assert reading.left_of({"amount": amount}) == left


def test_a_cancellation_of_ours_is_found_among_others() -> None:
    ours = {"id": "c-2", "status": "SUCCEEDED", "totalAmount": 5, "reason": f"why{reading.mark_of('refund-1')}"}
    others = [7, {"reason": None}, {**ours, "id": "c-1", "reason": f"why{reading.mark_of('refund-2')}"}]
    found = reading.refund_in({**ORIGIN, "cancellations": [*others, ours]}, reading.mark_of("refund-1"))
    assert found is not None
    assert (found.id, found.status, found.amount) == ("c-2", RemoteRefundStatus.SUCCEEDED, Money(5, "KRW"))
    assert reading.refund_in({**ORIGIN, "cancellations": others}, reading.mark_of("refund-1")) is None
    assert reading.refund_in({**ORIGIN, "cancellations": None}, "") is None
    for wrong in ({"id": ""}, {"totalAmount": None}, {"totalAmount": True}, {"totalAmount": -1}, {"totalAmount": 10**15}):
        with pytest.raises(ValueError, match="missing"):
            reading.cancellation_of({**ours, **wrong}, "KRW")


@pytest.mark.parametrize(
    ("document", "status", "refunded", "failure"),
    [
        ({"status": "CANCELLED", "paidAt": "2026-11-21T09:00:00+09:00"}, RemotePaymentStatus.REFUNDED, 4, None),
        ({"status": "PARTIAL_CANCELLED", "disputes": [{"status": "RESOLVED"}]}, RemotePaymentStatus.PARTLY_REFUNDED, 4, None),
        ({"status": "PARTIAL_CANCELLED", "disputes": [{"status": "UNRESOLVED"}]}, RemotePaymentStatus.DISPUTED, 4, None),
        ({"status": "PAID", "disputes": [7, {"status": "UNRESOLVED"}]}, RemotePaymentStatus.DISPUTED, 0, None),
        ({"status": "FAILED", "failure": {"pgCode": "X1", "reason": "no"}}, RemotePaymentStatus.FAILED, 0, "X1"),
    ],
)
def test_a_payment_is_read_whole(
    document: dict[str, Any], status: RemotePaymentStatus, refunded: int, failure: str | None
) -> None:
    amount = {"total": 9, "cancelled": 4, "paid": 9, "discount": 0}
    snapshot = reading.payment_of({**ORIGIN, "amount": amount, "method": {"type": "PaymentMethodMobile"}, **document})
    assert (snapshot.reference, snapshot.payment_id, snapshot.method) == ("payment-1", "payment-1", "phone")
    assert (snapshot.status, snapshot.refunded, snapshot.failure) == (status, Money(refunded, "KRW"), failure)
    assert snapshot.paid_at == (datetime(2026, 11, 21, tzinfo=UTC) if "paidAt" in document else None)


@pytest.mark.parametrize(
    ("methods", "label"),
    [
        ([7], "card"),
        ("none", "card"),
        ([{"type": "BillingKeyPaymentMethodMobile", "card": {"number": "12345"}}], "phone **** 2345"),
        ([{"card": {"number": "123"}}], "card"),
        ([{"card": 7}], "card"),
    ],
)
def test_a_label_is_made_of_what_is_there(methods: Any, label: str) -> None:
    method = reading.method_of({**KEY, "methods": methods})
    assert method is not None
    assert method.label == label


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2026-11-21T09:00:00+09:00", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21T09:00:00", None),
        ("soon", None),
        (7, None),
    ],
)
def test_an_event_may_have_no_readable_time_and_an_id_of_any_length(stamp: Any, moment: datetime | None) -> None:
    body = {**event("Transaction.Paid", "p" * 200), "timestamp": stamp}
    notice = notice_of(SETTINGS, signed(body, "e" * 201, datetime.now(UTC)))
    assert (notice.occurred_at, notice.reference, notice.event_id) == (moment, "p" * 200, "e" * 200)
    for payment in ("", "p" * 201):
        named = notice_of(SETTINGS, signed(event("Transaction.Paid", payment), "event-1", datetime.now(UTC)))
        assert (named.kind, named.reference) == ("Transaction.Paid", None)
