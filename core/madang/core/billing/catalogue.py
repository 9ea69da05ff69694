"""What is for sale: plans, credit packs and single products with their prices, as data.

The catalogue that comes with the release holds the plans of the seeds (`001` §"수익원 다각화" for hosting, `003` §4.1 for
portraits); a deployment may name a file of its own in the same form. Ids are forever: rows keep them.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar

from madang.core.kernel.errors import NotFound, Problem, ValidationFailed
from madang.ports.money import Money

_FILE: Final = "catalogue.v1.toml"
_LANGUAGES: Final = ("ko", "en")


@dataclass(frozen=True, slots=True)
class Price:
    """What one piece costs in one currency, tax included; a plan's for each `interval_months`. `references` are the ids that
    providers know it by."""

    amount: Money
    interval_months: int = 1
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """Something with a name in each language and a price in some currencies."""

    id: str
    name: Mapping[str, str]
    prices: Sequence[Price]

    def title(self, locale: str) -> str:
        return self.name.get(locale) or self.name["en"]

    def price(self, currency: str, interval_months: int = 1) -> Price:
        """Raises `ValidationFailed` naming the currencies that it is sold in."""
        for price in self.prices:
            if (price.amount.currency, price.interval_months) == (currency, interval_months):
                return price
        sold = ", ".join(sorted({price.amount.currency for price in self.prices}))
        months = sorted(price.interval_months for price in self.prices if price.amount.currency == currency)
        if months:
            message = f"{self.id} is sold for {', '.join(map(str, months))} months at a time"
            raise ValidationFailed(Problem("intervalMonths", message))
        raise ValidationFailed(Problem("currency", f"{self.id} is not sold in {currency}: it is sold in {sold}"))


@dataclass(frozen=True, slots=True)
class Plan(Item):
    """What is subscribed to. `rank` says which of a product's plans is the higher one; `credits` are granted each month and end
    with it; `limits` are the product's to read."""

    product: str
    rank: int
    credits: int = 0
    trial_days: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreditPack(Item):
    """Credits bought once; they end `valid_days` later."""

    credits: int
    valid_days: int


@dataclass(frozen=True, slots=True)
class Product(Item):
    """What is bought once, by the piece."""

    product: str


T = TypeVar("T", bound=Item)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything for sale, in the order of the file. The look-ups raise `NotFound`."""

    plans: Sequence[Plan]
    packs: Sequence[CreditPack]
    products: Sequence[Product]

    def plan(self, plan_id: str) -> Plan:
        return _found(self.plans, plan_id, "PLAN_NOT_FOUND")

    def pack(self, pack_id: str) -> CreditPack:
        return _found(self.packs, pack_id, "CREDIT_PACK_NOT_FOUND")

    def product(self, product_id: str) -> Product:
        return _found(self.products, product_id, "PRODUCT_NOT_FOUND")


@cache
def released_catalogue() -> Catalogue:
    """That of the file beside this module."""
    return catalogue_of(files("madang.core.billing").joinpath("catalogue_files", _FILE).read_text(encoding="utf-8"))


def catalogue_of(text: str) -> Catalogue:
    """Raises `ValueError` with a sentence that says what is wrong where."""
    told = tomllib.loads(text)
    found = Catalogue(
        tuple(_item(Plan, entry) for entry in told.get("plan", ())),
        tuple(_item(CreditPack, entry) for entry in told.get("credit_pack", ())),
        tuple(_item(Product, entry) for entry in told.get("product", ())),
    )
    ids = [item.id for item in (*found.plans, *found.packs, *found.products)]
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise ValueError(f"the catalogue names {', '.join(twice)} twice")
    return found


def _found(items: Sequence[T], wanted: str, code: str) -> T:
    for item in items:
        if item.id == wanted:
            return item
    raise NotFound(f"nothing named {wanted!r} is for sale", code=code)


def _item(kind: type[T], entry: Mapping[str, Any]) -> T:
    try:
        prices = tuple(_price(price) for price in entry["prices"])
        item = kind(**{**entry, "prices": prices})
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"the catalogue's {entry.get('id', 'nameless entry')} cannot be read: {error}") from None
    if missing := [language for language in _LANGUAGES if not item.name.get(language)]:
        raise ValueError(f"the catalogue's {item.id} has no name in {', '.join(missing)}")
    return item


def _price(entry: Mapping[str, Any]) -> Price:
    amount = Money.of(Decimal(entry["amount"]), entry["currency"])
    if amount.amount <= 0:
        raise ValueError("a price is more than nothing")
    return Price(amount, entry.get("interval_months", 1), dict(entry.get("references", {})))
