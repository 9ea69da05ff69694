"""What PortOne says of payments and billing keys, word by word, and which settings are refused; over no network."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.test_contract_portone_payment import settings_for
from madang.adapters.portone import payload, reading
from madang.ports.money import Money
from madang.ports.payment import RemotePaymentStatus, StoredMethod
from madang.ports.secret import Secret

ORIGIN: dict[str, Any] = {
    "id": "payment-1",
    "currency": "KRW",
    "amount": {"total": 9900, "paid": 9900, "cancelled": 0, "discount": 0},
}


@pytest.mark.parametrize("status", [*reading.STATUSES, "LATER", None])
def test_a_payment_that_nobody_paid_has_given_nothing_back(status: str | None) -> None:
    snapshot = reading.payment_of({**ORIGIN, "status": status})
    expected = reading.STATUSES.get(str(status), RemotePaymentStatus.PENDING)
    assert snapshot.status is (RemotePaymentStatus.CANCELLED if status == "CANCELLED" else expected)
    assert (snapshot.refunded, snapshot.paid_at) == (Money(0, "KRW"), None)


@pytest.mark.parametrize(
    ("disputes", "status"),
    [
        ([{"status": "UNRESOLVED"}], RemotePaymentStatus.DISPUTED),
        ([{"status": "RESOLVED"}], RemotePaymentStatus.PAID),
        ([], RemotePaymentStatus.PAID),
        (None, RemotePaymentStatus.PAID),
    ],
)
def test_a_payment_is_disputed_while_a_dispute_is_not_resolved(disputes: Any, status: RemotePaymentStatus) -> None:
    assert reading.payment_of({**ORIGIN, "status": "PAID", "disputes": disputes}).status is status


def test_a_disputed_payment_keeps_what_was_given_back_of_it_before() -> None:
    amount = {"total": 5000, "cancelled": 2000, "paid": 5000, "discount": 0}
    document = {**ORIGIN, "amount": amount, "status": "PARTIAL_CANCELLED", "disputes": [{"status": "UNRESOLVED"}]}
    snapshot = reading.payment_of(document)
    assert (snapshot.status, snapshot.refunded.amount) == (RemotePaymentStatus.DISPUTED, 2000)


@pytest.mark.parametrize("word", [*reading.METHODS, "PaymentMethodNew", None])
def test_every_way_of_paying_has_a_word_of_ours(word: str | None) -> None:
    assert reading.payment_of({**ORIGIN, "status": "PAID", "method": {"type": word}}).method == reading.METHODS.get(str(word))


@given(st.integers(0, 10**14), st.integers(0, 10**14), st.sampled_from(["KRW", "JPY", "USD", "KWD"]))
def test_amounts_are_in_the_minor_unit_of_any_currency(total: int, cancelled: int, currency: str) -> None:
    amount = {"total": total, "cancelled": cancelled, "paid": total, "discount": 0}
    document = {**ORIGIN, "currency": currency, "amount": amount, "status": "PARTIAL_CANCELLED"}
    snapshot = reading.payment_of(document)
    assert (snapshot.amount, snapshot.refunded) == (Money(total, currency), Money(cancelled, currency))
    assert reading.left_of(document) == total - cancelled


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""}, {"currency": "QQQ"}, {"currency": None}, {"amount": None}, {"amount": {"total": True}},
        {"amount": {"total": 0.5}}, {"amount": {"total": -1}}, {"amount": {"total": 10**20}},
        {"paidAt": "soon"}, {"paidAt": "2026-11-21T09:00:00"},
    ],
)  # fmt: skip
def test_a_payment_that_cannot_be_read_is_not_believed(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        reading.payment_of({**ORIGIN, "status": "PAID", **change})


KEY = {"status": "ISSUED", "billingKey": "key-1", "customer": {"id": "customer-1"}}


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"methods": [{"type": "BillingKeyPaymentMethodCard", "card": {"number": "433012******1234"}}]}, "card **** 1234"),
        ({"methods": [{"type": "BillingKeyPaymentMethodCard", "card": {"number": "433012******123*"}}]}, "card"),
        ({"methods": [{"type": "BillingKeyPaymentMethodEasyPay"}]}, "easy_pay"),
        ({"methods": [{"type": "BillingKeyPaymentMethodNew"}]}, "card"),
        ({"methods": []}, "card"),
        ({}, "card"),
    ],
)
def test_a_means_of_payment_is_labelled_by_what_is_not_masked(change: dict[str, Any], label: str) -> None:
    assert reading.method_of({**KEY, **change}) == StoredMethod(Secret("key-1"), "customer-1", label)


@pytest.mark.parametrize("change", [{"status": "DELETED"}, {"status": "LATER"}, {"customer": {}}, {"customer": None}])
def test_a_billing_key_that_is_nobodys_is_none(change: dict[str, Any]) -> None:
    assert reading.method_of({**KEY, **change}) is None


def test_the_mark_of_a_refund_never_changes() -> None:
    """It is written in PortOne's books, and found again by exactly these letters."""
    assert reading.mark_of("refund-1") == " (m:04f3320a08d7710b)"


@given(st.text(), st.text())
def test_a_key_is_what_portone_takes_whatever_ours_is(operation: str, key: str) -> None:
    made = payload.key_of(operation, key.encode(errors="replace").decode())
    assert 16 <= len(made) <= 256
    assert made.replace("-", "").isalnum()
    assert made.isascii()


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.portone.example"},
        {"base_url": "api.portone.io"},
        {"api_secret": Secret("")},
        {"api_secret": Secret("key\r\nX-Evil: 1")},
        {"store_id": "a b"},
        {"channel_key": ""},
        {"billing_channel_key": "?"},
        {"webhook_secret": Secret("whsec_???")},
        {"webhook_secret": Secret("")},
        {"pay_method": "BITCOIN"},
        {"billing_method": "VIRTUAL_ACCOUNT"},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"base_url|api_secret|store_id|channel_key|webhook_secret|pay_method") as refused:
        settings_for(**wrong)
    assert "Evil" not in str(refused.value)
