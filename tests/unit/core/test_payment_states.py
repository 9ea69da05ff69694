"""A payment follows the provider's word forward only, and money is never lost from sight."""

import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from madang.core.billing.model import (
    OPEN,
    PAYMENT_TRANSITIONS,
    SETTLED,
    UNDER_WAY,
    AmountMismatch,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
    left_to_refund,
)
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus
from unit.core.core_in_memory import NOON

PRICE = Money(9900, "KRW")
BACK = {
    RemotePaymentStatus.REFUNDED: st.just(PRICE.amount),
    RemotePaymentStatus.PARTLY_REFUNDED: st.integers(1, PRICE.amount - 1),
    RemotePaymentStatus.DISPUTED: st.integers(0, PRICE.amount),
}


@st.composite
def snapshots(draw: st.DrawFn, *among: RemotePaymentStatus) -> PaymentSnapshot:
    status = draw(st.sampled_from(among or tuple(RemotePaymentStatus)))
    refunded = draw(BACK.get(status, st.just(0)))
    return PaymentSnapshot("ref-1", status, PRICE, Money(refunded, "KRW"))


def a_payment(status: PaymentStatus = PaymentStatus.PENDING, **values: object) -> Payment:
    fixed = (new_id(), "portraits", "portrait:1", PRICE, "bank", status, NOON, NOON, NOON + timedelta(hours=24))
    return Payment(*fixed, **values)  # type: ignore[arg-type]


def follow(payment: Payment, told: Sequence[PaymentSnapshot]) -> list[Payment]:
    """The payment after each word, the first as it was."""
    history = [payment]
    for minute, snapshot in enumerate(told, 1):
        history.append(history[-1].settle(snapshot, NOON + timedelta(minutes=minute)))
    return history


start = st.builds(a_payment, st.sampled_from(PaymentStatus))


@given(payment=start, told=st.lists(snapshots(), max_size=12))
def test_a_payment_leaves_a_state_only_as_the_table_says(payment: Payment, told: list[PaymentSnapshot]) -> None:
    history = follow(payment, told)
    for before, after in itertools.pairwise(history):
        assert after.status is before.status or after.status in PAYMENT_TRANSITIONS[before.status]


@given(payment=start, told=st.lists(snapshots(), max_size=12))
def test_what_was_refunded_never_falls_and_settled_money_stays_settled(payment: Payment, told: list[PaymentSnapshot]) -> None:
    history = follow(payment, told)
    for before, after in itertools.pairwise(history):
        assert after.refunded >= before.refunded
        assert after.status in SETTLED or before.status not in SETTLED
        assert before.paid_at is None or after.paid_at == before.paid_at
        assert after.amount == PRICE


@given(payment=start, told=st.lists(snapshots(), max_size=6), last=snapshots())
def test_the_same_word_twice_changes_nothing_the_second_time(
    payment: Payment, told: list[PaymentSnapshot], last: PaymentSnapshot
) -> None:
    once = follow(payment, [*told, last])[-1]
    assert once.settle(last, NOON + timedelta(days=1)) is once


@given(payment=start, snapshot=snapshots(), amount=st.builds(Money, st.integers(0, 20_000), st.sampled_from(["KRW", "USD"])))
def test_another_amount_or_currency_is_not_believed(payment: Payment, snapshot: PaymentSnapshot, amount: Money) -> None:
    assume(amount != PRICE)
    wrong = PaymentSnapshot("ref-1", snapshot.status, amount, Money(0, amount.currency))
    with pytest.raises(AmountMismatch):
        payment.settle(wrong, NOON)


@pytest.mark.parametrize("refunded", [Money(-1, "KRW"), Money(9901, "KRW"), Money(100, "USD")])
def test_an_impossible_refund_is_not_believed(refunded: Money) -> None:
    with pytest.raises(AmountMismatch):
        a_payment().settle(PaymentSnapshot("ref-1", RemotePaymentStatus.REFUNDED, PRICE, refunded), NOON)


RANK = [PaymentStatus.PAID, PaymentStatus.PARTLY_REFUNDED, PaymentStatus.REFUNDED]


@given(
    told=st.lists(snapshots(*[status for status in RemotePaymentStatus if status != "disputed"]), max_size=8), data=st.data()
)
def test_once_money_has_arrived_the_order_of_the_words_does_not_matter(
    told: list[PaymentSnapshot], data: st.DataObject
) -> None:
    arrived = [PaymentStatus(snapshot.status.value) for snapshot in told if snapshot.status.value in SETTLED]
    assume(arrived)
    shuffled = data.draw(st.permutations(told))
    first, second = follow(a_payment(), told)[-1], follow(a_payment(), shuffled)[-1]
    assert first.status is second.status is max(arrived, key=RANK.index)
    assert first.refunded == second.refunded == max(snapshot.refunded.amount for snapshot in told)


@given(told=st.lists(snapshots(), max_size=8), place=st.integers(0, 8))
def test_a_payment_that_was_once_refunded_stays_refunded(told: list[PaymentSnapshot], place: int) -> None:
    refunded = PaymentSnapshot("ref-1", RemotePaymentStatus.REFUNDED, PRICE, PRICE)
    assert follow(a_payment(), [*told[:place], refunded, *told[place:]])[-1].status is PaymentStatus.REFUNDED


@given(payment=st.builds(a_payment, st.sampled_from(sorted(set(PaymentStatus) - SETTLED))), snapshot=snapshots(
    RemotePaymentStatus.PAID, RemotePaymentStatus.PARTLY_REFUNDED, RemotePaymentStatus.REFUNDED, RemotePaymentStatus.DISPUTED
))  # fmt: skip
def test_money_that_came_counts_whatever_we_believed_before(payment: Payment, snapshot: PaymentSnapshot) -> None:
    settled = payment.settle(snapshot, NOON)
    assert settled.status.value == snapshot.status.value
    assert settled.paid_at == NOON


def test_a_declined_card_may_be_followed_by_another_and_its_reason_goes() -> None:
    declined = PaymentSnapshot("ref-1", RemotePaymentStatus.FAILED, PRICE, Money(0, "KRW"), failure="declined")
    failed = a_payment().settle(declined, NOON)
    assert (failed.failure, failed.status in OPEN) == ("declined", True)
    paid = failed.settle(PaymentSnapshot("ref-1", RemotePaymentStatus.PAID, PRICE, Money(0, "KRW")), NOON)
    assert (paid.status, paid.failure) == (PaymentStatus.PAID, None)


def test_a_reference_that_the_provider_names_late_is_kept_without_a_change_of_state() -> None:
    pending = PaymentSnapshot("ref-late", RemotePaymentStatus.PENDING, PRICE, Money(0, "KRW"))
    known = a_payment().settle(pending, NOON)
    assert (known.reference, known.status) == ("ref-late", PaymentStatus.PENDING)


def test_every_remote_status_is_one_of_ours_and_every_state_is_in_the_table() -> None:
    assert {status.value for status in RemotePaymentStatus} <= set(PaymentStatus)
    assert PAYMENT_TRANSITIONS.keys() == set(PaymentStatus)
    assert all(PAYMENT_TRANSITIONS[status] <= SETTLED for status in SETTLED)
    assert not OPEN & SETTLED


def a_refund(amount: int, status: RefundStatus) -> Refund:
    return Refund(new_id(), new_id(), str(new_id()), Money(amount, "KRW"), "test", status, NOON, NOON)


refunds = st.lists(st.builds(a_refund, st.integers(0, PRICE.amount), st.sampled_from(RefundStatus)), max_size=6)


@given(made=refunds, refunded=st.integers(0, PRICE.amount))
def test_what_is_left_never_exceeds_what_nobody_promised_or_gave(made: list[Refund], refunded: int) -> None:
    left = left_to_refund(a_payment(PaymentStatus.PAID, refunded=refunded), made)
    promised = sum(refund.amount.amount for refund in made if refund.status in UNDER_WAY)
    assert 0 <= left <= PRICE.amount - refunded
    assert left == 0 or left + promised + refunded <= PRICE.amount


def test_what_a_person_gave_back_at_the_provider_is_not_promised_again() -> None:
    payment = a_payment(PaymentStatus.PARTLY_REFUNDED, refunded=3000)
    assert left_to_refund(payment, []) == 6900
    assert left_to_refund(payment, [a_refund(6900, RefundStatus.QUEUED)]) == 0
    assert left_to_refund(payment, [a_refund(6900, RefundStatus.FAILED)]) == 6900
