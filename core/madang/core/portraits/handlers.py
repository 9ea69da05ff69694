"""What the worker does for portraits, and what a payment's change means to a job."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from madang.core.billing.model import PaymentStatus
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Handler, Message, Topic
from madang.core.portraits.compensation import Compensation
from madang.core.portraits.events import portrait_changed
from madang.core.portraits.model import FailureReason, Portrait, PortraitStatus
from madang.core.portraits.ordering import PURPOSE
from madang.core.portraits.picture_making import PictureMaking
from madang.core.portraits.picture_stopping import PictureStopping
from madang.core.portraits.purging import Purging
from madang.core.portraits.report_writing import ReportWriting
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.core.portraits.topics import PAYMENT_CHANGED

_ARRIVED: Final = frozenset({PaymentStatus.PAID, PaymentStatus.PARTLY_REFUNDED})
_UNDER_WAY: Final = frozenset({PortraitStatus.PENDING_PHONE, PortraitStatus.PENDING_UPLOAD, PortraitStatus.PROCESSING})


class PortraitHandlers:
    def __init__(
        self,
        picture_making: PictureMaking,
        picture_stopping: PictureStopping,
        report_writing: ReportWriting,
        purging: Purging,
        compensation: Compensation,
        clock: Clock,
    ) -> None:
        self._picture_making = picture_making
        self._picture_stopping = picture_stopping
        self._report_writing = report_writing
        self._purging = purging
        self._compensation = compensation
        self._clock = clock

    def handlers(self) -> Sequence[Handler[PortraitsUnitOfWork]]:
        return (
            Handler(Topic(PAYMENT_CHANGED), handle=self.payment_changed),
            self._picture_making.handler(),
            self._picture_stopping.handler(),
            self._report_writing.handler(),
            *self._purging.handlers(),
        )

    async def payment_changed(self, uow: PortraitsUnitOfWork, message: Message) -> None:
        """What counts is the payment as it is now, not as the message says: messages come twice and in any order."""
        if message.payload["purpose"] != PURPOSE:
            return
        portrait_id = UUID(message.payload["subject"].partition(":")[2])
        portrait = await uow.portraits.get(portrait_id, lock=True)
        # Read behind the lock: while we waited for it, a later message may have acted on a later state.
        payment = await uow.payments.get(UUID(message.payload["payment_id"]))
        if payment is None or portrait is None:
            return
        if payment.status in _ARRIVED:
            await self._money_arrived(uow, portrait)
        elif payment.status is PaymentStatus.REFUNDED and portrait.status in _UNDER_WAY:
            await self._compensation.fail(uow, portrait, FailureReason.PAYMENT_TAKEN_BACK)

    async def _money_arrived(self, uow: PortraitsUnitOfWork, portrait: Portrait) -> None:
        now = self._clock.now()
        if portrait.status is PortraitStatus.EXPIRED or now >= portrait.expires_at:
            if portrait.completed_at is None:
                await self._compensation.refund(uow, portrait, "paid_too_late")
        elif portrait.status is PortraitStatus.PENDING_PAYMENT:
            paid = portrait.to(PortraitStatus.PENDING_PHONE, now)
            await uow.portraits.update(paid)
            uow.announce(portrait_changed(paid))
