"""Credit packs: granted once when they are paid, and taken back as far as the money goes back."""

import logging
from collections.abc import Sequence
from datetime import tzinfo
from typing import Final
from uuid import UUID

from madang.core.billing.catalogue import Catalogue
from madang.core.billing.credits.calendar_months import end_of_day
from madang.core.billing.credits.model import Lot, LotSource
from madang.core.billing.credits.repository import CreditPurchasesUnitOfWork
from madang.core.billing.credits.service import CreditService
from madang.core.billing.credits.topics import PAYMENT_CHANGED
from madang.core.billing.model import SETTLED, Payment, PaymentStatus, RefundStatus, payment_subject
from madang.core.billing.service import BillingService
from madang.core.kernel.errors import NotFound
from madang.core.kernel.messages import Handler, Message, Topic

logger = logging.getLogger(__name__)

PURPOSE: Final = "credit_packs"


class CreditPurchases:
    def __init__(self, service: CreditService, billing: BillingService, catalogue: Catalogue, zone: tzinfo) -> None:
        self._credits = service
        self._billing = billing
        self._catalogue = catalogue
        self._zone = zone

    def handlers(self) -> Sequence[Handler[CreditPurchasesUnitOfWork]]:
        return (Handler(Topic(PAYMENT_CHANGED), handle=self.payment_changed),)

    async def payment_changed(self, uow: CreditPurchasesUnitOfWork, message: Message) -> None:
        """Also a refund's change. What counts is the payment as it is now: messages come twice and in any order."""
        if message.payload["purpose"] != PURPOSE:
            return
        payment = await uow.payments.get(UUID(message.payload["payment_id"]), lock=True)
        if payment is None or payment.status not in SETTLED:
            return
        refunded = await _refunded(uow, payment)
        lots = await uow.credits.lots_of(payment_subject(payment.id), LotSource.PACK)
        if not lots and refunded < payment.amount.amount:
            lots = await self._grant(uow, payment)
        if lots and refunded:
            wanted = [(lot, lot.amount * refunded // payment.amount.amount) for lot in lots]
            await self._credits.revoke(uow, lots[0].wallet_id, wanted)

    async def _grant(self, uow: CreditPurchasesUnitOfWork, payment: Payment) -> Sequence[Lot]:
        """A lot for every line; what somebody who was erased bought is given back. Raises `NotFound` for a pack that the
        catalogue does not know: ids are for ever."""
        if payment.user_id is None:
            return await self._give_back(uow, payment)
        packs = [(number, line, self._catalogue.pack(line.sku or "")) for number, line in enumerate(payment.lines, 1)]
        try:
            return [
                await self._credits.grant(
                    uow,
                    payment.user_id,
                    pack.credits * line.quantity,
                    key=_key(payment, number),
                    subject=payment_subject(payment.id),
                    expires_at=end_of_day(payment.paid_at or payment.updated_at, pack.valid_days, self._zone),
                    source=LotSource.PACK,
                )
                for number, line, pack in packs
            ]
        except NotFound:
            return await self._give_back(uow, payment)

    async def _give_back(self, uow: CreditPurchasesUnitOfWork, payment: Payment) -> Sequence[Lot]:
        """Once, whatever is heard of the payment afterwards."""
        logger.warning("payment %s bought credits for somebody who is not there any more: it is given back", payment.id)
        key = f"{payment_subject(payment.id)}:bought-for-nobody"
        await self._billing.request_refund(uow, payment.id, key=key, reason="not_owed")
        return ()


def _key(payment: Payment, number: int) -> str:
    return f"payment:{payment.id}:{number}"


async def _refunded(uow: CreditPurchasesUnitOfWork, payment: Payment) -> int:
    """In the minor unit; our own refund may have ended before the payment's row says so."""
    if payment.status is PaymentStatus.REFUNDED:
        return payment.amount.amount
    refunds = await uow.payments.refunds(payment.id)
    done = sum(refund.amount.amount for refund in refunds if refund.status is RefundStatus.SUCCEEDED)
    return min(payment.amount.amount, max(done, payment.refunded))
