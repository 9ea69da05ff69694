"""A document as a reader sees it: words, dates and amounts in one language, laid out by whoever draws it (HTML, PDF)."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

from madang.core.billing.invoices.model import Invoice, InvoiceContent, InvoiceKind, InvoiceLine
from madang.core.billing.taxes import TaxTreatment
from madang.ports.money import EXPONENTS, Money

Language = Literal["ko", "en"]
_TITLES: Final = {"lemonsqueezy": "Lemon Squeezy", "paddle": "Paddle"}
_MINUS: Final = "-"


@dataclass(frozen=True, slots=True)
class Buyer:
    """Opened for the reader; all None once the person was forgotten, or where nobody knows who bought."""

    name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class InvoiceSheet:
    """`columns` are the heads of the table, the first one of words and the others of numbers; each of `rows` has as many
    cells. The last of `totals` is the sum. `page` is a template with `page` and `pages`. `warning` is in both languages, and on
    every page of what is no real document."""

    language: Language
    title: str
    number: str
    stamp: str
    facts: Sequence[Fact]
    seller: str
    seller_title: str
    seller_facts: Sequence[Fact]
    buyer_title: str
    buyer_facts: Sequence[Fact]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    totals: Sequence[Fact]
    notes: Sequence[str]
    page: str
    warning: str | None = None


class InvoicePrinter(Protocol):
    """Makes a PDF of a sheet: the same bytes for the same sheet."""

    def print(self, sheet: InvoiceSheet, *, at: datetime) -> bytes:
        """`at` is when the document was issued. Takes tens of milliseconds: call it in a thread."""
        ...


def sheet_of(invoice: Invoice, buyer: Buyer, language: Language, timezone: str) -> InvoiceSheet:
    words, content = _words(language), invoice.content
    is_credit = invoice.kind is InvoiceKind.CREDIT_NOTE
    return InvoiceSheet(
        language=language,
        title=words[_title(invoice, content)],
        number=invoice.number,
        stamp=words["credited" if is_credit else "paid"],
        facts=_facts(invoice, content, words, timezone),
        seller=content.seller.name,
        seller_title=words["supplier" if content.rule.treatment is TaxTreatment.BY_PROVIDER else "seller"],
        seller_facts=_seller(content, words),
        buyer_title=words["buyer"],
        buyer_facts=_some(words, buyer_name=buyer.name, email=buyer.email),
        columns=_columns(content, words),
        rows=[_row(line, content, invoice) for line in content.lines],
        totals=_totals(invoice, content, words, language),
        notes=list(_notes(invoice, content, words)),
        page=words["page"],
        warning=words["warning_simulated"] if content.is_simulated else None,
    )


def plain_amount(amount: int, currency: str) -> str:
    """With thousands and the currency's decimals, and without its name: `9,900`, `9.90`, `9.900`."""
    exponent = EXPONENTS[currency]
    written = f"{Decimal(abs(amount)).scaleb(-exponent):,.{exponent}f}"
    return f"{_MINUS}{written}" if amount < 0 else written


def named_amount(money: Money, language: Language) -> str:
    """`9,900원`, else with the currency's code: `KRW 9,900`, `USD 9.90`."""
    plain = plain_amount(money.amount, money.currency)
    return f"{plain}원" if (language, money.currency) == ("ko", "KRW") else f"{money.currency} {plain}"


@cache
def _words(language: Language) -> Mapping[str, str]:
    source = files("madang.core.billing.invoices").joinpath("words", f"{language}.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))


def _title(invoice: Invoice, content: InvoiceContent) -> str:
    if invoice.kind is InvoiceKind.CREDIT_NOTE:
        return "credit_note_title"
    return "receipt_title" if content.rule.treatment is TaxTreatment.BY_PROVIDER else "invoice_title"


def _some(words: Mapping[str, str], **values: str | None) -> Sequence[Fact]:
    return [Fact(words[name], value) for name, value in values.items() if value]


def _facts(invoice: Invoice, content: InvoiceContent, words: Mapping[str, str], timezone: str) -> Sequence[Fact]:
    zone = ZoneInfo(timezone)
    paid = None if content.paid_at is None else datetime.fromisoformat(content.paid_at)
    return _some(
        words,
        number=invoice.number,
        issued_at=_date(invoice.issued_at, zone),
        credits=content.credits,
        paid_at=_date(paid, zone) if paid else None,
        method=None if content.method is None else words.get(content.method, content.method),
        reference=str(invoice.payment_id),
    )


def _date(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d}"


def _seller(content: InvoiceContent, words: Mapping[str, str]) -> Sequence[Fact]:
    seller = content.seller
    return _some(
        words,
        seller_name=seller.name,
        registration_number=seller.registration_number,
        representative=seller.representative,
        address=seller.address,
        email=seller.email,
    )


def _columns(content: InvoiceContent, words: Mapping[str, str]) -> Sequence[str]:
    taxed = ["supply", "vat"] if content.rule.treatment is TaxTreatment.INCLUDED else []
    return [words[name] for name in ("description", "quantity", "unit_amount", *taxed, "amount")]


def _row(line: InvoiceLine, content: InvoiceContent, invoice: Invoice) -> Sequence[str]:
    sign, currency = _sign(invoice), invoice.amount.currency
    taxed = [line.supply, line.vat] if content.rule.treatment is TaxTreatment.INCLUDED else []
    amounts = [line.unit_amount, *(sign * part for part in taxed), sign * line.amount]
    return [line.description, f"{line.quantity:,}", *(plain_amount(amount, currency) for amount in amounts)]


def _totals(invoice: Invoice, content: InvoiceContent, words: Mapping[str, str], language: Language) -> Sequence[Fact]:
    sign, rule, currency = _sign(invoice), content.rule, invoice.amount.currency
    found: list[Fact] = []
    if rule.treatment is TaxTreatment.INCLUDED:
        found.append(Fact(words["supply"], plain_amount(sign * invoice.supply.amount, currency)))
    if rule.treatment is TaxTreatment.ZERO_RATED:
        found.append(Fact(words["subtotal"], plain_amount(sign * invoice.amount.amount, currency)))
    if rule.treatment is not TaxTreatment.BY_PROVIDER:
        rate = words["vat_rate"].format(percent=rule.percent)
        found.append(Fact(rate, plain_amount(sign * invoice.vat.amount, currency)))
    label = "total_credited" if invoice.kind is InvoiceKind.CREDIT_NOTE else "total"
    return [*found, Fact(words[label], named_amount(Money(sign * invoice.amount.amount, currency), language))]


def _notes(invoice: Invoice, content: InvoiceContent, words: Mapping[str, str]) -> Sequence[str]:
    currency, rule = invoice.amount.currency, content.rule
    notes = [words["currency_note"].format(currency=currency)]
    if content.credits is not None:
        notes.append(words["note_charged_back" if content.charged_back else "note_credits"].format(number=content.credits))
    if rule.treatment is TaxTreatment.BY_PROVIDER:
        return [*notes, *_of_provider(content, currency, words)]
    if rule.treatment is TaxTreatment.ZERO_RATED:
        return [*notes, words["note_zero_rated"], words["note_no_tax_invoice"]]
    return [*notes, words["note_included"].format(percent=rule.percent), words["note_no_tax_invoice"]]


def _of_provider(content: InvoiceContent, currency: str, words: Mapping[str, str]) -> Sequence[str]:
    provider = _TITLES.get(content.provider, content.provider)
    told = [words["note_by_provider"].format(provider=provider)]
    if content.provider_tax is not None:
        tax = f"{currency} {plain_amount(content.provider_tax, currency)}"
        told.append(words["note_provider_tax"].format(provider=provider, tax=tax))
    return told


def _sign(invoice: Invoice) -> int:
    """What goes back is written as such."""
    return -1 if invoice.kind is InvoiceKind.CREDIT_NOTE else 1
