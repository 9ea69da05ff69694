"""Value added tax on what is sold, as rules, and its exact division of an amount.

Korea: prices include the tax (10 %, Value-Added Tax Act, article 30), and the supply is 100/110 of what was paid (article 29,
paragraph 7). The Act does not say how to round a won: payment services cut, round or raise it. Here the supply is
`round(total / 1.1)`, which is the nearest won and never a tie, and the tax is what is left: 9,900 is 9,000 and 900.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HOME: Final = "KR"
HOME_CURRENCY: Final = "KRW"


class TaxTreatment(StrEnum):
    """`INCLUDED`: the price holds the tax. `ZERO_RATED`: a service for abroad (article 24). `BY_PROVIDER`: the payment
    provider sells in its own name (merchant of record), taxes, and issues the tax document."""

    INCLUDED = "included"
    ZERO_RATED = "zero_rated"
    BY_PROVIDER = "by_provider"


@dataclass(frozen=True, slots=True)
class TaxRule:
    """`percent` of the supply. Documents keep `id`, so a rule that changes gets a new one."""

    id: str
    treatment: TaxTreatment
    percent: int = 0


DOMESTIC: Final = TaxRule("kr-vat-10", TaxTreatment.INCLUDED, 10)
EXPORT: Final = TaxRule("kr-export-0", TaxTreatment.ZERO_RATED)
MERCHANT_OF_RECORD: Final = TaxRule("merchant-of-record", TaxTreatment.BY_PROVIDER)
RULES: Final = {rule.id: rule for rule in (DOMESTIC, EXPORT, MERCHANT_OF_RECORD)}


@dataclass(frozen=True, slots=True)
class Taxed:
    """An amount in its two parts, in the currency's minor unit."""

    supply: int
    vat: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a buyer is. `claimed` is the client's word, which anybody can give; `of_method` is the provider's word about the
    means of payment (ISO 3166-1 alpha-2), None where it says nothing."""

    currency: str
    claimed: str | None = None
    of_method: str | None = None

    @property
    def is_abroad(self) -> bool:
        """Only with proof: paid in foreign money, by a means of payment that was issued abroad. Saying to be at home is
        believed. Who zero-rates a service must be able to prove that it was one for abroad, and paid in foreign currency
        (Enforcement Decree of the Value-Added Tax Act, article 33, paragraph 2)."""
        issued_abroad = self.of_method is not None and self.of_method != HOME
        return self.currency != HOME_CURRENCY and issued_abroad and self.claimed != HOME


def rule_for(evidence: Evidence, *, sold_by_provider: bool, zero_rate_abroad: bool) -> TaxRule:
    """Domestic unless it is shown otherwise: a seller who zero-rates by mistake owes the tax, and a penalty."""
    if sold_by_provider:
        return MERCHANT_OF_RECORD
    return EXPORT if zero_rate_abroad and evidence.is_abroad else DOMESTIC


def tax_within(amount: int, rule: TaxRule) -> int:
    """The tax that an amount holds, rounded half up to the minor unit."""
    whole = 100 + rule.percent
    return (2 * amount * rule.percent + whole) // (2 * whole)


def split(amounts: Sequence[int], rule: TaxRule) -> Sequence[Taxed]:
    """Each line in its two parts. The lines' tax adds up to the total's own, also where rounding each would not: what is left
    over goes to the lines that rounding down cost most (largest remainder)."""
    whole = 100 + rule.percent
    parts = [divmod(amount * rule.percent, whole) for amount in amounts]
    over = tax_within(sum(amounts), rule) - sum(tax for tax, _ in parts)
    raised = set(sorted(range(len(parts)), key=lambda place: -parts[place][1])[:over])
    taxes = [tax + (place in raised) for place, (tax, _) in enumerate(parts)]
    return [Taxed(amount - tax, tax) for amount, tax in zip(amounts, taxes, strict=True)]


def split_of_part(before: int, part: int, rule: TaxRule) -> Taxed:
    """Of money that goes back in parts: the parts' tax adds up to that of the whole, whatever the parts are. `before` has
    gone back already."""
    vat = tax_within(before + part, rule) - tax_within(before, rule)
    return Taxed(part - vat, vat)
