"""Amounts as Stripe counts them, exactly: its minor unit is not always that of ISO 4217.

Source: Stripe's page "Supported currencies". Currencies without decimals are counted as they are, but the krona of Iceland and
the shilling of Uganda, which are written with two zeros; the ariary of Madagascar has two decimals at ISO and none at Stripe.
Of three decimals the last is always 0.
"""

from collections.abc import Mapping
from typing import Final

from madang.adapters.stripe.capabilities import CURRENCIES
from madang.ports.money import Money

_FACTORS: Final[Mapping[str, tuple[int, int]]] = {"ISK": (100, 1), "UGX": (100, 1), "MGA": (1, 100)}
"""Stripe's number is ours times the first by the second."""
_LAST_DIGIT_IS_ZERO: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
LARGEST: Final = 999_999_999_999


def stripe_amount(money: Money) -> tuple[int, str]:
    """Stripe's number and its name of the currency. Raises `ValueError` for what Stripe cannot charge."""
    if money.currency not in CURRENCIES:
        raise ValueError(f"Stripe takes no {money.currency}")
    times, by = _FACTORS.get(money.currency, (1, 1))
    if money.amount % by or (money.currency in _LAST_DIGIT_IS_ZERO and money.amount % 10):
        raise ValueError(f"Stripe takes {money.currency} only in larger steps")
    number = money.amount * times // by
    if not 0 < number <= LARGEST:
        raise ValueError("an amount is more than nothing, and has at most 12 digits")
    return number, money.currency.lower()


def money_of(number: object, currency: object) -> Money:
    """Raises `ValueError` for what is no amount."""
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(currency, str):
        raise ValueError("that is no amount")
    code = currency.upper()
    times, by = _FACTORS.get(code, (1, 1))
    if number * by % times:
        raise ValueError(f"{code} has no such part")
    return Money(number * by // times, code)
