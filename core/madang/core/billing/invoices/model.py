"""Invoices and credit notes: documents that never change once they are issued.

One document serves as invoice and receipt: it is made when the money has arrived, and says that it is paid.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from madang.core.billing.taxes import RULES, TaxRule
from madang.ports.money import Money

BUYER_NAME: Final = "billing.invoice_buyer_name"
BUYER_EMAIL: Final = "billing.invoice_buyer_email"
"""What the sealed columns are bound to."""


SIMULATORS: Final = frozenset({"sandbox", "memory"})
"""The names of the payment providers that only play."""


class InvoiceKind(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sells, as it was on the day. Without a `registration_number` (사업자등록번호) the document is no tax document."""

    name: str
    registration_number: str | None = None
    address: str | None = None
    representative: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """All in the currency's minor unit; `amount` is `supply` and `vat` together, and `unit_amount` times `quantity`."""

    description: str
    quantity: int
    unit_amount: int
    amount: int
    supply: int
    vat: int
    sku: str | None = None


@dataclass(frozen=True, slots=True)
class InvoiceContent:
    """What the document says; nothing of the buyer is in it, whom one may have to forget.

    `credits` is the number of the invoice that a credit note corrects, `charged_back` says that a bank took what it credits,
    after a dispute. `provider_tax` is what a merchant of record put on top.
    """

    seller: Seller
    lines: Sequence[InvoiceLine]
    tax_rule: str
    locale: str
    provider: str
    paid_at: str | None = None
    method: str | None = None
    reference: str | None = None
    credits: str | None = None
    provider_tax: int | None = None
    charged_back: bool = False

    @property
    def is_simulated(self) -> bool:
        """No money moved: the document says so on its face."""
        return self.provider in SIMULATORS

    @property
    def rule(self) -> TaxRule:
        return RULES[self.tax_rule]


@dataclass(frozen=True, slots=True)
class Invoice:
    """`sequence` counts within `series` (`INV-2026`) without gaps. `written` is the whole document as canonical JSON, and
    `content_hash` its SHA-256. The buyer's name and e-mail are encrypted, and the only fields that may be emptied.

    A credit note names the invoice (`credited_id`), and the refund unless it was made at the provider by a person.
    """

    id: UUID
    kind: InvoiceKind
    series: str
    sequence: int
    payment_id: UUID
    amount: Money
    issued_at: datetime
    written: str
    content_hash: str
    credited_id: UUID | None = None
    refund_id: UUID | None = None
    user_id: UUID | None = None
    buyer_name: bytes | None = field(default=None, repr=False)
    buyer_email: bytes | None = field(default=None, repr=False)

    @property
    def number(self) -> str:
        return number_of(self.series, self.sequence)

    @property
    def content(self) -> InvoiceContent:
        return content_in(self.written)

    @property
    def supply(self) -> Money:
        return Money(sum(line.supply for line in self.content.lines), self.amount.currency)

    @property
    def vat(self) -> Money:
        return Money(sum(line.vat for line in self.content.lines), self.amount.currency)


def number_of(series: str, sequence: int) -> str:
    """`INV-2026-000001`; from a million on it grows longer."""
    return f"{series}-{sequence:06d}"


def written_document(content: InvoiceContent, **head: Any) -> str:
    """The document as canonical JSON: the same text for the same document, whoever writes it. `head` are the row's own
    fields, so that the hash holds them, too."""
    return json.dumps({**head, "content": asdict(content)}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def hash_of(written: str) -> str:
    return hashlib.sha256(written.encode()).hexdigest()


def content_in(written: str) -> InvoiceContent:
    told: Mapping[str, Any] = json.loads(written)["content"]
    plain = {each.name: told[each.name] for each in fields(InvoiceContent) if each.name in told}
    lines = tuple(InvoiceLine(**line) for line in told["lines"])
    return InvoiceContent(**{**plain, "seller": Seller(**told["seller"]), "lines": lines})
