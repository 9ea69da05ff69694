"""What Toss says of payments, cards, refusals and changes, word by word; over no network."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fake_toss import CLIENT_KEY, ORIGIN, SECRET_KEY, delivered, refusal, webhook
from madang.adapters.provider_http.answers import document_in
from madang.adapters.toss import mapping, payload, reading
from madang.adapters.toss.settings import TossSettings
from madang.adapters.toss.webhooks import TRANSMISSION, notice_of
from madang.ports.errors import Misconfigured, OutcomeUnknown, RateLimited, Rejected, SignatureInvalid, Unavailable
from madang.ports.money import Money
from madang.ports.payment import RemotePaymentStatus, RemoteRefundStatus, StoredMethod
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest


def json_of(document: Mapping[str, Any]) -> Any:
    """As it arrives."""
    return document_in(json.dumps(document).encode(), Decimal)


def settings_for(**changed: Any) -> TossSettings:
    return TossSettings(**{"secret_key": Secret(SECRET_KEY), "client_key": CLIENT_KEY, **changed})


@pytest.mark.parametrize(
    ("card", "label"),
    [
        ({"number": "43301234****1234"}, "card **** 1234"),
        ({"number": "43301234****123*"}, "card"),
        ({}, "card"),
        (None, "card"),
    ],
)
def test_a_card_is_labelled_by_what_is_not_masked(card: Any, label: str) -> None:
    billing = {"billingKey": "bill_1", "customerKey": "customer-1", "card": card}
    assert reading.method_of(billing) == StoredMethod(Secret("bill_1"), "customer-1", label)


@pytest.mark.parametrize(
    ("word", "status"), [*reading.CANCELS.items(), (None, RemoteRefundStatus.SUCCEEDED), ("NEW", RemoteRefundStatus.PENDING)]
)
def test_every_state_of_a_cancel_is_one_of_ours(word: str | None, status: RemoteRefundStatus) -> None:
    mark = reading.mark_of("refund-1")
    cancel = {"cancelReason": f"why{mark}", "cancelAmount": 100, "transactionKey": "t", "cancelStatus": word}
    found = reading.cancel_of({"paymentKey": "k", "currency": "KRW", "cancels": [cancel]}, mark)
    assert found is not None
    assert found.status is status


@pytest.mark.parametrize("status", [*reading.STATUSES, "LATER", None])
def test_a_payment_that_nobody_approved_has_given_nothing_back(status: str | None) -> None:
    snapshot = reading.payment_of({**ORIGIN, "status": status, "balanceAmount": 0, "approvedAt": None})
    expected = reading.STATUSES.get(str(status), RemotePaymentStatus.PENDING)
    if status == "CANCELED":
        expected = RemotePaymentStatus.CANCELLED
    assert snapshot.status is expected
    if expected is not RemotePaymentStatus.PARTLY_REFUNDED:
        assert snapshot.refunded == Money(0, "KRW")


@pytest.mark.parametrize("word", [*reading.METHODS, "새로운 수단", None])
def test_every_way_of_paying_has_a_word_of_ours(word: str | None) -> None:
    assert reading.payment_of({**ORIGIN, "status": "DONE", "method": word}).method == reading.METHODS.get(str(word))


@given(st.integers(min_value=1, max_value=10**12), st.integers(min_value=0, max_value=10**12))
def test_amounts_are_read_exactly_as_number_and_as_text(total: int, left: int) -> None:
    body = {**ORIGIN, "status": "PARTIAL_CANCELED", "approvedAt": "2026-11-21T09:00:00+09:00"}
    for write in (int, str):
        document = json_of({**body, "totalAmount": write(total), "balanceAmount": write(left)})
        snapshot = reading.payment_of(document)
        assert (snapshot.amount.amount, snapshot.refunded.amount) == (total, total - left)
        assert snapshot.paid_at == datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"totalAmount": None}, {"totalAmount": True}, {"totalAmount": "many"}, {"balanceAmount": 0.5}, {"paymentKey": ""},
        {"orderId": 7}, {"currency": "QQQ"}, {"approvedAt": "2026-11-21T09:00:00"}, {"approvedAt": "soon"},
        {"totalAmount": "9E99999"}, {"totalAmount": "9" * 400}, {"totalAmount": 10**20}, {"balanceAmount": -1},
    ],
)  # fmt: skip
def test_a_payment_that_cannot_be_read_is_not_believed(change: dict[str, Any]) -> None:
    document = json_of({**ORIGIN, "status": "DONE", **change})
    with pytest.raises(ValueError, match=r".+"):
        reading.payment_of(document)


CODES = {
    **dict.fromkeys(mapping.DECLINED, (Rejected, "declined")),
    **{code: (Rejected, reason) for code, (reason, _) in mapping.REFUSED.items()},
    **dict.fromkeys(mapping.OURS, (Misconfigured, None)),
    **dict.fromkeys(mapping.LIMITS, (RateLimited, None)),
    **dict.fromkeys(mapping.PASSING, (Unavailable, None)),
    **dict.fromkeys(mapping.OPEN, (OutcomeUnknown, None)),
    "INVALID_REQUEST": (Rejected, "invalid_request"),
    "A_CODE_TO_COME": (Rejected, "invalid_request"),
}


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_toss_has_its_error(code: str) -> None:
    told = refusal(400, code)
    error = mapping.error_of(told.status, told.headers, told.body, "charge")
    expected, reason = CODES[code]
    assert type(error) is expected
    assert getattr(error, "reason", None) == reason
    assert (error.provider, error.operation, error.code) == ("toss", "charge", code)
    assert error.request_id == "cb16a25f16e4c9d8ad7cf84d6d606b9a"
    assert "buyer@example.com" not in str(error.context())


@pytest.mark.parametrize("code", sorted(mapping.KEEPING))
def test_a_key_that_means_nothing_is_not_found_where_it_is_exchanged(code: str) -> None:
    error = mapping.error_of(400, {}, {"code": code}, "keep_method")
    assert isinstance(error, Rejected)
    assert error.reason == "not_found"


def test_a_notice_says_when_and_which_payment_and_nothing_more() -> None:
    notice = notice_of(webhook("PAYMENT_STATUS_CHANGED", {**ORIGIN, "status": "DONE"}))
    assert (notice.event_id, notice.reference, notice.payment_id) == ("transmission-1", "k", "payment-1")
    assert notice.occurred_at == datetime(2026, 11, 21, 0, 0, 0, 123456, tzinfo=UTC)
    assert notice.snapshot is None
    bare = replace(webhook("PAYMENT_STATUS_CHANGED", ORIGIN), headers={})
    first, again = [notice_of(bare) for _ in range(2)]
    assert first.event_id == again.event_id
    assert first.event_id.startswith("sha256:")
    strange = notice_of(webhook("PAYMENT_STATUS_CHANGED", {"paymentKey": "k", "orderId": "a b"}))
    assert (strange.reference, strange.payment_id) == ("k", None)
    nameless = notice_of(webhook("PAYMENT_STATUS_CHANGED", {"paymentKey": "", "orderId": "payment-1"}))
    assert (nameless.reference, nameless.payment_id) == (None, "payment-1")


@pytest.mark.parametrize(
    "event",
    [None, [], "text", {}, {"eventType": 7, "data": {}}, {"eventType": "PAYMENT_STATUS_CHANGED"},
     {"secret": "s", "status": "DONE"},
     {"eventType": "PAYMENT_STATUS_CHANGED", "data": {"paymentKey": "x" * 201}}, {"eventType": "x" * 201, "data": {}}],
)  # fmt: skip
def test_what_has_not_the_shape_of_an_event_is_refused(event: Any) -> None:
    with pytest.raises(SignatureInvalid) as refused:
        notice_of(delivered(event))
    assert refused.value.provider == "toss"


def test_a_body_that_is_no_json_is_refused() -> None:
    for body in (b"", b"\xff\xfe", b"[" * 100_000):
        with pytest.raises(SignatureInvalid):
            notice_of(WebhookRequest({TRANSMISSION: "t"}, body, datetime.now(UTC)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.tosspayments.example"},
        {"base_url": "api.tosspayments.com"},
        {"secret_key": Secret("")},
        {"secret_key": Secret("key:\r\nX-Evil: 1")},
        {"client_key": ""},
        {"client_key": "test_sk_not0a0secret"},
        {"client_key": "test_gsk_not0a0secret"},
        {"client_key": "key with spaces"},
        {"method": "BITCOIN"},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"base_url|secret_key|client_key|method") as refused:
        settings_for(**wrong)
    assert "Evil" not in str(refused.value)


def test_the_mark_of_a_refund_never_changes() -> None:
    """It is written in Toss's books, and found again by exactly these letters."""
    assert reading.mark_of("refund-1") == " (m:04f3320a08d7710b)"


def test_times_are_asked_for_in_koreas_time() -> None:
    assert payload.local_time(datetime(2026, 11, 30, 15, 0, tzinfo=UTC)) == "2026-12-01T00:00:00.000"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_key_of_ours_goes_as_one_that_toss_takes(key: str) -> None:
    sent = payload.key_of(key)
    assert 1 <= len(sent) <= 300
    assert sent.isascii()
    assert sent.isprintable()
    assert payload.key_of(f"{key} ") != sent
