"""What the buyer is owed when a job does not end as ordered: the money back, and a word about it."""

from dataclasses import replace
from uuid import UUID

from madang.core.billing.model import RefundStatus
from madang.core.billing.service import BillingService
from madang.core.kernel.clock import Clock
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.service import NotificationService
from madang.core.portraits import sms_texts
from madang.core.portraits.events import portrait_changed
from madang.core.portraits.model import FailureReason, Portrait, PortraitStatus
from madang.core.portraits.phones import PHONE
from madang.core.portraits.picture_stopping import stopping_of
from madang.core.portraits.repository import PortraitsUnitOfWork


class Compensation:
    def __init__(
        self, billing: BillingService, notifications: NotificationService, cipher: PersonalDataCipher, clock: Clock
    ) -> None:
        self._billing = billing
        self._notifications = notifications
        self._cipher = cipher
        self._clock = clock

    async def fail(self, uow: PortraitsUnitOfWork, portrait: Portrait, reason: FailureReason) -> None:
        """End a locked job that is under way as failed, stop what runs for it, refund it in full and say so by SMS: all in the
        caller's commit."""
        failed = replace(portrait.to(PortraitStatus.FAILED, self._clock.now()), failure=reason)
        await uow.portraits.update(failed)
        uow.announce(portrait_changed(failed))
        if portrait.status is PortraitStatus.PROCESSING:
            uow.send(stopping_of(portrait))
        await self.refund(uow, failed, reason.value)
        if portrait.phone is not None and reason is not FailureReason.PAYMENT_TAKEN_BACK:
            await self._notifications.queue_sms(
                uow,
                key=f"portrait:{portrait.id}:failed",
                to=self._cipher.decrypt(portrait.phone, purpose=PHONE),
                template="portraits.failed",
                text=sms_texts.failed(portrait.locale),
                subject=portrait.subject,
            )

    async def refund(self, uow: PortraitsUnitOfWork, portrait: Portrait, reason: str) -> bool:
        """Give back what was paid for the job, if anything was and it was not yet; keyed by the job, so once. True when a
        refund is there."""
        key = f"portrait:{portrait.id}:refund"
        return await self._billing.request_refund(uow, portrait.payment_id, key=key, reason=reason) is not None

    async def refund_owed(self, units: UnitOfWorkFactory[PortraitsUnitOfWork], portrait_id: UUID) -> str:
        """Queue the refund that was found missing, and say so; empty when one was refused before and a person must look."""
        async with units() as uow:
            portrait = await uow.portraits.get(portrait_id, lock=True)
            if portrait is None or portrait.status not in (PortraitStatus.FAILED, PortraitStatus.EXPIRED):
                return "it has gone on by itself"
            refunds = await uow.payments.refunds(portrait.payment_id)
            if any(refund.status is RefundStatus.FAILED for refund in refunds):
                return ""
            return "queued the refund" if await self.refund(uow, portrait, "owed") else "nothing is left to refund"
