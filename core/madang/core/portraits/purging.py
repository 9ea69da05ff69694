"""The end of a job: closed for writing, refunded if it was not delivered, emptied, and looked at once more (seed 003, 5.2).

In this order, so that a crash anywhere leaves nothing behind after the next try: the fence, the others' leases, the files, the
rows with the receipt.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.core.kernel.clock import Clock
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Delivery, Failure, Handler, NewMessage, Topic
from madang.core.kernel.providers import Providers
from madang.core.operations.deletion import PATIENT, VERIFY_AFTER, DeletedObject, DeletionReceipt
from madang.core.portraits.compensation import Compensation
from madang.core.portraits.events import portrait_changed
from madang.core.portraits.model import (
    Portrait,
    PortraitPicture,
    PortraitStatus,
    StoredFile,
    storage_prefix_of,
    subject_of,
)
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.core.portraits.topics import EXPIRE, VERIFY_PURGE
from madang.ports.errors import Unavailable

logger = logging.getLogger(__name__)

_TIME_LIMIT: Final = 240.0
_WAIT_FOR_OTHERS: Final = 120.0
_LOOK_EVERY: Final = 0.25
_ABANDONED: Final = Failure("abandoned", "the portrait's time was over before the outcome was known")
_UNDELIVERED: Final = frozenset(PortraitStatus) - {PortraitStatus.COMPLETED, PortraitStatus.EXPIRED}


class Purging:
    def __init__(self, providers: Providers, compensation: Compensation, clock: Clock) -> None:
        self._providers = providers
        self._compensation = compensation
        self._clock = clock

    def handlers(self) -> Sequence[Handler[PortraitsUnitOfWork]]:
        return (
            Handler(Topic(EXPIRE, retry=PATIENT, time_limit=_TIME_LIMIT, max_crashes=100), run=self.expire),
            Handler(Topic(VERIFY_PURGE, retry=PATIENT, time_limit=_TIME_LIMIT, max_crashes=100), run=self.verify),
        )

    async def expire(self, delivery: Delivery[PortraitsUnitOfWork]) -> None:
        portrait_id = UUID(delivery.message.payload["portrait_id"])
        if not await self._close(delivery, portrait_id):
            return
        await self._wait_for_others(delivery, portrait_id)
        async with delivery.step() as uow:
            portrait = await uow.portraits.get(portrait_id)
            pictures = await uow.portraits.pictures(portrait_id)
        if portrait is None:
            return
        deleted = await self._delete_files(portrait_id, _hashes(portrait, pictures))
        async with delivery.finish() as uow:
            await self._purge(uow, portrait, deleted)

    async def verify(self, delivery: Delivery[PortraitsUnitOfWork]) -> None:
        """Look again: a write that was under way at the purge may have ended after it."""
        portrait_id = UUID(delivery.message.payload["portrait_id"])
        strays = await self._delete_files(portrait_id, {})
        if strays:
            logger.warning("%d late files of an expired portrait were deleted", len(strays))
        async with delivery.finish() as uow:
            receipt = await uow.receipts.by_subject(subject_of(portrait_id))
            if strays:
                uow.send(verification_of(portrait_id, self._clock.now(), int(delivery.message.payload.get("round", 0)) + 1))
            elif receipt is not None and receipt.verified_at is None:
                await uow.receipts.save(replace(receipt, verified_at=self._clock.now()))

    async def _close(self, delivery: Delivery[PortraitsUnitOfWork], portrait_id: UUID) -> bool:
        """The fence: from this commit on nothing is written to the job any more. What was paid and not delivered goes back.

        Raises `Unavailable` for a message that came too early.
        """
        now = self._clock.now()
        async with delivery.step() as uow:
            portrait = await uow.portraits.get(portrait_id, lock=True)
            if portrait is None:
                return False
            if now < portrait.expires_at:
                raise Unavailable("the portrait's time is not over yet", operation=EXPIRE)
            if portrait.status in _UNDELIVERED:
                await self._compensation.refund(uow, portrait, "expired_undelivered")
            if portrait.status is not PortraitStatus.EXPIRED:
                await uow.portraits.update(portrait.to(PortraitStatus.EXPIRED, now))
        return True

    async def _wait_for_others(self, delivery: Delivery[PortraitsUnitOfWork], portrait_id: UUID) -> None:
        """Cancel what nobody has begun, and let end what somebody has. Raises `Unavailable` when that takes too long."""
        subject = subject_of(portrait_id)
        for _ in range(int(_WAIT_FOR_OTHERS / _LOOK_EVERY)):
            async with delivery.step() as uow:
                if await uow.work.cancel_waiting(subject, except_for=delivery.message.id):
                    await self._refund_late_money(uow, portrait_id)
                if not await uow.work.leased(subject, except_for=delivery.message.id):
                    return
            await asyncio.sleep(_LOOK_EVERY)
        raise Unavailable("work about the portrait is still under way", operation=EXPIRE)

    async def _refund_late_money(self, uow: PortraitsUnitOfWork, portrait_id: UUID) -> None:
        """What was cancelled may have been the news that the job was paid after it was closed."""
        portrait = await uow.portraits.get(portrait_id, lock=True)
        if portrait is not None and portrait.completed_at is None:
            await self._compensation.refund(uow, portrait, "paid_too_late")

    async def _delete_files(self, portrait_id: UUID, known: Mapping[str, str]) -> Sequence[DeletedObject]:
        """Everything under the job's prefix and everything that its rows name. Raises `Unavailable` when something stays."""
        storage = self._providers.storage()
        keys = dict.fromkeys(known)
        cursor: str | None = None
        while True:
            page = await storage.list(storage_prefix_of(portrait_id), cursor=cursor)
            keys |= dict.fromkeys(found.key for found in page.objects)
            cursor = page.cursor
            if cursor is None:
                break
        report = await storage.delete_many(list(keys))
        if report.failed:
            raise Unavailable(
                f"{len(report.failed)} files could not be deleted", provider=storage.name, operation="delete_many"
            )
        return [DeletedObject(key, known.get(key)) for key in sorted(keys)]

    async def _purge(self, uow: PortraitsUnitOfWork, portrait: Portrait, deleted: Sequence[DeletedObject]) -> None:
        now = self._clock.now()
        rows = await uow.portraits.purge(portrait.id, now=now)
        rows["notifications"] = await uow.notifications.purge(portrait.subject)
        await uow.actions.abandon(portrait.subject, _ABANDONED, now)
        if await uow.receipts.by_subject(portrait.subject) is None:
            await uow.receipts.save(receipt_for(portrait, now, deleted, rows))
            uow.announce(portrait_changed(portrait))
        uow.send(verification_of(portrait.id, now, 0))


def verification_of(portrait_id: UUID, now: datetime, round_: int) -> NewMessage:
    return NewMessage(
        VERIFY_PURGE,
        {"portrait_id": str(portrait_id), "round": round_},
        key=f"portrait:{portrait_id}:verify-purge:{round_}",
        subject=subject_of(portrait_id),
        due_at=now + VERIFY_AFTER,
    )


def receipt_for(
    portrait: Portrait, deleted_at: datetime, objects: Sequence[DeletedObject], rows: Mapping[str, int]
) -> DeletionReceipt:
    return DeletionReceipt(
        id=new_id(),
        subject=portrait.subject,
        due_at=portrait.expires_at,
        deleted_at=deleted_at,
        objects=tuple(objects),
        rows=dict(rows),
    ).signed()


def _hashes(portrait: Portrait, pictures: Sequence[PortraitPicture]) -> Mapping[str, str]:
    """The files that the job's rows name, by key."""
    files: list[StoredFile | None] = [portrait.photo.file if portrait.photo else None]
    for picture in pictures:
        files += [picture.full, picture.webp, picture.thumbnail]
    return {file.key: file.sha256 for file in files if file is not None}
