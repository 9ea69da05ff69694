"""Money as an integer in the currency's minor unit, and the currencies of ISO 4217 by their exponent."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

_ZERO_DECIMAL: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMAL: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMAL: Final = "CLF UYW"
_TWO_DECIMAL: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE "
    "CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR "
    "KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB "
    "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY "
    "TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG"
)

EXPONENTS: Final[dict[str, int]] = {
    **dict.fromkeys(_TWO_DECIMAL.split(), 2),
    **dict.fromkeys(_ZERO_DECIMAL.split(), 0),
    **dict.fromkeys(_THREE_DECIMAL.split(), 3),
    **dict.fromkeys(_FOUR_DECIMAL.split(), 4),
}
"""Decimal places of each circulating ISO 4217 currency: 0 for KRW and JPY, 2 for USD, 3 for KWD."""


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were added or compared."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency's minor unit: `Money(9900, "KRW")` is 9,900 won, `Money(990, "USD")` is 9.90 dollars.

    Raises `ValueError` for a currency that ISO 4217 does not list and `TypeError` for an amount that is not an integer.
    """

    amount: int
    currency: str

    def __post_init__(self) -> None:
        amount: object = self.amount
        if not isinstance(amount, int) or isinstance(amount, bool):
            raise TypeError(f"an amount is an integer in the minor unit, not {type(amount).__name__}")
        if self.currency not in EXPONENTS:
            raise ValueError(f"{self.currency!r} is not an ISO 4217 currency code")

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(0, currency)

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> Self:
        """From the major unit: `Money.of(Decimal("9.90"), "USD")` is 990 cents. Raises `ValueError` for more decimal places
        than the currency has."""
        minor = amount.scaleb(cls(0, currency).exponent)
        if minor != minor.to_integral_value():
            raise ValueError(f"{amount} has more decimal places than {currency}")
        return cls(int(minor), currency)

    @property
    def exponent(self) -> int:
        """Decimal places of the currency."""
        return EXPONENTS[self.currency]

    def to_decimal(self) -> Decimal:
        """The amount in the major unit: 990 US cents are `Decimal("9.90")`."""
        return Decimal(self.amount).scaleb(-self.exponent)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other).amount, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other).amount

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._same(other).amount

    def __gt__(self, other: "Money") -> bool:
        return self.amount > self._same(other).amount

    def __ge__(self, other: "Money") -> bool:
        return self.amount >= self._same(other).amount

    def __str__(self) -> str:
        return f"{self.to_decimal():,f} {self.currency}"

    def _same(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix")
        return other


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost us, in millionths of the currency's major unit: a model's answer may cost 0.000125 dollars."""

    micros: int
    currency: str = "USD"

    @property
    def written(self) -> str:
        """The amount in the major unit, with all its six places: `"0.000125"`."""
        return f"{Decimal(self.micros).scaleb(-6):f}"
