"""What an invoice and a credit note say: from the payment and the rules of tax, without any storage."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from madang.core.billing.invoices.model import Invoice, InvoiceContent, InvoiceLine, Seller
from madang.core.billing.model import UNDER_WAY, Payment, PaymentLine, Refund, RefundStatus
from madang.core.billing.taxes import Evidence, TaxRule, rule_for, split, split_of_part

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InvoicePolicy:
    """What a deployment decides: who sells, how the series are called (`INV` makes `INV-2026-000001`), whether services for
    abroad are zero-rated, and in which zone a year begins."""

    seller: Seller
    invoice_series: str = "INV"
    credit_note_series: str = "CN"
    zero_rate_abroad: bool = False
    timezone: str = "Asia/Seoul"


def invoice_content(payment: Payment, policy: InvoicePolicy, *, sold_by_provider: bool) -> InvoiceContent:
    rule = rule_for(
        Evidence(payment.amount.currency, payment.country, payment.method_country),
        sold_by_provider=sold_by_provider or payment.tax is not None,
        zero_rate_abroad=policy.zero_rate_abroad,
    )
    return InvoiceContent(
        seller=policy.seller,
        lines=_taxed(_lines_of(payment), rule),
        tax_rule=rule.id,
        locale=payment.locale,
        provider=payment.provider,
        paid_at=payment.paid_at.isoformat() if payment.paid_at else None,
        method=payment.method,
        reference=payment.reference,
        provider_tax=payment.tax,
    )


def credit_content(
    invoice: Invoice, payment: Payment, before: int, part: int, policy: InvoicePolicy, *, charged_back: bool = False
) -> InvoiceContent:
    """Of `part` that went back after `before` had: by the rule of the invoice, also when the rules have changed since."""
    billed = invoice.content
    if part == invoice.amount.amount:
        lines: Sequence[InvoiceLine] = billed.lines
    else:
        taxed = split_of_part(before, part, billed.rule)
        lines = (InvoiceLine(_described(payment), 1, part, part, taxed.supply, taxed.vat),)
    return InvoiceContent(
        seller=policy.seller,
        lines=lines,
        tax_rule=billed.tax_rule,
        locale=billed.locale,
        provider=billed.provider,
        method=billed.method,
        reference=billed.reference,
        credits=invoice.number,
        charged_back=charged_back,
    )


def to_credit(payment: Payment, refunds: Sequence[Refund], notes: Sequence[Invoice]) -> Iterator[tuple[UUID | None, int]]:
    """The refunds without a credit note, and at last what a person gave back at the provider.

    A refund that is under way may be in the provider's sum already, so its amount waits until it has ended. Never more than
    went back is credited: a refund that was taken for failed may have had its note as the provider's already.
    """
    credited = sum(note.amount.amount for note in notes)
    done = [refund for refund in refunds if refund.status is RefundStatus.SUCCEEDED]
    returned = min(payment.amount.amount, max(payment.refunded, sum(refund.amount.amount for refund in done)))
    known = {note.refund_id for note in notes}
    for refund in done:
        part = min(refund.amount.amount, returned - credited)
        if refund.id not in known and part > 0:
            credited += part
            yield refund.id, part
    under_way = sum(refund.amount.amount for refund in refunds if refund.status in UNDER_WAY)
    if (elsewhere := returned - credited - under_way) > 0:
        yield None, elsewhere


def _taxed(lines: Sequence[PaymentLine], rule: TaxRule) -> Sequence[InvoiceLine]:
    parts = split([line.amount for line in lines], rule)
    return tuple(
        InvoiceLine(line.description, line.quantity, line.unit_amount, line.amount, taxed.supply, taxed.vat, line.sku)
        for line, taxed in zip(lines, parts, strict=True)
    )


def _lines_of(payment: Payment) -> Sequence[PaymentLine]:
    """What was sold; one line where the seller's lines do not make what was paid."""
    if sum(line.amount for line in payment.lines) == payment.amount.amount:
        return payment.lines
    if payment.lines:
        logger.warning("payment %s: its lines do not add up, its invoice has one line", payment.id)
    return (PaymentLine(_described(payment), 1, payment.amount.amount),)


def _described(payment: Payment) -> str:
    return payment.description or ", ".join(line.description for line in payment.lines) or payment.purpose
