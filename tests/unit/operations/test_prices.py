"""What calls cost: exactly by the price of their day, and nobody knows what where there is none."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.operations.prices import Price, PriceTable, Usage, cost_of, price_from, released_prices
from madang.entrypoints.settings import Settings
from madang.entrypoints.wiring.parts import price_table
from madang.ports.money import EXPONENTS, Cost

DAY = date(2026, 11, 1)
TEXT = Price("acme", "writer-2", date(2026, 1, 1), "USD", Decimal("2.5"), Decimal("0.25"), Decimal(10))
TABLE = PriceTable([TEXT])
COUNTS = st.integers(0, 10_000_000)


def told(usage: Usage, *prices: Price, on: date = DAY) -> Cost | None:
    return cost_of(usage, PriceTable(prices), "acme", on)


def texts(input_tokens: int = 0, output_tokens: int = 0, cached: int = 0, model: str = "writer-2") -> Usage:
    return Usage(model, input_tokens, output_tokens, cached, size=input_tokens)


@pytest.mark.parametrize(
    ("usage", "micros"),
    [
        (texts(1_000_000), 2_500_000),
        (texts(0, 1_000_000), 10_000_000),
        (texts(1000, 200), 2500 + 2000),
        (texts(1000, 0, cached=400), 1500 + 100),
        (texts(1, 0), 2),
        (texts(3, 0), 8),
    ],
)
def test_tokens_cost_what_the_list_says_per_million_rounded_to_a_millionth(usage: Usage, micros: int) -> None:
    assert told(usage, TEXT) == Cost(micros, "USD")


def test_pictures_and_messages_cost_by_the_piece() -> None:
    assert told(Usage("m", pictures=3), replace(TEXT, model="m", picture=Decimal("0.04"))) == Cost(120_000)
    assert told(Usage(messages=1), replace(TEXT, model="*", currency="KRW", message=Decimal(20))) == Cost(20_000_000, "KRW")


@pytest.mark.parametrize(
    "usage",
    [
        texts(10, 10, model="writer-3"),
        texts(10, 10, model="writer-2-mini"),
        texts(10, 10, model="writer"),
        texts(10, 10, model=""),
        Usage("writer-2", pictures=1),
        Usage("writer-2", messages=1),
        texts(),
    ],
)
def test_what_nobody_priced_costs_nobody_knows_what_and_never_nothing(usage: Usage) -> None:
    assert told(usage, TEXT) is None


def test_another_providers_price_is_no_price() -> None:
    assert cost_of(texts(10), TABLE, "other", DAY) is None


def test_a_call_of_which_a_part_has_no_price_has_none() -> None:
    assert told(texts(10, 10), replace(TEXT, output=None)) is None
    assert told(texts(10, 0), replace(TEXT, output=None)) == Cost(25)


@pytest.mark.parametrize("model", ["writer-2-2026-09-08", "writer-2-001", f"writer-2:{'3f' * 32}"])
def test_a_day_or_version_behind_the_name_is_the_same_model(model: str) -> None:
    assert told(texts(1_000_000, model=model), TEXT) == Cost(2_500_000)
    exact = replace(TEXT, model=model, input=Decimal(1))
    assert told(texts(1_000_000, model=model), TEXT, exact) == Cost(1_000_000), "named exactly it has a price of its own"


def test_a_price_holds_from_its_day_until_the_next_one() -> None:
    older, newer = TEXT, replace(TEXT, valid_from=date(2026, 6, 1), input=Decimal(5))
    for table in ([older, newer], [newer, older]):
        assert told(texts(1_000_000), *table, on=date(2025, 12, 31)) is None
        assert told(texts(1_000_000), *table, on=date(2026, 5, 31)) == Cost(2_500_000)
        assert told(texts(1_000_000), *table, on=date(2026, 6, 1)) == Cost(5_000_000)


def test_beyond_a_size_another_price_holds_for_the_whole_call() -> None:
    long = replace(TEXT, over=200_000, input=Decimal(5))
    assert told(texts(200_000), TEXT, long) == Cost(500_000)
    assert told(texts(200_001), TEXT, long) == Cost(1_000_005)
    short_text, long_text = (replace(TEXT, model="*", over=over, message=Decimal(cost)) for over, cost in ((0, 20), (90, 50)))
    assert told(Usage(messages=1, size=90), short_text, long_text) == Cost(20_000_000)
    assert told(Usage(messages=1, size=91), short_text, long_text) == Cost(50_000_000)


def test_an_operators_own_price_is_believed_before_a_newer_and_more_exact_one_of_the_release() -> None:
    settings = Settings(prices=[{"provider": "openai", "input": "0.5", "output": 1}])  # type: ignore[arg-type]
    usage = texts(1_000_000, model="gpt-5.6-luna")
    assert cost_of(usage, price_table(settings), "openai", DAY) == Cost(500_000)
    assert cost_of(usage, price_table(Settings()), "openai", DAY) == Cost(1_000_000)


@given(COUNTS, COUNTS, COUNTS)
def test_a_cost_is_exact_to_half_a_millionth_and_never_below_nothing(asked: int, written: int, cached: int) -> None:
    cost = told(texts(asked + 1, written, cached), TEXT)
    read = min(cached, asked + 1)
    exact = (asked + 1 - read) * Decimal("2.5") + read * Decimal("0.25") + written * 10
    assert cost is not None
    assert abs(cost.micros - exact) <= Decimal("0.5")
    assert cost.micros >= 0


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=20))
def test_the_cost_of_many_calls_is_that_of_one_call_of_all_but_for_the_rounding_of_each(calls: list[tuple[int, int]]) -> None:
    costs = [told(texts(asked + 1, written), TEXT) for asked, written in calls]
    whole = told(texts(sum(asked + 1 for asked, _ in calls), sum(written for _, written in calls)), TEXT)
    assert whole is not None
    assert abs(sum(cost.micros for cost in costs if cost) - whole.micros) <= len(calls)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_more_never_costs_less(asked: int, written: int, more: int, further: int) -> None:
    small, large = told(texts(asked + 1, written), TEXT), told(texts(asked + 1 + more, written + further), TEXT)
    assert small is not None
    assert large is not None
    assert small.micros <= large.micros


def test_every_price_of_the_release_says_where_it_is_from_and_holds_already() -> None:
    prices = released_prices()
    assert len(prices) > 5
    for price in prices:
        assert price.source, price
        assert price.currency in EXPONENTS
        assert date(2024, 1, 1) <= price.valid_from <= date(2026, 11, 21) + timedelta(days=366)
        amounts = [price.input, price.cached_input, price.output, price.picture, price.message]
        assert any(amount is not None for amount in amounts)
        assert all(amount is None or (isinstance(amount, Decimal) and amount >= 0) for amount in amounts)
    assert len({(price.provider, price.model, price.valid_from, price.over) for price in prices}) == len(prices)


def test_a_price_with_a_key_that_means_nothing_is_refused() -> None:
    with pytest.raises(TypeError):
        price_from({"provider": "acme", "model": "m", "valid_from": DAY, "currency": "USD", "inptu": 1})
