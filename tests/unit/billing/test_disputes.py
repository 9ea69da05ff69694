"""A dispute follows its payment: opened, won, lost, given back before it was decided, or reversed afterwards."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.billing.disputes import Dispute, DisputeStatus, confirms_reversal, dispute_after, money_back
from madang.core.billing.model import Payment, PaymentStatus
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus
from unit.core.core_in_memory import NOON

PRICE = Money(9900, "KRW")
R, D = RemotePaymentStatus, DisputeStatus


def a_payment(status: PaymentStatus = PaymentStatus.PAID, refunded: int = 0) -> Payment:
    until = NOON + timedelta(hours=1)
    return Payment(new_id(), "items", "items:1", PRICE, "bank", status, NOON, NOON, until, refunded=refunded, paid_at=NOON)


def told(status: R, refunded: int = 0, charged_back: int | None = None) -> PaymentSnapshot:
    taken = None if charged_back is None else Money(charged_back, "KRW")
    return PaymentSnapshot("ref-1", status, PRICE, Money(refunded, "KRW"), charged_back=taken)


def heard(payment: Payment, *words: PaymentSnapshot) -> tuple[Payment, Dispute | None, list[str]]:
    """The payment and its dispute after these words, and every change of the dispute."""
    dispute, changes = None, []
    for word in words:
        settled = payment.settle(word, NOON)
        changed = dispute_after(dispute, payment, settled, word, NOON)
        if changed is not None:
            dispute = changed
            changes.append(changed.status.value)
        payment = settled
    return payment, dispute, changes


OPENED, LOST, WON = told(R.DISPUTED, 0, 0), told(R.REFUNDED, 9900, 9900), told(R.PAID, 0, 0)


@pytest.mark.parametrize(
    ("words", "status", "changes"),
    [
        ([OPENED, OPENED, WON, WON], PaymentStatus.PAID, ["open", "won"]),
        ([OPENED, LOST, LOST], PaymentStatus.REFUNDED, ["open", "lost"]),
        ([LOST, OPENED, LOST], PaymentStatus.REFUNDED, ["lost"]),
        ([OPENED, LOST, WON, LOST], PaymentStatus.REFUNDED, ["open", "lost", "reversed", "lost"]),
        ([told(R.DISPUTED), told(R.PAID)], PaymentStatus.PAID, ["open", "won"]),
        ([told(R.DISPUTED), told(R.REFUNDED, 9900)], PaymentStatus.REFUNDED, ["open", "lost"]),
        ([told(R.DISPUTED, 0, 0), told(R.REFUNDED, 9900, 0)], PaymentStatus.REFUNDED, ["open", "refunded"]),
        ([OPENED, told(R.PARTLY_REFUNDED, 3000, 3000)], PaymentStatus.PARTLY_REFUNDED, ["open", "lost"]),
        ([told(R.PAID), told(R.PARTLY_REFUNDED, 100), told(R.REFUNDED, 9900)], PaymentStatus.REFUNDED, []),
    ],
)
def test_what_becomes_of_a_dispute(words: list[PaymentSnapshot], status: PaymentStatus, changes: list[str]) -> None:
    payment, _, found = heard(a_payment(), *words)
    assert (payment.status, found) == (status, changes)


def test_what_a_lost_dispute_took_is_counted_and_never_more_than_was_paid() -> None:
    for amount, taken in ((3000, 3000), (9900, 9900), (12_000, 9900)):
        word = replace(told(R.REFUNDED, 9900), charged_back=Money(amount, "KRW"))
        _, dispute, _ = heard(a_payment(), word)
        assert dispute is not None
        assert (dispute.status, dispute.taken) == (D.LOST, taken)


@given(st.permutations([OPENED, OPENED, LOST, LOST]))
def test_in_any_order_a_lost_dispute_ends_lost_and_its_money_gone(words: list[PaymentSnapshot]) -> None:
    payment, dispute, _ = heard(a_payment(), *words)
    assert dispute is not None
    assert (payment.status, payment.refunded, dispute.status) == (PaymentStatus.REFUNDED, 9900, D.LOST)


def test_a_reversed_dispute_tells_what_came_back_and_a_second_word_confirms_it() -> None:
    _, dispute, _ = heard(a_payment(), OPENED, LOST, WON)
    assert dispute is not None
    assert (dispute.status, dispute.taken, dispute.waits, money_back(dispute)) == (D.REVERSED, 9900, True, 9900)
    assert confirms_reversal(dispute, WON)
    for word in (LOST, OPENED, told(R.PAID)):
        assert not confirms_reversal(dispute, word)
    assert not confirms_reversal(replace(dispute, answered_at=NOON), WON)
    _, lost, _ = heard(a_payment(), OPENED, LOST)
    assert (money_back(lost), money_back(None), confirms_reversal(lost, WON)) == (0, 0, False)
