"""What Toss is sent, word by word, and what becomes of its answers at their edges; over no network."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.fake_toss import CLIENT_KEY, ORIGIN, delivered, webhook
from contract.test_contract_toss_payment import PRICE, WINDOW, settings_for
from madang.adapters.toss import mapping, payload, reading
from madang.adapters.toss.calls import read, segment
from madang.adapters.toss.webhooks import notice_of
from madang.plugins.conformance.payment import CHECKOUT
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, SignatureInvalid, Unavailable
from madang.ports.money import Money
from madang.ports.payment import (
    ChargeRequest,
    ConfirmRequest,
    KeepMethodRequest,
    RefundRequest,
    RemotePaymentStatus,
    RemoteRefundStatus,
)
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

SETTINGS = settings_for()
CHARGE = ChargeRequest("payment-1", "customer-1", Secret("bill_1"), PRICE, " a\n plan ", "charge-1")
SENT = replace(CHECKOUT, description="a  portrait", customer_email="buyer@example.com", customer_name="구매자", extra={})
BUYER = {"customerEmail": "buyer@example.com", "customerName": "구매자"}


def test_the_window_for_a_payment_is_opened_with_all_of_it_and_nothing_else() -> None:
    window = payload.window_of(SENT, SETTINGS)
    assert window == {
        "method": "CARD",
        "clientKey": CLIENT_KEY,
        "customerKey": CHECKOUT.payment_id,
        "orderId": CHECKOUT.payment_id,
        "orderName": "a portrait",
        "amount": {"currency": "KRW", "value": CHECKOUT.amount.amount},
        "successUrl": CHECKOUT.success_url,
        "failUrl": CHECKOUT.cancel_url,
        **BUYER,
    }
    long = payload.window_of(replace(SENT, payment_id="p" * 64), SETTINGS)
    assert (long["customerKey"], long["orderId"]) == ("p" * 50, "p" * 64)


def test_the_window_for_a_card_is_opened_with_all_of_it_and_nothing_else() -> None:
    told = replace(WINDOW, customer_email="buyer@example.com", customer_name="구매자", extra={"windowTarget": "self"})
    assert payload.method_window_of(told, SETTINGS) == {
        "method": "CARD",
        "windowTarget": "self",
        "clientKey": CLIENT_KEY,
        "customerKey": WINDOW.customer_id,
        "successUrl": WINDOW.success_url,
        "failUrl": WINDOW.cancel_url,
        **BUYER,
    }


def test_what_is_asked_of_toss_has_all_that_it_needs_and_nothing_else() -> None:
    charge = {"customerKey": "customer-1", "amount": PRICE.amount, "orderId": "payment-1", "orderName": "a plan"}
    assert payload.charge_of(CHARGE) == charge
    known = replace(CHARGE, customer_email="buyer@example.com", customer_name="구매자")
    assert payload.charge_of(known) == {**charge, **BUYER}
    edges = {"customerEmail": "e" * 100, "customerName": "n"}
    assert payload.charge_of(replace(CHARGE, customer_email="e" * 100, customer_name="n")) == {**charge, **edges}
    assert payload.charge_of(replace(CHARGE, customer_email="e" * 101, customer_name="")) == charge
    confirmation = payload.confirmation_of(ConfirmRequest("payment-1", "key", PRICE, "confirm-1"))
    assert confirmation == {"paymentKey": "key", "orderId": "payment-1", "amount": PRICE.amount}
    mark = reading.mark_of("refund-1")
    assert payload.cancel_of(RefundRequest("k", Money(5, "KRW"), "a\n b", "refund-1")) == {
        "cancelReason": f"a b{mark}",
        "cancelAmount": 5,
    }
    exchange = payload.key_exchange_of(KeepMethodRequest("customer-1", "a" * 300, "keep-1"))
    assert exchange == {"authKey": "a" * 300, "customerKey": "customer-1"}


@pytest.mark.parametrize(("description", "name"), [("x" * 100, "x" * 100), ("x" * 101, "x" * 99 + "…"), (" a \n b ", "a b")])
def test_a_long_name_is_cut_and_one_of_two_lines_is_one(description: str, name: str) -> None:
    assert payload.charge_of(replace(CHARGE, description=description))["orderName"] == name


@pytest.mark.parametrize(
    ("operation", "reason", "make"),
    [
        ("charge", "invalid_request", lambda: payload.charge_of(replace(CHARGE, amount=Money(0, "KRW")))),
        ("charge", "invalid_request", lambda: payload.charge_of(replace(CHARGE, amount=Money(5, "USD")))),
        ("charge", "invalid_request", lambda: payload.charge_of(replace(CHARGE, description="\n"))),
        ("charge", "invalid_request", lambda: payload.charge_of(replace(CHARGE, payment_id="short"))),
        ("charge", "invalid_request", lambda: payload.charge_of(replace(CHARGE, customer_id="a"))),
        ("refund", "invalid_request", lambda: payload.cancel_of(RefundRequest("k", Money(0, "KRW"), "why", "refund-1"))),
        ("confirm", "invalid_request", lambda: payload.confirmation_of(ConfirmRequest("payment-1", "k", Money(0, "KRW"), "c"))),
        ("confirm", "invalid_request", lambda: payload.confirmation_of(ConfirmRequest("p", "k", PRICE, "c"))),
        ("confirm", "not_found", lambda: payload.confirmation_of(ConfirmRequest("payment-1", "", PRICE, "c"))),
        ("confirm", "not_found", lambda: payload.confirmation_of(ConfirmRequest("payment-1", "k" * 201, PRICE, "c"))),
        ("keep_method", "not_found", lambda: payload.key_exchange_of(KeepMethodRequest("customer-1", "", "keep-1"))),
        ("keep_method", "not_found", lambda: payload.key_exchange_of(KeepMethodRequest("customer-1", "a" * 301, "keep-1"))),
        ("keep_method", "invalid_request", lambda: payload.key_exchange_of(KeepMethodRequest("?", "a", "keep-1"))),
        ("open_checkout", "invalid_request", lambda: payload.window_of(replace(SENT, amount=Money(0, "KRW")), SETTINGS)),
        ("open_checkout", "invalid_request", lambda: payload.window_of(replace(SENT, description=""), SETTINGS)),
        (
            "open_method_window",
            "invalid_request",
            lambda: payload.method_window_of(replace(WINDOW, customer_id="a b"), SETTINGS),
        ),
        ("fetch", "not_found", lambda: segment("", "fetch")),
        ("fetch", "not_found", lambda: segment("..", "fetch")),
        ("fetch", "not_found", lambda: segment("x" * 301, "fetch")),
    ],
)
def test_what_toss_would_not_take_is_refused_before_it_leaves(operation: str, reason: str, make: Any) -> None:
    with pytest.raises(Rejected) as refused:
        make()
    assert (refused.value.provider, refused.value.operation, refused.value.reason) == ("toss", operation, reason)


def test_a_key_of_letters_that_are_seen_goes_as_it_is() -> None:
    assert segment("a/b?c", "fetch") == "a%2Fb%3Fc"
    assert segment("x" * 300, "fetch") == "x" * 300
    assert [payload.key_of(each) for each in ("k", "k" * 300)] == ["k", "k" * 300]
    for other in ("", "k" * 301, "a b", "키"):
        assert payload.key_of(other) == hashlib.sha256(other.encode()).hexdigest()


@pytest.mark.parametrize(
    ("status", "code", "asking", "acting"),
    [
        (302, None, Misconfigured, Misconfigured),
        (400, None, Rejected, Rejected),
        (401, None, Misconfigured, Misconfigured),
        (402, None, Misconfigured, Misconfigured),
        (403, None, Misconfigured, Misconfigured),
        (404, None, Misconfigured, Misconfigured),
        (404, "NEW_NOT_FOUND", Rejected, Rejected),
        (405, None, Misconfigured, Misconfigured),
        (408, None, Unavailable, Unavailable),
        (409, "lower_case", Rejected, Rejected),
        (409, "A" * 81, Rejected, Rejected),
        (500, None, Unavailable, OutcomeUnknown),
        (503, "NOT_AVAILABLE_BANK", Unavailable, Unavailable),
        (400, "COMMON_ERROR", Unavailable, OutcomeUnknown),
        (429, None, RateLimited, RateLimited),
        (500, "FORBIDDEN_CONSECUTIVE_REQUEST", RateLimited, RateLimited),
    ],
)
def test_an_error_is_known_by_its_status_and_its_code(
    status: int, code: str | None, asking: type[PortError], acting: type[PortError]
) -> None:
    told = code if code is not None and code.isupper() and len(code) <= 80 else str(status)
    for operations, expected in ((sorted(mapping.READS), asking), (["charge", "confirm", "keep_method", "refund"], acting)):
        for operation in operations:
            error = mapping.error_of(status, {}, {} if code is None else {"code": code}, operation)
            assert (type(error), error.code, error.operation, error.request_id) == (expected, told, operation, None)
            assert getattr(error, "reason", "invalid_request") == "invalid_request"


@pytest.mark.parametrize("code", sorted(mapping.KEEPING))
def test_what_is_said_of_a_key_means_another_thing_elsewhere(code: str) -> None:
    error = mapping.error_of(400, {}, {"code": code}, "confirm")
    assert isinstance(error, Rejected)
    assert error.reason == mapping.REFUSED.get(code, ("invalid_request",))[0]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("2", 2.0), ("0", 0.0), ("1.5", 1.5), ("999999999", 86_400.0), ("1" * 10, None), ("-1", None), ("", None), ("soon", None)],
)
def test_a_wait_is_seconds_and_at_most_a_day(said: str, seconds: float | None) -> None:
    assert mapping.retry_after_of({"retry-after": said}) == seconds


@pytest.mark.parametrize(("said", "trace"), [("a-1", "a-1"), ("a" * 64, "a" * 64), ("a" * 65, None), ("a b", None), ("", None)])
def test_a_trace_is_a_short_word(said: str, trace: str | None) -> None:
    assert mapping.trace_of({"x-tosspayments-trace-id": said}) == trace


@pytest.mark.parametrize("operation", [*sorted(mapping.READS), "confirm", "charge", "refund", "keep_method"])
def test_what_cannot_be_read_leaves_open_what_an_act_did(operation: str) -> None:
    with pytest.raises(PortError) as unreadable:
        read(operation, lambda: reading.text_of(None))
    expected = Unavailable if operation in mapping.READS else OutcomeUnknown
    assert (type(unreadable.value), unreadable.value.operation, unreadable.value.provider) == (expected, operation, "toss")


@pytest.mark.parametrize(
    ("document", "status", "refunded", "failure"),
    [
        ({"status": "CANCELED", "approvedAt": "2026-11-21T09:00:00+09:00"}, RemotePaymentStatus.REFUNDED, 5900, None),
        ({"status": "PARTIAL_CANCELED"}, RemotePaymentStatus.PARTLY_REFUNDED, 5900, None),
        ({"status": "DONE", "failure": {}}, RemotePaymentStatus.PAID, 0, None),
        ({"status": "ABORTED", "failure": {"code": "X1", "message": "no"}}, RemotePaymentStatus.FAILED, 0, "X1"),
    ],
)
def test_a_payment_is_read_whole(
    document: dict[str, Any], status: RemotePaymentStatus, refunded: int, failure: str | None
) -> None:
    snapshot = reading.payment_of({**ORIGIN, "balanceAmount": 4000, "method": "휴대폰", **document})
    assert (snapshot.reference, snapshot.payment_id, snapshot.method) == ("k", "payment-1", "phone")
    assert (snapshot.status, snapshot.refunded, snapshot.failure) == (status, Money(refunded, "KRW"), failure)
    assert snapshot.paid_at == (datetime(2026, 11, 21, tzinfo=UTC) if "approvedAt" in document else None)


def test_a_cancel_of_ours_is_found_among_others() -> None:
    mark = reading.mark_of("refund-1")
    ours = {"transactionKey": "t-2", "cancelAmount": "5", "cancelReason": f"why{mark}"}
    others = [7, {"cancelReason": None}, {**ours, "transactionKey": "t-1", "cancelReason": f"{mark} why"}]
    found = reading.cancel_of({**ORIGIN, "cancels": [*others, ours]}, mark)
    assert found is not None
    assert (found.id, found.status, found.amount) == ("t-2", RemoteRefundStatus.SUCCEEDED, Money(5, "KRW"))
    assert reading.cancel_of({**ORIGIN, "cancels": others}, mark) is None
    assert reading.cancel_of({**ORIGIN, "cancels": None}, mark) is None
    for wrong in (
        {"paymentKey": ""},
        {"cancels": [{**ours, "transactionKey": ""}]},
        {"cancels": [{**ours, "cancelAmount": []}]},
    ):
        with pytest.raises(ValueError, match="missing"):
            reading.cancel_of({**ORIGIN, "cancels": [ours], **wrong}, mark)


def test_transactions_name_their_payments_or_are_none() -> None:
    assert reading.transactions_in([{"transactionKey": "t", "paymentKey": "k"}]) == [("t", "k")]
    strange: list[Any] = [{}, None, [7], [{"transactionKey": "t"}], [{"paymentKey": "k"}]]
    for wrong in strange:
        with pytest.raises(ValueError, match=r"missing|list"):
            reading.transactions_in(wrong)


def test_a_card_may_be_written_in_groups_and_has_a_key_and_a_customer() -> None:
    grouped = {"billingKey": "b", "customerKey": "c", "card": {"number": "4330-12**-****-12 34"}}
    assert reading.method_of(grouped).label == "card **** 1234"
    for missing in ("billingKey", "customerKey"):
        with pytest.raises(ValueError, match="missing"):
            reading.method_of({"billingKey": "b", "customerKey": "c", missing: None})


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2026-11-21T09:00:00+00:00", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        ("2026-11-21T09:00:00", datetime(2026, 11, 21, tzinfo=UTC)),
        ("soon", None),
        (7, None),
    ],
)
def test_an_event_may_have_no_readable_time_and_an_id_of_any_length(stamp: Any, moment: datetime | None) -> None:
    for kind in ("PAYMENT_STATUS_CHANGED", "BILLING_DELETED"):
        event = {"eventType": kind, "createdAt": stamp, "data": {"paymentKey": "k" * 200, "orderId": "o" * 64}}
        notice = notice_of(delivered(event, "t" * 201))
        assert (notice.event_id, notice.kind, notice.occurred_at) == ("t" * 200, kind, moment)
    paid = notice_of(webhook("PAYMENT_STATUS_CHANGED", {"paymentKey": "k" * 200, "orderId": "o" * 65}))
    assert (paid.reference, paid.payment_id) == ("k" * 200, None)
    deposit = notice_of(delivered({"secret": "s", "orderId": "payment-1", "createdAt": stamp}))
    assert (deposit.kind, deposit.payment_id, deposit.reference) == ("DEPOSIT_CALLBACK", "payment-1", None)
    told = notice_of(delivered({"eventType": "PAYMENT_STATUS_CHANGED", "secret": "s", "data": {"orderId": "payment-1"}}))
    assert told.kind == "PAYMENT_STATUS_CHANGED"


def test_a_delivery_without_an_id_is_known_by_its_body() -> None:
    body = delivered({"eventType": "BILLING_DELETED", "data": {}}).body
    notice = notice_of(WebhookRequest({}, body, datetime.now(UTC)))
    assert notice.event_id == f"sha256:{hashlib.sha256(body).hexdigest()}"
    for wrong in (b"[]", b"7", b"{"):
        with pytest.raises(SignatureInvalid) as refused:
            notice_of(WebhookRequest({}, wrong, datetime.now(UTC)))
        assert refused.value.operation == "read_webhook"
