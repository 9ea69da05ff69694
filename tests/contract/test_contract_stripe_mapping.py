"""What Stripe says, as ours: every error, every amount, every state of an invoice and a refund."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.stripe import errors, mapping
from madang.adapters.stripe.amounts import LARGEST, money_of, stripe_amount
from madang.adapters.stripe.capabilities import CURRENCIES
from madang.adapters.stripe.payload import key_of, locale_of, session_end
from madang.adapters.stripe.settings import StripeSettings
from madang.adapters.stripe.subscription_mapping import subscription_snapshot
from madang.ports.errors import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable
from madang.ports.money import EXPONENTS, Money
from madang.ports.payment import RemotePaymentStatus, RemoteRefundStatus, RemoteSubscriptionStatus
from madang.ports.secret import Secret

CARD, REQUEST, API, KEY = "card_error", "invalid_request_error", "api_error", "idempotency_error"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

ERRORS = [
    (402, CARD, "card_declined", None, Rejected, "declined"),
    (402, CARD, "expired_card", None, Rejected, "declined"),
    (402, CARD, None, None, Rejected, "declined"),
    (402, REQUEST, None, None, Rejected, "declined"),
    (400, CARD, None, None, Rejected, "declined"),
    (400, REQUEST, "charge_already_refunded", None, Rejected, "amount_exceeded"),
    (400, REQUEST, None, "amount", Rejected, "amount_exceeded"),
    (400, REQUEST, "amount_too_large", "amount", Rejected, "amount_exceeded"),
    (400, REQUEST, "charge_disputed", None, Rejected, "disputed"),
    (400, REQUEST, "refund_disputed_payment", None, Rejected, "disputed"),
    (400, REQUEST, "charge_not_refundable", None, Rejected, "not_refundable"),
    (400, REQUEST, "balance_insufficient", None, Rejected, "insufficient_balance"),
    (400, REQUEST, "insufficient_funds", None, Rejected, "insufficient_balance"),
    (400, REQUEST, "resource_missing", "line_items[0][price]", Rejected, "invalid_request"),
    (400, REQUEST, "parameter_unknown", "x", Rejected, "invalid_request"),
    (400, REQUEST, "url_invalid", "success_url", Rejected, "invalid_request"),
    (400, REQUEST, "email_invalid", "customer_email", Rejected, "invalid_request"),
    (400, REQUEST, "a_code_to_come", None, Rejected, "invalid_request"),
    (400, KEY, None, None, Rejected, "invalid_request"),
    (404, REQUEST, "resource_missing", "id", Rejected, "not_found"),
    (401, REQUEST, None, None, Misconfigured, None),
    (401, REQUEST, "api_key_expired", None, Misconfigured, None),
    (403, REQUEST, None, None, Misconfigured, None),
    *((400, REQUEST, code, None, Misconfigured, None) for code in sorted(errors.OURS)),
    (429, REQUEST, "rate_limit", None, RateLimited, None),
    (429, REQUEST, "lock_timeout", None, RateLimited, None),
    (400, REQUEST, "lock_timeout", None, RateLimited, None),
    (409, KEY, "idempotency_key_in_use", None, OutcomeUnknown, None),
    (424, API, None, None, Unavailable, None),
    (408, API, None, None, Unavailable, None),
    *((status, API, None, None, OutcomeUnknown, None) for status in (500, 502, 503, 504)),
]


@pytest.mark.parametrize(("status", "kind", "code", "param", "expected", "reason"), ERRORS)
def test_each_of_stripes_errors_is_one_of_ours(
    status: int, kind: str, code: str | None, param: str | None, expected: type, reason: str | None
) -> None:
    told = {"error": {"type": kind, "code": code, "param": param, "message": "No such customer: buyer@example.com"}}
    headers = {"request-id": "req_1", "retry-after": "7"}
    error = errors.error_of("refund", status, headers, told, effect=True)
    assert type(error) is expected
    assert getattr(error, "reason", None) == reason
    assert (error.code, error.request_id) == (code or kind, "req_1")
    assert "buyer" not in str(error)
    if isinstance(error, RateLimited):
        assert error.retry_after == 7.0


def test_a_question_that_failed_may_be_asked_again() -> None:
    for status in (409, 500, 503):
        assert type(errors.error_of("fetch", status, {}, {}, effect=False)) is Unavailable


def test_the_bank_s_own_word_goes_along() -> None:
    told = {"error": {"type": CARD, "code": "card_declined", "decline_code": "insufficient_funds"}}
    assert errors.error_of("change_subscription", 402, {}, told, effect=True).code == "card_declined:insufficient_funds"


def test_an_amount_is_exceeded_only_by_a_refund() -> None:
    told = {"error": {"type": REQUEST, "code": "amount_too_large", "param": "amount"}}
    error = errors.error_of("open_checkout", 400, {}, told, effect=True)
    assert (type(error), getattr(error, "reason", "")) == (Rejected, "invalid_request")


@pytest.mark.parametrize(
    ("money", "number"),
    [
        (Money(9900, "KRW"), 9900),
        (Money(990, "JPY"), 990),
        (Money(990, "USD"), 990),
        (Money(5120, "KWD"), 5120),
        (Money(5, "ISK"), 500),
        (Money(5, "UGX"), 500),
        (Money(500, "MGA"), 5),
        (Money(1099, "HUF"), 1099),
        (Money(1099, "TWD"), 1099),
    ],
)
def test_amounts_are_counted_by_stripes_own_rule(money: Money, number: int) -> None:
    assert stripe_amount(money) == (number, money.currency.lower())
    assert money_of(number, money.currency.lower()) == money


@pytest.mark.parametrize(
    "money",
    [Money(5124, "KWD"), Money(150, "MGA"), Money(0, "KRW"), Money(-1, "USD"), Money(100, "IRR"), Money(LARGEST + 1, "USD")],
)
def test_what_stripe_cannot_charge_is_refused(money: Money) -> None:
    with pytest.raises(ValueError, match=r"Stripe|amount"):
        stripe_amount(money)


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(1, LARGEST // 1000))
def test_what_is_asked_is_what_is_read_back_in_every_currency(currency: str, units: int) -> None:
    money = Money(units * 10 ** EXPONENTS[currency], currency)
    number, name = stripe_amount(money)
    assert money_of(number, name) == money


@pytest.mark.parametrize(
    ("number", "currency"), [(1.5, "usd"), (True, "usd"), ("5", "usd"), (5, "zzz"), (5, None), (550, "isk")]
)
def test_what_is_no_amount_is_not_read_as_one(number: Any, currency: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        money_of(number, currency)


def invoice(**changes: Any) -> Mapping[str, Any]:
    parent = {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}}
    made = {"id": "in_1", "status": "open", "amount_due": 9900, "currency": "krw", "attempted": True, "parent": parent}
    return {**made, "status_transitions": {"paid_at": None}, **changes}


DECLINED = {"id": "pi_1", "status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}


@pytest.mark.parametrize(
    ("told", "intent", "status", "failure"),
    [
        (invoice(status="draft"), {}, RemotePaymentStatus.PENDING, None),
        (invoice(), {"status": "processing"}, RemotePaymentStatus.PENDING, None),
        (invoice(attempted=False), DECLINED, RemotePaymentStatus.PENDING, "card_declined"),
        (invoice(), DECLINED, RemotePaymentStatus.FAILED, "card_declined"),
        (invoice(), {"status": "requires_action"}, RemotePaymentStatus.PENDING, None),
        (invoice(status="uncollectible"), DECLINED, RemotePaymentStatus.FAILED, "card_declined"),
        (invoice(status="void"), {}, RemotePaymentStatus.CANCELLED, None),
        (invoice(status="paid"), {}, RemotePaymentStatus.PAID, None),
        (invoice(status="a-state-to-come"), {}, RemotePaymentStatus.PENDING, None),
    ],
)
def test_each_state_of_an_invoice_has_its_status(
    told: Mapping[str, Any], intent: Mapping[str, Any], status: RemotePaymentStatus, failure: str | None
) -> None:
    snapshot = mapping.invoice_snapshot(told, intent)
    assert (snapshot.status, snapshot.failure, snapshot.subscription) == (status, failure, "sub_1")


def test_an_invoice_was_paid_when_it_says_and_how_its_charge_says() -> None:
    charge = {"id": "ch_1", "created": 1_800_000_000, "currency": "krw", "amount_refunded": 0, "disputed": False}
    intent = {"status": "succeeded", "latest_charge": {**charge, "payment_method_details": {"type": "kakao_pay"}}}
    snapshot = mapping.invoice_snapshot(invoice(status="paid", status_transitions={"paid_at": 1_800_000_060}), intent)
    assert (snapshot.paid_at, snapshot.method) == (datetime.fromtimestamp(1_800_000_060, UTC), "kakao_pay")
    told_less = mapping.invoice_snapshot(invoice(status="paid"), intent)
    assert told_less.paid_at == datetime.fromtimestamp(1_800_000_000, UTC)


def test_a_subscriptions_times_are_its_items_or_its_own() -> None:
    times = {"current_period_start": 1_800_000_000, "current_period_end": 1_802_592_000}
    price = {"id": "price_1", "unit_amount": 9900, "currency": "krw"}
    whole = {"id": "sub_1", "status": "canceled", "trial_end": 1_799_000_000, "ended_at": 1_801_000_000}
    newer = subscription_snapshot({**whole, "items": {"data": [{"price": price, "quantity": 2, **times}]}})
    older = subscription_snapshot({**whole, **times, "items": {"data": [{"price": price, "quantity": 2}]}})
    assert newer == older
    moments = (newer.current_period_start, newer.current_period_end, newer.trial_ends_at, newer.ended_at)
    seconds = (1_800_000_000, 1_802_592_000, 1_799_000_000, 1_801_000_000)
    assert moments == tuple(datetime.fromtimestamp(each, UTC) for each in seconds)
    assert newer.amount == Money(19_800, "KRW")


def test_an_invoice_of_an_older_version_names_its_subscription_and_payment_itself() -> None:
    older = {**invoice(), "parent": None, "subscription": "sub_2", "payment_intent": "pi_2"}
    assert (mapping.subscription_of(older), mapping.intent_of_invoice(older)) == ("sub_2", "pi_2")


@pytest.mark.parametrize(
    ("told", "named"), [("in_1", "in_1"), ({"id": "in_1"}, "in_1"), ("", None), (7, None), ({}, None), (None, None)]
)
def test_what_is_named_is_named_by_its_id_or_there_as_a_whole(told: Any, named: str | None) -> None:
    assert mapping.id_of(told) == named


def test_of_several_payments_of_an_invoice_the_paid_one_counts() -> None:
    payments = [
        {"status": status, "is_default": default, "payment": {"type": "payment_intent", "payment_intent": intent}}
        for status, default, intent in (("canceled", True, "pi_1"), ("open", True, "pi_2"), ("paid", False, "pi_3"))
    ]
    assert mapping.intent_of_invoice({"payments": {"data": payments}}) == "pi_3"
    assert mapping.intent_of_invoice({"payments": {"data": payments[:2]}}) == "pi_2"
    assert mapping.intent_of_invoice({"payments": {"data": []}}) is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", RemoteRefundStatus.PENDING),
        ("requires_action", RemoteRefundStatus.PENDING),
        ("succeeded", RemoteRefundStatus.SUCCEEDED),
        ("failed", RemoteRefundStatus.FAILED),
        ("canceled", RemoteRefundStatus.FAILED),
        ("a-state-to-come", RemoteRefundStatus.PENDING),
    ],
)
def test_each_state_of_a_refund_has_its_status(word: str, status: RemoteRefundStatus) -> None:
    told = {"id": "re_1", "amount": 100, "currency": "krw", "status": word, "failure_reason": "lost_or_stolen_card"}
    snapshot = mapping.refund_snapshot(told)
    assert snapshot.status is status
    assert (snapshot.failure == "lost_or_stolen_card") == (status is RemoteRefundStatus.FAILED)


def test_a_cancellation_may_be_told_as_the_time_when_the_period_ends() -> None:
    item = {"price": {"id": "price_1", "unit_amount": None, "currency": "krw"}, "current_period_end": 1_800_000_000}
    told = {"id": "sub_1", "status": "active", "cancel_at": 1_800_000_000, "items": {"data": [item]}}
    snapshot = subscription_snapshot(told)
    assert (snapshot.cancel_at_period_end, snapshot.amount) == (True, None)
    assert snapshot.status is RemoteSubscriptionStatus.ACTIVE
    assert not subscription_snapshot({**told, "cancel_at": 1_700_000_000}).cancel_at_period_end


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (None, False),
        (timedelta(minutes=10), False),
        (timedelta(minutes=30), False),
        (timedelta(hours=1), True),
        (timedelta(minutes=31), True),
        (timedelta(hours=23, minutes=59), True),
        (timedelta(hours=24), False),
        (timedelta(days=3), False),
    ],
)
def test_a_checkout_ends_when_it_is_asked_to_where_stripe_lets_it(wanted: timedelta | None, sent: bool) -> None:
    end = session_end(NOW + wanted if wanted else None, NOW)
    assert (end is not None) == sent
    assert end in (None, int((NOW + (wanted or timedelta())).timestamp()))


@pytest.mark.parametrize(
    ("ours", "theirs"), [("ko", "ko"), ("ko-KR", "ko"), ("en-GB", "en-GB"), ("pt-BR", "pt-BR"), ("xx", "auto")]
)
def test_a_language_is_one_that_stripe_speaks(ours: str, theirs: str) -> None:
    assert locale_of(ours) == theirs


@given(st.text(min_size=1, max_size=300))
def test_every_key_becomes_one_that_a_header_can_carry(key: str) -> None:
    assert key_of(key).isascii()
    assert 0 < len(key_of(key)) <= 255


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.stripe.com"},
        {"base_url": "api.stripe.com"},
        {"api_key": Secret("test key\nnot secret")},
        {"api_key": Secret("pk_test_of-the-browser")},
        {"webhook_secret": Secret("short")},
    ],
)
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"base_url|api_key|webhook_secret"):
        StripeSettings(**{"api_key": Secret("test-key-not-secret"), **wrong})
