"""Credit packs: granted once when they are paid, taken back as far as the money goes back, and again when it returns."""

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
from madang.core.billing.credits.topics import DISPUTE_REVERSED, PAYMENT_CHANGED
from madang.core.billing.disputes import Dispute, money_back
from madang.core.billing.model import SETTLED, Payment, PaymentStatus, RefundStatus, payment_subject
from madang.core.billing.reversals import answer, waiting_reversal
from madang.core.billing.service import BillingService
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound
from madang.core.kernel.messages import Handler, Message, Topic

logger = logging.getLogger(__name__)

PURPOSE: Final = "credit_packs"


class CreditPurchases:
    def __init__(
        self, service: CreditService, billing: BillingService, catalogue: Catalogue, clock: Clock, zone: tzinfo
    ) -> None:
        self._clock = clock
        self._credits = service
        self._billing = billing
        self._catalogue = catalogue
        self._zone = zone

    def handlers(self) -> Sequence[Handler[CreditPurchasesUnitOfWork]]:
        return (
            Handler(Topic(PAYMENT_CHANGED), handle=self.payment_changed),
            Handler(Topic(DISPUTE_REVERSED), handle=self.dispute_reversed),
        )

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
            await self._credits.revoke(uow, lots[0].wallet_id, _asked_back(payment, lots, refunded))

    async def dispute_reversed(self, uow: CreditPurchasesUnitOfWork, message: Message) -> None:
        """A lost dispute was won after all: what it took back is granted again, once, for as long as such a pack runs. What was
        spent before it was lost stays spent. Of somebody who is gone, a person decides where the money goes."""
        if message.payload["purpose"] != PURPOSE:
            return
        found = await waiting_reversal(uow, UUID(message.payload["payment_id"]))
        buyer = None if found is None else found[0].user_id
        if found is None or buyer is None:
            return
        try:
            granted = await self._granted_again(uow, buyer, *found)
        except NotFound:
            granted = False
        if granted:
            await answer(uow, *found, self._clock)

    async def _granted_again(self, uow: CreditPurchasesUnitOfWork, buyer: UUID, payment: Payment, dispute: Dispute) -> bool:
        """Raises `NotFound` for a buyer who is being erased."""
        lots = await self._forgiven(uow, payment)
        if not lots:
            return bool(await self._grant(uow, payment))
        again = _due(payment, lots, await _refunded(uow, payment)) - sum(lot.amount - lot.taken_back for lot in lots)
        if again > 0:
            pack = self._catalogue.pack(payment.lines[0].sku or "")
            await self._credits.grant(
                uow,
                buyer,
                again,
                key=f"{payment_subject(payment.id)}:again:{dispute.changed_at.isoformat()}",
                subject=payment_subject(payment.id),
                expires_at=end_of_day(self._clock.now(), pack.valid_days, self._zone),
                source=LotSource.PACK,
            )
        return True

    async def _forgiven(self, uow: CreditPurchasesUnitOfWork, payment: Payment) -> Sequence[Lot]:
        """What is held, and would have gone once it came back, stays the buyer's."""
        lots = await uow.credits.lots_of(payment_subject(payment.id), LotSource.PACK)
        if lots:
            await self._credits.forgive(uow, lots[0].wallet_id, lots)
        return await uow.credits.lots_of(payment_subject(payment.id), LotSource.PACK)

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


def _due(payment: Payment, lots: Sequence[Lot], refunded: int) -> int:
    """What the buyer has a right to, once this much of the money went back. The first lots are those of the lines."""
    bought = lots[: len(payment.lines)]
    return sum(lot.amount - lot.amount * refunded // payment.amount.amount for lot in bought)


def _asked_back(payment: Payment, lots: Sequence[Lot], refunded: int) -> Sequence[tuple[Lot, int]]:
    """Of each lot its share; once something was granted again, what is over in all, the last lots first."""
    if len(lots) <= len(payment.lines):
        return [(lot, lot.amount * refunded // payment.amount.amount) for lot in lots]
    left = sum(lot.amount - lot.revoked for lot in lots) - _due(payment, lots, refunded)
    wanted = []
    for lot in reversed(lots):
        more = min(max(left, 0), lot.amount - lot.revoked)
        left -= more
        wanted.append((lot, lot.revoked + more))
    return wanted


def _key(payment: Payment, number: int) -> str:
    return f"payment:{payment.id}:{number}"


async def _refunded(uow: CreditPurchasesUnitOfWork, payment: Payment) -> int:
    """In the minor unit, without what a reversed dispute brought back; our own refund may have ended before the payment's row
    says so."""
    refunds = await uow.payments.refunds(payment.id)
    done = sum(refund.amount.amount for refund in refunds if refund.status is RefundStatus.SUCCEEDED)
    told = payment.amount.amount if payment.status is PaymentStatus.REFUNDED else payment.refunded
    return min(payment.amount.amount, max(done, told - money_back(await uow.disputes.of_payment(payment.id))))
