"""What the invoice calls answer."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Meta

from madang.core.billing.invoices.model import InvoiceContent, InvoiceLine
from madang.core.billing.invoices.reading import InvoiceView
from madang.core.billing.taxes import TaxTreatment
from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.portraits.shapes import Input, MoneyShape
from madang.ports.money import Money


class InvoicesQuery(Input, frozen=True):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class SellerShape(Shape, frozen=True):
    name: str
    registration_number: str | None
    address: str | None
    representative: str | None
    email: str | None


class BuyerShape(Shape, frozen=True):
    name: str | None
    email: str | None


class InvoiceLineShape(Shape, frozen=True):
    """All in the minor unit of the document's currency: `supply` and `vat` make `amount`, as do `quantity` and `unitAmount`."""

    description: str
    quantity: int
    unit_amount: int
    supply: int
    vat: int
    amount: int
    sku: str | None


class InvoiceShape(Shape, frozen=True):
    """`taxTreatment`: `included` (VAT of `vatPercent` is in the price), `zero_rated` (a service for abroad), or `by_provider`:
    the provider sells and taxes as merchant of record, put `providerTax` on top, and issues the tax document.

    `simulated`: the payment provider only plays, and no money moved; the page and the PDF say so.

    A credit note's amounts are what went back; `creditedInvoiceId` and `creditedNumber` name the invoice, `refundId` the
    refund, unless a person made it at the provider, or the buyer's bank took it after a dispute (`chargedBack`).
    `contentHash` is the SHA-256 of the document without its buyer."""

    id: UUID
    kind: Literal["invoice", "credit_note"]
    number: str
    amount: MoneyShape
    supply: MoneyShape
    vat: MoneyShape
    vat_percent: int
    tax_treatment: Literal["included", "zero_rated", "by_provider"]
    provider_tax: MoneyShape | None
    lines: list[InvoiceLineShape]
    seller: SellerShape
    buyer: BuyerShape | None
    payment_id: UUID
    provider: str
    simulated: bool
    method: str | None
    refund_id: UUID | None
    credited_invoice_id: UUID | None
    credited_number: str | None
    charged_back: bool
    paid_at: datetime | None
    issued_at: datetime
    content_hash: str


INVOICE: Final[dict[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120010",
    "kind": "invoice",
    "number": "INV-2026-000001",
    "amount": {"amount": 9900, "currency": "KRW"},
    "supply": {"amount": 9000, "currency": "KRW"},
    "vat": {"amount": 900, "currency": "KRW"},
    "vatPercent": 10,
    "taxTreatment": "included",
    "providerTax": None,
    "lines": [
        {
            "description": "1,000 credits",
            "quantity": 1,
            "unitAmount": 9900,
            "supply": 9000,
            "vat": 900,
            "amount": 9900,
            "sku": "credits-1000",
        }
    ],
    "seller": {
        "name": "Madang",
        "registrationNumber": None,
        "address": None,
        "representative": None,
        "email": None,
    },
    "buyer": {"name": "Hong Gildong", "email": "hong@example.com"},
    "paymentId": "01997f2e-6c00-7a10-9c3e-0242ac120011",
    "provider": "sandbox",
    "simulated": True,
    "method": "card",
    "refundId": None,
    "creditedInvoiceId": None,
    "creditedNumber": None,
    "chargedBack": False,
    "paidAt": "2026-01-05T12:07:30+09:00",
    "issuedAt": "2026-01-05T12:07:31+09:00",
    "contentHash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


def of_invoice(view: InvoiceView, zone: ZoneInfo) -> InvoiceShape:
    invoice, content = view.invoice, view.invoice.content
    currency = invoice.amount.currency
    buyer = view.buyer
    return InvoiceShape(
        id=invoice.id,
        kind=invoice.kind.value,
        number=invoice.number,
        amount=_money(invoice.amount),
        supply=_money(Money(sum(line.supply for line in content.lines), currency)),
        vat=_money(Money(sum(line.vat for line in content.lines), currency)),
        vat_percent=content.rule.percent,
        tax_treatment=content.rule.treatment.value,
        provider_tax=_provider_tax(content, currency),
        lines=[_line(line) for line in content.lines],
        seller=_seller(content),
        buyer=BuyerShape(buyer.name, buyer.email) if buyer.name or buyer.email else None,
        payment_id=invoice.payment_id,
        provider=content.provider,
        simulated=content.is_simulated,
        method=content.method,
        refund_id=invoice.refund_id,
        credited_invoice_id=invoice.credited_id,
        credited_number=content.credits,
        charged_back=content.charged_back,
        paid_at=None if content.paid_at is None else datetime.fromisoformat(content.paid_at).astimezone(zone),
        issued_at=invoice.issued_at.astimezone(zone),
        content_hash=invoice.content_hash,
    )


def _seller(content: InvoiceContent) -> SellerShape:
    seller = content.seller
    return SellerShape(seller.name, seller.registration_number, seller.address, seller.representative, seller.email)


def _line(line: InvoiceLine) -> InvoiceLineShape:
    return InvoiceLineShape(line.description, line.quantity, line.unit_amount, line.supply, line.vat, line.amount, line.sku)


def _provider_tax(content: InvoiceContent, currency: str) -> MoneyShape | None:
    if content.provider_tax is None or content.rule.treatment is not TaxTreatment.BY_PROVIDER:
        return None
    return MoneyShape(content.provider_tax, currency)


def _money(money: Money) -> MoneyShape:
    return MoneyShape(money.amount, money.currency)
