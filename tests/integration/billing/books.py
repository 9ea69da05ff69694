"""A deployment whose payments arrive by themselves: rows as the payment services leave them, and what billing announces."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deployment import Deployment, Member
from madang.core.billing.events import payment_changed, refund_changed
from madang.core.billing.invoices.model import Invoice
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus, Refund, RefundStatus
from madang.core.kernel.ids import new_id
from madang.core.kernel.invariants import Violation
from madang.ports.money import Money

PHOTO = (PaymentLine("증명사진 세트", 1, 9900),)


class Books:
    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.units = deployment.container.units

    def payment(self, buyer: Member | None = None, currency: str = "KRW", **fields: Any) -> Payment:
        """Paid, with the lines' sum; nothing is stored yet."""
        now, id_ = datetime.now(UTC), new_id()
        lines: Sequence[PaymentLine] = fields.pop("lines", PHOTO)
        made = Payment(
            id=id_,
            purpose="items",
            subject=f"checkout:{id_}",
            amount=Money(sum(line.amount for line in lines), currency),
            provider="sandbox",
            status=PaymentStatus.PAID,
            created_at=now,
            updated_at=now,
            expires_at=now + timedelta(hours=1),
            reference=f"ref-{id_}",
            paid_at=now,
            method="card",
            user_id=None if buyer is None else buyer.id,
            country="KR",
            description="사진",
            lines=lines,
        )
        return dataclasses.replace(made, **fields)

    async def store(self, *payments: Payment) -> None:
        async with self.units() as uow:
            for payment in payments:
                await uow.payments.add(payment)

    async def paid(self, buyer: Member | None = None, **fields: Any) -> Payment:
        """With its documents, once the worker has worked."""
        payment = self.payment(buyer, **fields)
        await self.store(payment)
        await self.announced(payment)
        return payment

    async def announced(self, *payments: Payment) -> None:
        async with self.units() as uow:
            for payment in payments:
                uow.announce(payment_changed(payment))
        await self.deployment.work()

    async def refund(self, payment: Payment, amount: int, status: RefundStatus = RefundStatus.SUCCEEDED) -> Refund:
        now = datetime.now(UTC)
        refund = Refund(new_id(), payment.id, f"key-{new_id()}", Money(amount, payment.amount.currency), "r", status, now, now)
        async with self.units() as uow:
            assert await uow.payments.add_refund(refund)
            uow.announce(refund_changed(refund, payment))
        await self.deployment.work()
        return refund

    async def ended(self, refund: Refund, payment: Payment, status: RefundStatus) -> None:
        async with self.units() as uow:
            await uow.payments.update_refund(dataclasses.replace(refund, status=status))
            uow.announce(refund_changed(refund, payment))
        await self.deployment.work()

    async def given_back(self, payment: Payment, refunded: int) -> None:
        """The provider's own sum of what went back."""
        whole = refunded == payment.amount.amount
        status = PaymentStatus.REFUNDED if whole else PaymentStatus.PARTLY_REFUNDED
        changed = dataclasses.replace(payment, refunded=refunded, status=status)
        async with self.units() as uow:
            await uow.payments.update(changed)
        await self.announced(changed)

    async def documents(self, payment: Payment) -> Sequence[Invoice]:
        async with self.units() as uow:
            return await uow.invoices.of_payment(payment.id)

    async def credited(self, payment: Payment) -> list[int]:
        return [note.amount.amount for note in (await self.documents(payment))[1:]]

    async def broken(self) -> dict[str, list[Violation]]:
        """Of the invariants of invoices, those that something breaks."""
        found = {}
        for invariant in self.deployment.container.invariants:
            if "invoice" in invariant.name or "credit-note" in invariant.name:
                found[invariant.name] = list(await invariant.violations())
        assert len(found) == 5
        return {name: violations for name, violations in found.items() if violations}
