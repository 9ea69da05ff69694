"""What a change within a period costs: exact, never negative, never more than the difference of the prices."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.billing.subscriptions.proration import proration
from madang.ports.money import CurrencyMismatch, Money

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
MONTH = timedelta(days=30)

amounts = st.integers(1, 10**12)
parts = st.timedeltas(timedelta(0), MONTH)


def cost(old: int, new: int, after: timedelta) -> int:
    return proration(Money(old, "KRW"), Money(new, "KRW"), NOON, NOON + MONTH, NOON + after).amount


@pytest.mark.parametrize(
    ("old", "new", "days", "expected"),
    [
        (30000, 50000, 0, 20000),
        (30000, 50000, 15, 10000),
        (30000, 50000, 20, 6666),
        (30000, 50000, 30, 0),
        (50000, 30000, 15, 0),
        (50000, 50000, 0, 0),
    ],
)
def test_the_unused_part_of_the_old_price_counts_against_the_new_one(old: int, new: int, days: int, expected: int) -> None:
    assert cost(old, new, timedelta(days=days)) == expected


def test_a_change_after_the_end_costs_nothing_and_one_before_the_start_the_whole_difference() -> None:
    assert cost(30000, 50000, MONTH * 2) == 0
    assert cost(30000, 50000, -MONTH) == 20000


def test_prices_of_two_currencies_are_refused() -> None:
    with pytest.raises(CurrencyMismatch):
        proration(Money(1, "KRW"), Money(2, "USD"), NOON, NOON + MONTH, NOON)


@given(amounts, amounts, parts)
def test_a_charge_is_never_negative_and_never_more_than_the_difference(old: int, new: int, after: timedelta) -> None:
    assert 0 <= cost(old, new, after) <= max(0, new - old)


@given(amounts, amounts, parts)
def test_it_is_rounded_down_by_less_than_one_unit(old: int, new: int, after: timedelta) -> None:
    """Against integers of any size, where a float would lie."""
    exact_times_whole = max(0, new - old) * ((MONTH - after) // timedelta(microseconds=1))
    whole = MONTH // timedelta(microseconds=1)
    assert 0 <= exact_times_whole - cost(old, new, after) * whole < whole


@given(amounts, amounts, st.tuples(parts, parts))
def test_who_changes_later_pays_no_more(old: int, new: int, moments: tuple[timedelta, timedelta]) -> None:
    earlier, later = sorted(moments)
    assert cost(old, new, later) <= cost(old, new, earlier)


@given(st.lists(amounts, min_size=3, max_size=3), parts)
def test_two_steps_at_one_moment_cost_no_more_than_one(prices: list[int], after: timedelta) -> None:
    low, middle, high = sorted(prices)
    assert cost(low, middle, after) + cost(middle, high, after) <= cost(low, high, after)
