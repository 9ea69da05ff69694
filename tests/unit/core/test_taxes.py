"""The tax within an amount: exact to the last won, by line, in total and in the parts that go back."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.billing.taxes import (
    DOMESTIC,
    EXPORT,
    MERCHANT_OF_RECORD,
    Evidence,
    TaxRule,
    rule_for,
    split,
    split_of_part,
    tax_within,
)

AMOUNTS = st.integers(min_value=0, max_value=10**13)


@pytest.mark.parametrize(
    ("total", "supply", "vat"),
    [(9900, 9000, 900), (1990, 1809, 181), (11, 10, 1), (5, 5, 0), (6, 5, 1), (1, 1, 0), (0, 0, 0), (10_000, 9091, 909)],
)
def test_the_supply_is_the_nearest_won_to_the_hundred_of_hundred_and_ten(total: int, supply: int, vat: int) -> None:
    [taxed] = split([total], DOMESTIC)
    assert (taxed.supply, taxed.vat) == (supply, vat)


@given(AMOUNTS)
def test_supply_and_tax_make_the_amount_and_are_rounded_as_written_down(amount: int) -> None:
    [taxed] = split([amount], DOMESTIC)
    assert taxed.supply + taxed.vat == amount
    assert taxed.supply == (Decimal(amount) / Decimal("1.1")).quantize(Decimal(1), ROUND_HALF_UP)


@given(st.lists(st.integers(min_value=-(10**9), max_value=10**9), max_size=20))
def test_the_lines_make_the_total_and_no_line_is_off_by_a_whole_won(amounts: list[int]) -> None:
    taxed = split(amounts, DOMESTIC)
    assert [part.supply + part.vat for part in taxed] == amounts
    assert sum(part.vat for part in taxed) == tax_within(sum(amounts), DOMESTIC)
    assert all(abs(11 * part.vat - amount) < 11 for part, amount in zip(taxed, amounts, strict=True))


@given(st.lists(st.integers(min_value=1, max_value=10**7), min_size=1, max_size=12))
def test_whatever_the_parts_are_that_go_back_their_tax_is_that_of_the_whole(parts: list[int]) -> None:
    before, taxed = 0, []
    for part in parts:
        taxed.append(split_of_part(before, part, DOMESTIC))
        before += part
    assert sum(part.vat for part in taxed) == tax_within(sum(parts), DOMESTIC)
    assert sum(part.supply for part in taxed) + sum(part.vat for part in taxed) == sum(parts)
    assert all(part.vat >= 0 and part.supply >= 0 for part in taxed)


@given(AMOUNTS)
def test_what_is_sold_abroad_or_by_the_provider_holds_no_tax_of_ours(amount: int) -> None:
    for rule in (EXPORT, MERCHANT_OF_RECORD):
        [taxed] = split([amount], rule)
        assert (taxed.supply, taxed.vat) == (amount, 0)


@pytest.mark.parametrize(
    ("evidence", "by_provider", "zero_rate", "rule"),
    [
        (Evidence("USD", "US", "US"), False, True, EXPORT),
        (Evidence("USD", None, "US"), False, True, EXPORT),
        (Evidence("USD", "US", "US"), False, False, DOMESTIC),
        (Evidence("KRW", "US"), False, True, DOMESTIC),
        (Evidence("KRW", "US", "US"), False, True, DOMESTIC),
        (Evidence("USD", "US"), False, True, DOMESTIC),
        (Evidence("USD"), False, True, DOMESTIC),
        (Evidence("USD", "US", "KR"), False, True, DOMESTIC),
        (Evidence("USD", "KR", "US"), False, True, DOMESTIC),
        (Evidence("USD", "US", "US"), True, True, MERCHANT_OF_RECORD),
        (Evidence("KRW", "KR"), True, True, MERCHANT_OF_RECORD),
    ],
)
def test_a_sale_is_domestic_unless_foreign_money_came_by_a_foreign_means(
    evidence: Evidence, by_provider: bool, zero_rate: bool, rule: TaxRule
) -> None:
    assert rule_for(evidence, sold_by_provider=by_provider, zero_rate_abroad=zero_rate) is rule


@given(st.sampled_from(["KRW", "USD", "EUR"]), st.sampled_from([None, "KR", "US", "DE"]))
def test_no_word_of_the_client_alone_makes_a_zero_rate(currency: str, claimed: str | None) -> None:
    assert rule_for(Evidence(currency, claimed), sold_by_provider=False, zero_rate_abroad=True) is DOMESTIC
