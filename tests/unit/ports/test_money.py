"""Money is whole minor units of a real currency, and never mixes."""

from decimal import Decimal
from operator import add, ge, gt, le, lt, sub
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.ports.money import EXPONENTS, CurrencyMismatch, Money

AMOUNTS = st.integers(-(10**15), 10**15)
CURRENCIES = st.sampled_from(sorted(EXPONENTS))


@given(AMOUNTS, AMOUNTS, AMOUNTS, CURRENCIES)
def test_money_adds_like_whole_numbers(a: int, b: int, c: int, currency: str) -> None:
    x, y, z = (Money(each, currency) for each in (a, b, c))

    assert x + y == y + x == Money(a + b, currency)
    assert (x + y) + z == x + (y + z)
    assert x - y == x + -y
    assert x + Money.zero(currency) == x


@given(AMOUNTS, AMOUNTS, CURRENCIES)
def test_money_is_ordered_by_its_amount(a: int, b: int, currency: str) -> None:
    x, y = Money(a, currency), Money(b, currency)
    assert (x < y, x <= y, x > y, x >= y, x == y) == (a < b, a <= b, a > b, a >= b, a == b)


@given(AMOUNTS, CURRENCIES)
def test_the_major_unit_loses_nothing(amount: int, currency: str) -> None:
    money = Money(amount, currency)
    decimal = money.to_decimal()

    assert decimal * 10**money.exponent == amount
    assert -int(decimal.as_tuple().exponent) == money.exponent
    assert Decimal(str(money).removesuffix(f" {currency}").replace(",", "")) == decimal


@given(AMOUNTS, AMOUNTS, st.lists(CURRENCIES, min_size=2, max_size=2, unique=True))
@pytest.mark.parametrize("operation", [add, sub, lt, le, gt, ge])
def test_two_currencies_never_mix(operation: Any, a: int, b: int, currencies: list[str]) -> None:
    with pytest.raises(CurrencyMismatch):
        operation(Money(a, currencies[0]), Money(b, currencies[1]))
    assert Money(a, currencies[0]) != Money(a, currencies[1])


@pytest.mark.parametrize("amount", [1.0, "1", Decimal(1), True, None])
def test_only_whole_numbers_are_amounts(amount: Any) -> None:
    with pytest.raises(TypeError):
        Money(amount, "KRW")


@pytest.mark.parametrize("currency", ["", "krw", "ZZZ", "KRWW", "BTC"])
def test_only_currencies_of_the_standard_are_currencies(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, currency)


def test_money_reads_as_people_write_it() -> None:
    assert [str(Money(9900, "KRW")), str(Money(990, "USD")), str(Money(1234567, "KWD"))] == [
        "9,900 KRW",
        "9.90 USD",
        "1,234.567 KWD",
    ]
