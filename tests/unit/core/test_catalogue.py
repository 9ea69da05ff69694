"""What is for sale: the catalogue of the release holds the seeds' plans, and a wrong one is refused with a sentence."""

import pytest

from madang.core.billing.catalogue import catalogue_of, released_catalogue
from madang.core.kernel.errors import NotFound, ValidationFailed
from madang.ports.money import Money

GOOD = """
[[plan]]
id = "one"
product = "p"
rank = 1
name = { ko = "하나", en = "One" }
prices = [{ amount = "9.90", currency = "USD", references = { stripe = "price_1" } }]
"""


def test_the_seeds_hosting_plans_are_there() -> None:
    plans = released_catalogue().plans
    monthly = {plan.id: plan.price("KRW").amount for plan in plans if plan.product == "hosting"}
    assert monthly == {
        "hosting-basic": Money(30_000, "KRW"),
        "hosting-premium": Money(50_000, "KRW"),
        "hosting-enterprise": Money(100_000, "KRW"),
    }


def test_a_price_is_read_in_the_currencys_minor_unit() -> None:
    price = catalogue_of(GOOD).plan("one").price("USD")
    assert (price.amount, price.references) == (Money(990, "USD"), {"stripe": "price_1"})


def test_what_is_not_sold_in_a_currency_says_in_which_it_is() -> None:
    with pytest.raises(ValidationFailed, match="sold in USD"):
        catalogue_of(GOOD).plan("one").price("KRW")
    with pytest.raises(ValidationFailed, match="sold for 1 months") as refused:
        catalogue_of(GOOD).plan("one").price("USD", 12)
    assert [problem.path for problem in refused.value.problems] == ["intervalMonths"]


@pytest.mark.parametrize("look_up", ["plan", "pack", "product"])
def test_what_is_not_for_sale_is_not_found(look_up: str) -> None:
    with pytest.raises(NotFound, match="another"):
        getattr(catalogue_of(GOOD), look_up)("another")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (GOOD.replace('"9.90"', '"9.905"'), "decimal places"),
        (GOOD.replace('"9.90"', '"0"'), "more than nothing"),
        (GOOD.replace('"9.90"', '"a lot"'), "one cannot be read"),
        (GOOD.replace("USD", "BTC"), "ISO 4217"),
        (GOOD.replace("rank", "order"), "one cannot be read"),
        (GOOD.replace(', en = "One"', ""), "no name in en"),
        (GOOD + GOOD, "names one twice"),
        ("[[plan]", "Expected"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_a_sentence(wrong: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        catalogue_of(wrong)
