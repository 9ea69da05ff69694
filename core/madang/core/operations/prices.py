"""What calls of providers cost: prices as data with their days and sources, and the sums made of them.

What nobody has priced costs None and never nothing: an unknown model must show, and not look cheap.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Final

from madang.ports.money import Cost

ANY_MODEL: Final = "*"
_FILE: Final = "prices.v1.toml"
_MILLION: Final = 1_000_000
_AMOUNTS: Final = ("input", "cached_input", "output", "picture", "message")
_SUFFIX: Final = frozenset("0123456789-.:abcdef")
"""Of what may follow a model's name and is the same model on a day or in a version of its own: `-2026-09-08`, `:3f0c…`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call used. `input_tokens` include the cached ones, as providers count them. `size` is what a price may depend on:
    the input tokens of a prompt, the bytes of an SMS."""

    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    pictures: int = 0
    messages: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """In units of the currency: per million tokens, per picture, per message. None: this is not how it is sold.

    It holds from `valid_from` on, for `model` (also with a day or version behind it; `*`: any) and above the size `over`.
    """

    provider: str
    model: str
    valid_from: date
    currency: str
    input: Decimal | None = None
    cached_input: Decimal | None = None
    output: Decimal | None = None
    picture: Decimal | None = None
    message: Decimal | None = None
    over: int = 0
    source: str = ""
    verified: bool = False

    def amount(self, usage: Usage) -> Decimal | None:
        """None when something that was used has no price."""
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        parts = [
            _part(usage.input_tokens - cached, self.input, _MILLION),
            _part(cached, self.input if self.cached_input is None else self.cached_input, _MILLION),
            _part(usage.output_tokens, self.output, _MILLION),
            _part(usage.pictures, self.picture),
            _part(usage.messages, self.message),
        ]
        priced = [part for part in parts if part is not None]
        return sum(priced, Decimal(0)) if len(priced) == len(parts) else None


class PriceTable:
    """Prices in the order of who is believed first: an operator's own before those that come with the release."""

    def __init__(self, *tables: Iterable[Price]) -> None:
        self._prices = [(rank, price) for rank, table in enumerate(tables) for price in table]

    def price(self, provider: str, usage: Usage, on: date) -> Price | None:
        """Of those that hold on this day: whose is believed first, then what names the model most exactly, then the newest."""
        holding = [
            (-rank, likeness, price.valid_from, price.over, number)
            for number, (rank, price) in enumerate(self._prices)
            if price.provider == provider
            and price.valid_from <= on
            and (price.over == 0 or usage.size > price.over)
            and (likeness := _likeness(price.model, usage.model))
        ]
        return self._prices[max(holding)[-1]][1] if holding else None


def cost_of(usage: Usage, table: PriceTable, provider: str, on: date) -> Cost | None:
    """What this usage cost on that day; None for what is not priced, and for a call that tells nothing of what it used."""
    if not (usage.input_tokens or usage.output_tokens or usage.pictures or usage.messages):
        return None
    price = table.price(provider, usage, on)
    amount = None if price is None else price.amount(usage)
    if price is None or amount is None:
        return None
    return Cost(int((amount * _MILLION).to_integral_value(ROUND_HALF_EVEN)), price.currency)


@cache
def released_prices() -> Sequence[Price]:
    """Those of the file beside this module."""
    text = files("madang.core.operations").joinpath("price_files", _FILE).read_text(encoding="utf-8")
    return tuple(price_from(entry) for entry in tomllib.loads(text, parse_float=Decimal)["price"])


def price_from(entry: dict[str, Any]) -> Price:
    """Of a table as in the file. Raises `TypeError` for a key that prices do not have."""
    values: dict[str, Any] = {**entry, **{key: Decimal(entry[key]) for key in _AMOUNTS if entry.get(key) is not None}}
    return Price(**values)


def _part(count: int, price: Decimal | None, per: int = 1) -> Decimal | None:
    if count <= 0:
        return Decimal(0)
    return None if price is None else price * count / per


def _likeness(named: str, model: str) -> int:
    """3 for the same name, 2 for the name with a day or a version behind it, 1 for any model, 0 for another one."""
    if named == ANY_MODEL:
        return 1
    if named == model:
        return 3
    rest = model[len(named) :] if model.startswith(named) else ""
    return 2 if rest[:1] in ("-", ":") and len(rest) > 3 and set(rest) <= _SUFFIX else 0
