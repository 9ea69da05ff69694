"""The work of forgetting a person, in an order in which a crash anywhere leaves nothing behind after the next try.

First what lies outside of the database, context by context, each any number of times. Then everything inside in one commit:
every context's rows, the person's data key, the receipt, and the letter that says so. Last, some minutes later, a second look:
a request that was under way may have written something after it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from madang.core.kernel.caller import SYSTEM
from madang.core.kernel.clock import Clock
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, NewMessage, Topic
from madang.core.kernel.personal_data import PersonalData
from madang.core.kernel.schedules import Recurring
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.core.operations.deletion import PATIENT, VERIFY_AFTER, DeletionReceipt
from madang.core.privacy.model import Erasure, ErasureStatus
from madang.core.privacy.repository import PrivacyUnitOfWork

logger = logging.getLogger(__name__)

ERASE: Final = "privacy.erase"
VERIFY: Final = "privacy.verify_erasure"
RETENTION: Final = "privacy.retention"
_TIME_LIMIT: Final = 600.0
_ROUNDS: Final = 5
"""How often a second look is followed by another because it found something."""
_BATCH: Final = 1000


def erasing_of(erasure: Erasure) -> NewMessage:
    return NewMessage(ERASE, {"erasure_id": str(erasure.id)}, key=f"{erasure.subject}:erase", subject=erasure.user)


class Erasing:
    """`records_kept` is how long erasures and receipts are kept, which prove that somebody was forgotten."""

    def __init__(
        self,
        contexts: Sequence[PersonalData[Any]],
        notifier: Notifier,
        audit_trail: AuditTrail,
        clock: Clock,
        records_kept: timedelta,
    ) -> None:
        self.contexts = list(contexts)
        self._notifier = notifier
        self._audit_trail = audit_trail
        self._clock = clock
        self._records_kept = records_kept

    def handlers(self) -> Sequence[Handler[PrivacyUnitOfWork]]:
        erase = Topic(ERASE, retry=PATIENT, time_limit=_TIME_LIMIT, max_crashes=100)
        verify = Topic(VERIFY, retry=PATIENT, time_limit=_TIME_LIMIT, max_crashes=100)
        return Handler(erase, run=self.erase, give_up=self.give_up), Handler(verify, run=self.verify)

    def recurring(self) -> Sequence[Recurring]:
        return (Recurring(Topic(RETENTION, time_limit=_TIME_LIMIT), timedelta(days=1), self.forget_records),)

    async def erase(self, delivery: Delivery[PrivacyUnitOfWork]) -> None:
        erasure_id = UUID(delivery.message.payload["erasure_id"])
        async with delivery.step() as uow:
            erasure = await uow.erasures.get(erasure_id, lock=True)
            if erasure is None or erasure.status is ErasureStatus.SUCCEEDED:
                return
            erasure = erasure.to(ErasureStatus.RUNNING, self._clock.now())
            await uow.erasures.update(erasure)
        await self._forget_outside(delivery, erasure)
        async with delivery.finish() as uow:
            current = await uow.erasures.get(erasure_id, lock=True)
            if current is not None and current.status is ErasureStatus.RUNNING:
                await self._erase(uow, current)

    async def verify(self, delivery: Delivery[PrivacyUnitOfWork]) -> None:
        """Erase again; what that finds came late, and is followed by another look."""
        erasure_id, round_ = UUID(delivery.message.payload["erasure_id"]), int(delivery.message.payload["round"])
        async with delivery.step() as uow:
            erasure = await uow.erasures.get(erasure_id)
        if erasure is None:
            return
        await self._forget_outside(delivery, erasure)
        async with delivery.finish() as uow:
            now = self._clock.now()
            late = {table: rows for table, rows in (await self._rows(uow, erasure, now)).items() if rows}
            if late:
                logger.warning("late rows of an erased person were erased: %s", late)
            if late and round_ < _ROUNDS:
                uow.send(_verification_of(erasure, now, round_ + 1))
                return
            await uow.erasures.update(replace(erasure, verified_at=now, updated_at=now))
            receipt = await uow.receipts.by_subject(erasure.subject)
            if receipt is not None:
                await uow.receipts.save(replace(receipt, verified_at=now))

    async def give_up(self, uow: PrivacyUnitOfWork, message: Message, failure: Failure) -> None:
        erasure = await uow.erasures.get(UUID(message.payload["erasure_id"]), lock=True)
        if erasure is not None and erasure.status is not ErasureStatus.SUCCEEDED:
            await uow.erasures.update(erasure.to(ErasureStatus.FAILED, self._clock.now()))

    async def forget_records(self, delivery: Delivery[PrivacyUnitOfWork]) -> None:
        """What is left of erasures, when its time is over."""
        before = self._clock.now() - self._records_kept
        async with delivery.step() as uow:
            await uow.erasures.destroy_left_keys()
        left = True
        while left:
            async with delivery.step() as uow:
                gone = await uow.erasures.prune(before, limit=_BATCH), await uow.receipts.prune(before, limit=_BATCH)
            left = _BATCH in gone

    async def _forget_outside(self, delivery: Delivery[PrivacyUnitOfWork], erasure: Erasure) -> None:
        """In no transaction: what lies outside may take minutes. A step before each, so that who lost the lease ends here."""
        for context in self.contexts:
            async with delivery.step():
                pass
            await context.forget_outside(erasure.user_id)

    async def _erase(self, uow: PrivacyUnitOfWork, erasure: Erasure) -> None:
        now = self._clock.now()
        await self._notifier.notify(
            uow, erasure.user_id, "privacy.erased", key=f"{erasure.subject}:done", values={}, subject=erasure.subject
        )
        rows = await self._rows(uow, erasure, now)
        await uow.receipts.save(
            DeletionReceipt(new_id(), erasure.subject, erasure.asked_at, now, objects=(), rows=rows).signed()
        )
        await uow.erasures.update(erasure.to(ErasureStatus.SUCCEEDED, now, erased_at=now))
        await self._audit_trail.record(uow, SYSTEM, AuditAction.USER_ERASED, erasure.user, erasure=str(erasure.id))
        uow.send(_verification_of(erasure, now, 0))

    async def _rows(self, uow: PrivacyUnitOfWork, erasure: Erasure, now: datetime) -> Mapping[str, int]:
        rows: dict[str, int] = {}
        for context in self.contexts:
            for table, number in (await context.erase(uow, erasure.user_id, now)).items():
                rows[table] = rows.get(table, 0) + number
        return rows


def _verification_of(erasure: Erasure, now: datetime, round_: int) -> NewMessage:
    return NewMessage(
        VERIFY,
        {"erasure_id": str(erasure.id), "round": round_},
        key=f"{erasure.subject}:verify:{round_}",
        subject=erasure.user,
        due_at=now + VERIFY_AFTER,
    )
