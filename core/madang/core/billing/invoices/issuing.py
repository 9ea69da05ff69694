"""What the worker does for invoices: issue what a payment or a refund that changed calls for, once."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from madang.core.billing.disputes import DisputeStatus
from madang.core.billing.invoices.drafting import InvoicePolicy, credit_content, invoice_content, to_credit
from madang.core.billing.invoices.model import (
    BUYER_EMAIL,
    BUYER_NAME,
    Invoice,
    InvoiceContent,
    InvoiceKind,
    hash_of,
    number_of,
    written_document,
)
from madang.core.billing.invoices.repository import InvoicesUnitOfWork
from madang.core.billing.model import SETTLED, Payment
from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE, User, UserStatus
from madang.core.kernel.clock import Clock
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Handler, Message, Topic
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.tokens import Tokens
from madang.core.notifications.notifier import Notifier
from madang.ports.errors import Misconfigured
from madang.ports.money import Money

ISSUE: Final = "billing.issue_documents"
"""The topic that hears of payments and refunds that changed. Payload: `payment_id`."""
INVOICE_LINK: Final = "invoice"
"""The audience of the tokens that open one document."""
LINK_LIFETIME: Final = timedelta(days=90)
_KINDS: Final = {InvoiceKind.INVOICE: "billing.invoice_issued", InvoiceKind.CREDIT_NOTE: "billing.credit_note_issued"}


def link_to(tokens: Tokens, base_url: str, invoice_id: UUID, now: datetime) -> str:
    """For the buyer's own letters: whoever has it reads this one document."""
    token = tokens.issue(INVOICE_LINK, str(invoice_id), expires_at=now + LINK_LIFETIME)
    return f"{base_url.rstrip('/')}/invoices/{invoice_id}?token={token}"


class InvoiceIssuing:
    def __init__(
        self,
        providers: Providers,
        cipher: PersonalDataCipher,
        notifier: Notifier,
        tokens: Tokens,
        clock: Clock,
        policy: InvoicePolicy,
        *,
        base_url: str,
    ) -> None:
        self._providers = providers
        self._cipher = cipher
        self._notifier = notifier
        self._tokens = tokens
        self._clock = clock
        self._policy = policy
        self._base_url = base_url

    def handlers(self) -> Sequence[Handler[InvoicesUnitOfWork]]:
        return (Handler(Topic(ISSUE), handle=self.issue),)

    async def issue(self, uow: InvoicesUnitOfWork, message: Message) -> None:
        """What is missing of a payment's documents, by its row as it is now and under its lock: whatever comes twice, late or
        in another order, the documents are the same."""
        payment = await uow.payments.get(UUID(message.payload["payment_id"]), lock=True)
        if payment is None or payment.status not in SETTLED or payment.amount.amount == 0:
            return
        documents = await uow.invoices.of_payment(payment.id)
        buyer = await _buyer(uow, payment)
        if documents:
            invoice = documents[0]
        else:
            content = invoice_content(payment, self._policy, sold_by_provider=self._sells_itself(payment))
            invoice = await self._issued(uow, InvoiceKind.INVOICE, payment, payment.amount, content, buyer)
        refunds = await uow.payments.refunds(payment.id)
        lost = await _was_lost(uow, payment)
        credited = sum(note.amount.amount for note in documents[1:])
        for refund_id, part in to_credit(payment, refunds, documents[1:]):
            by_bank = lost and refund_id is None
            content = credit_content(invoice, payment, credited, part, self._policy, charged_back=by_bank)
            amount = Money(part, payment.amount.currency)
            about = {"credited_id": invoice.id, "refund_id": refund_id}
            await self._issued(uow, InvoiceKind.CREDIT_NOTE, payment, amount, content, buyer, **about)
            credited += part

    async def _issued(
        self,
        uow: InvoicesUnitOfWork,
        kind: InvoiceKind,
        payment: Payment,
        amount: Money,
        content: InvoiceContent,
        buyer: User | None,
        **about: Any,
    ) -> Invoice:
        now = self._clock.now()
        prefix = self._policy.invoice_series if kind is InvoiceKind.INVOICE else self._policy.credit_note_series
        series = f"{prefix}-{now.astimezone(ZoneInfo(self._policy.timezone)).year}"
        sequence = await uow.invoices.next_number(series)
        invoice = Invoice(
            new_id(), kind, series, sequence, payment.id, amount, now, "", "", user_id=buyer.id if buyer else None, **about
        )
        written = written_document(content, **_head(invoice))
        invoice = dataclasses.replace(
            invoice,
            written=written,
            content_hash=hash_of(written),
            buyer_name=self._resealed(buyer.name if buyer else None, NAME_PURPOSE, BUYER_NAME),
            buyer_email=self._resealed(buyer.email if buyer else None, EMAIL_PURPOSE, BUYER_EMAIL),
        )
        await uow.invoices.add(invoice)
        if buyer is not None:
            await self._tell(uow, invoice, buyer.id)
        return invoice

    async def _tell(self, uow: InvoicesUnitOfWork, invoice: Invoice, user_id: UUID) -> None:
        """By a link, and not by an attachment: what may have to be forgotten does not lie in a mailbox twice."""
        link = link_to(self._tokens, self._base_url, invoice.id, invoice.issued_at)
        values = {"number": invoice.number, "amount": str(invoice.amount), "link": link}
        await self._notifier.notify(
            uow, user_id, _KINDS[invoice.kind], key=f"invoice:{invoice.id}", values=values, subject=f"invoice:{invoice.id}"
        )

    def _sells_itself(self, payment: Payment) -> bool:
        """One that is not configured any more has said what it taxed, if anything, with the payment."""
        try:
            return self._providers.payment_gateway(payment.provider).capabilities.adds_tax
        except Misconfigured:
            return False

    def _resealed(self, sealed: bytes | None, purpose: str, anew: str) -> bytes | None:
        if sealed is None:
            return None
        return self._cipher.encrypt(self._cipher.decrypt(sealed, purpose=purpose), purpose=anew)


async def _was_lost(uow: InvoicesUnitOfWork, payment: Payment) -> bool:
    """Whether a bank took money of it that we did not send."""
    dispute = await uow.disputes.of_payment(payment.id)
    return dispute is not None and dispute.status is DisputeStatus.LOST


async def _buyer(uow: InvoicesUnitOfWork, payment: Payment) -> User | None:
    """Whose purchase it is; nobody once they asked to be forgotten."""
    user = None if payment.user_id is None else await uow.users.get(payment.user_id)
    return user if user is not None and user.status in (UserStatus.ACTIVE, UserStatus.SUSPENDED) else None


def _head(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": str(invoice.id),
        "kind": invoice.kind.value,
        "number": number_of(invoice.series, invoice.sequence),
        "paymentId": str(invoice.payment_id),
        "creditedId": None if invoice.credited_id is None else str(invoice.credited_id),
        "refundId": None if invoice.refund_id is None else str(invoice.refund_id),
        "amount": invoice.amount.amount,
        "currency": invoice.amount.currency,
        "issuedAt": invoice.issued_at.isoformat(),
    }
