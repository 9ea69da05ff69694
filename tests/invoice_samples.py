"""Documents as they would have been issued, without a database."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from madang.core.billing.invoices.drafting import InvoicePolicy, credit_content, invoice_content
from madang.core.billing.invoices.model import Invoice, InvoiceContent, InvoiceKind, Seller, hash_of, written_document
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus
from madang.ports.money import Money

ISSUED = datetime(2026, 1, 5, 3, 7, 31, tzinfo=UTC)
PAYMENT = UUID("01997f2e-6c00-7a10-9c3e-0242ac120011")
INVOICE = UUID("01997f2e-6c00-7a10-9c3e-0242ac120010")
SELLER = Seller("주식회사 마당", "123-45-67890", "서울특별시 중구 세종대로 110", "김마당", "billing@example.com")
POLICY = InvoicePolicy(SELLER, zero_rate_abroad=True)


def lines(*named: tuple[str, int, int]) -> Sequence[PaymentLine]:
    return tuple(PaymentLine(*each) for each in named)


PHOTO = lines(("증명사진 세트", 1, 9900))


def paid(bought: Sequence[PaymentLine] = PHOTO, currency: str = "KRW", **fields: Any) -> Payment:
    amount = Money(sum(line.amount for line in bought), currency)
    made = Payment(
        PAYMENT, "items", "checkout:1", amount, "toss", PaymentStatus.PAID, ISSUED, ISSUED, ISSUED,
        paid_at=ISSUED, method="card", country="KR", description="사진", lines=bought,
    )  # fmt: skip
    return dataclasses.replace(made, **fields)


def invoice(payment: Payment | None = None, policy: InvoicePolicy = POLICY, *, by_provider: bool = False) -> Invoice:
    payment = payment or paid()
    content = invoice_content(payment, policy, sold_by_provider=by_provider)
    return _issued(content, InvoiceKind.INVOICE, "INV-2026", payment.amount)


def credit_note(of: Invoice, part: int, *, before: int = 0, policy: InvoicePolicy = POLICY) -> Invoice:
    content = credit_content(of, paid(), before, part, policy)
    return _issued(content, InvoiceKind.CREDIT_NOTE, "CN-2026", Money(part, of.amount.currency), credited_id=of.id)


def _issued(content: InvoiceContent, kind: InvoiceKind, series: str, amount: Money, **about: Any) -> Invoice:
    written = written_document(content)
    return Invoice(INVOICE, kind, series, 1, PAYMENT, amount, ISSUED, written, hash_of(written), **about)
