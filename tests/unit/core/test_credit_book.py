"""Spending by the end of lots, against a model that counts single credits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.billing.credits.book import Book, change_of_balance, in_spending_order, spent_by
from madang.core.billing.credits.model import AccountKind, InsufficientCredits, Lot, LotSource, Move, Wallet
from madang.core.kernel.ids import new_id

NOW = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = st.none() | st.integers(-3, 3)


def a_lot(amount: int, days: int | None = None, source: LotSource = LotSource.GRANT) -> Lot:
    expires_at = None if days is None else NOW + timedelta(days=days)
    return Lot(new_id(), WALLET.id, source, "test:1", amount, NOW, expires_at, amount)


WALLET = Wallet(new_id(), new_id(), 0, 0)
LOTS = st.lists(st.builds(a_lot, st.integers(1, 5), DAYS), max_size=6)


def book_of(lots: list[Lot], *, owned: bool = True) -> Book:
    user_id = WALLET.user_id if owned else None
    return Book(Wallet(WALLET.id, user_id, sum(lot.available for lot in lots), 0), lots, NOW)


def moved(book: Book, target: AccountKind) -> list[tuple[Lot, int]]:
    moves, _ = book.drained()
    assert {(move.source, move.target) for move in moves} <= {(AccountKind.AVAILABLE, target)}
    return [(book.lot(move.lot_id), move.amount) for move in moves]


@pytest.mark.parametrize("spend", [Book.spend, Book.hold])
@given(lots=LOTS, share=st.floats(0, 1))
def test_what_ends_soonest_goes_first_what_never_ends_last_and_what_is_over_never(
    spend: Callable[[Book, int], None], lots: list[Lot], share: float
) -> None:
    book = book_of(lots)
    single = sorted(
        (lot.expires_at is None, lot.expires_at or NOW, number)
        for number, lot in enumerate(lots)
        for _ in range(lot.amount)
        if lot.expires_at is None or lot.expires_at > NOW
    )
    assert book.spendable == len(single)
    amount = int(share * len(single))
    spend(book, amount)
    expected: dict[int, int] = {}
    for *_, number in single[:amount]:
        expected[number] = expected.get(number, 0) + 1
    target = AccountKind.SPENT if spend is Book.spend else AccountKind.HELD
    used = {lots.index(next(each for each in lots if each.id == lot.id)): part for lot, part in moved(book, target)}
    assert used == expected


@given(lots=LOTS, over=st.integers(1, 3))
def test_more_than_there_is_moves_nothing(lots: list[Lot], over: int) -> None:
    book = book_of(lots)
    spendable = book.spendable
    with pytest.raises(InsufficientCredits) as refused:
        book.spend(spendable + over)
    assert refused.value.params == {"balance": spendable, "required": spendable + over}
    assert book.drained() == ([], [])


def test_of_two_that_end_together_the_older_one_goes_first() -> None:
    first, second = a_lot(1, 1), a_lot(1, 1)
    assert in_spending_order([second, first]) == [first, second]


def test_what_is_nobodys_any_more_is_over() -> None:
    book = book_of([a_lot(3), a_lot(2, 1)], owned=False)
    assert book.spendable == 0
    book.expire()
    assert sum(part for _, part in moved(book, AccountKind.EXPIRED)) == 5


def test_what_ends_this_very_moment_is_over() -> None:
    book = book_of([a_lot(3, 0)])
    assert book.spendable == 0


def test_what_is_sold_comes_from_another_account_than_what_is_given() -> None:
    book = book_of([])
    for source, account in ((LotSource.PACK, AccountKind.SOLD), (LotSource.PLAN, AccountKind.GRANTED)):
        lot = a_lot(4, source=source)
        book.add(lot)
        assert book.drained() == ([Move(lot.id, account, AccountKind.AVAILABLE, 4)], [lot])
    assert book.wallet.available == 8


def test_a_refund_takes_what_is_left_waits_for_what_is_held_and_writes_off_what_was_spent() -> None:
    lot = a_lot(10)
    book = book_of([lot])
    book.spend(3)
    book.hold(4)
    book.revoke(lot.id, 10)
    book.take_back()
    now = book.lot(lot.id)
    assert (now.available, now.held, now.taken_back, now.lost, now.spent) == (0, 4, 3, 3, 0)
    book.take([(lot.id, 4)], 1)
    book.take_back()
    now = book.lot(lot.id)
    assert (now.available, now.held, now.taken_back, now.lost, now.spent) == (0, 0, 6, 4, 0)
    assert (book.wallet.available, book.wallet.held) == (0, 0)


def test_a_part_that_is_refunded_leaves_what_was_spent_of_the_rest() -> None:
    lot = a_lot(10)
    book = book_of([lot])
    book.spend(8)
    book.revoke(lot.id, 5)
    book.take_back()
    now = book.lot(lot.id)
    assert (now.available, now.taken_back, now.lost, now.spent, now.owed) == (0, 2, 3, 5, 0)


def test_a_refund_never_asks_for_less_than_before_nor_for_more_than_there_was() -> None:
    lot = a_lot(10)
    book = book_of([lot])
    for asked, wanted in ((4, 4), (2, 4), (99, 10)):
        book.revoke(lot.id, asked)
        assert book.lot(lot.id).revoked == wanted


def test_a_part_that_is_refunded_is_first_waited_for_and_then_lost() -> None:
    lot = a_lot(10)
    book = book_of([lot])
    book.spend(5)
    book.hold(3)
    book.revoke(lot.id, 6)
    book.take_back()
    now = book.lot(lot.id)
    assert (now.available, now.taken_back, now.lost, now.spent, now.owed) == (0, 2, 1, 4, 3)


def test_what_moves_do_to_the_balance_and_what_they_use_up() -> None:
    lot = a_lot(10)
    book = book_of([lot])
    told = []
    for act in (
        lambda: book.spend(2),
        lambda: book.hold(5),
        lambda: book.take([(lot.id, 5)], 4),
        lambda: book.revoke(lot.id, 10),
        book.take_back,
    ):
        act()
        moves, _ = book.drained()
        told.append((change_of_balance(moves), spent_by(moves)))
    assert told == [(-2, 2), (-5, 0), (1, 4), (0, 0), (-4, 0)]
