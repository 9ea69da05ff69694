"""Who may take a sale: the first rule that fits, else the route's order, and only who can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.billing.routing import Offer, RoutingRule, Sale, allowed
from madang.ports.payment import PaymentCapabilities

KOREAN = Offer("korean", PaymentCapabilities(currencies=frozenset({"KRW"}), stored_methods=True))
WORLD = Offer("world", PaymentCapabilities(subscriptions=True))
SIMPLE = Offer("simple", PaymentCapabilities())
OFFERS = [KOREAN, WORLD, SIMPLE]
RULES = [
    RoutingRule(("simple",), currency="KRW", product="credits"),
    RoutingRule(("world", "korean"), country="US"),
    RoutingRule(("korean", "simple"), currency="KRW"),
]


@pytest.mark.parametrize(
    ("sale", "names"),
    [
        (Sale("KRW"), ["korean", "simple"]),
        (Sale("KRW", products=frozenset({"credits"})), ["simple"]),
        (Sale("KRW", products=frozenset({"credits", "hosting"})), ["korean", "simple"]),
        (Sale("KRW", "US"), ["world", "korean"]),
        (Sale("USD", "US"), ["world"]),
        (Sale("USD"), ["world", "simple"]),
        (Sale("USD", subscribing=True), ["world"]),
        (Sale("KRW", subscribing=True), ["korean"]),
        (Sale("KRW", products=frozenset({"credits"}), subscribing=True), []),
    ],
)
def test_the_first_rule_that_fits_decides(sale: Sale, names: list[str]) -> None:
    assert list(allowed(RULES, OFFERS, sale)) == names


words = st.sampled_from([None, "KRW", "USD", "KR", "US", "credits"])
rules = st.builds(
    RoutingRule, st.lists(st.sampled_from(["korean", "world", "simple", "gone"]), min_size=1, unique=True), words, words, words
)


@given(st.lists(rules, max_size=5), st.sampled_from(["KRW", "USD", "JPY"]), words, st.booleans())
def test_nobody_is_asked_who_cannot_take_the_sale_and_nobody_twice(
    rules: list[RoutingRule], currency: str, country: str | None, subscribing: bool
) -> None:
    sale = Sale(currency, country, frozenset({"credits"}), subscribing)
    names = list(allowed(rules, OFFERS, sale))
    assert len(names) == len(set(names))
    for name in names:
        assert next(offer for offer in OFFERS if offer.name == name).takes(sale)
    assert names == list(allowed(rules, OFFERS, sale))
