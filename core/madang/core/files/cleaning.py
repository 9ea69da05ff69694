"""What takes objects out of the storage: after the end of a file, after uploads that never came, after processes that died.

Objects are looked at by their folder, not remembered one by one: whatever lies there and is not the one that the file's row
names goes. So it does not matter which of several tries, or which late write to a presigned address, left it.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.files.model import (
    FOLDER,
    OVER,
    UPLOAD_GRACE,
    UPLOAD_LIFETIME,
    File,
    FileStatus,
    folder_of,
    ids_in,
    is_wanted,
    owner_folder,
)
from madang.core.files.repository import FilesUnitOfWork
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Handler, Message, NewMessage, Topic
from madang.core.kernel.providers import Providers
from madang.core.kernel.schedules import Recurring
from madang.core.operations.deletion import PATIENT
from madang.ports.errors import Rejected, Unavailable
from madang.ports.storage import ObjectInfo

logger = logging.getLogger(__name__)

TIDY: Final = "files.tidy"
FORGET: Final = "files.forget"
SWEEP_UPLOADS: Final = "files.sweep_uploads"
SWEEP_STORAGE: Final = "files.sweep_storage"
ORPHAN_AGE: Final = timedelta(days=1)
TOMBSTONE_AGE: Final = timedelta(days=30)
"""How long a deletion can be repeated and is answered the same."""
_BATCH: Final = 100
_PAGES: Final = 5
"""Pages of a thousand objects that one run looks at; the next run goes on there."""


def tidying_of(file: File, *, late: bool = False) -> NewMessage:
    payload = {"owner_id": str(file.owner_id), "file_id": str(file.id)}
    due_at = file.expires_at + UPLOAD_GRACE if late else None
    return NewMessage(TIDY, payload, subject=file.subject, due_at=due_at)


def forgetting_of(owner_id: UUID, now: datetime) -> NewMessage:
    """When no address that was ever given to this owner is good any more."""
    return NewMessage(
        FORGET,
        {"owner_id": str(owner_id)},
        key=f"files:forget:{owner_id}",
        subject=f"user:{owner_id}",
        due_at=now + UPLOAD_LIFETIME + UPLOAD_GRACE,
    )


class Cleaning:
    def __init__(self, providers: Providers, clock: Clock) -> None:
        self._providers = providers
        self._clock = clock

    def handlers(self) -> Sequence[Handler[FilesUnitOfWork]]:
        return (
            Handler(Topic(TIDY, retry=PATIENT, time_limit=120.0, max_crashes=100), run=self.tidy),
            Handler(Topic(FORGET, retry=PATIENT, time_limit=600.0, max_crashes=100), run=self.forget),
        )

    def recurring(self) -> Sequence[Recurring]:
        return (
            Recurring(Topic(SWEEP_UPLOADS, time_limit=300.0), timedelta(minutes=10), self.sweep_uploads),
            Recurring(Topic(SWEEP_STORAGE, time_limit=600.0), timedelta(hours=1), self.sweep_storage),
        )

    async def tidy(self, delivery: Delivery[FilesUnitOfWork]) -> None:
        """Leave of one file's objects the one that it needs, or none. The row is read after the storage: one that was not there
        at first may be there again, by another try with its id, before that try's object is."""
        owner_id, file_id = _ids(delivery.message)
        pages = [page async for page in self._pages(folder_of(owner_id, file_id))]
        async with delivery.step() as uow:
            file = await uow.files.get(file_id)
        for page in pages:
            await self.delete([found.key for found in page if not is_wanted(found.key, file)])
        async with delivery.finish() as uow:
            if file is not None and file.status in OVER:
                await uow.files.purged(file_id, self._clock.now())

    async def forget(self, delivery: Delivery[FilesUnitOfWork]) -> None:
        """Look again at an owner who was erased: what came by an address that was still good goes, too."""
        owner_id = UUID(delivery.message.payload["owner_id"])
        async for page in self._pages(owner_folder(owner_id)):
            async with delivery.step() as uow:
                unwanted = await _unwanted(uow, page)
            await self.delete(unwanted)
        async with delivery.finish():
            pass

    async def forget_owner(self, owner_id: UUID) -> int:
        """Delete all objects of one owner; how many there were."""
        count = 0
        async for page in self._pages(owner_folder(owner_id)):
            await self.delete([found.key for found in page])
            count += len(page)
        return count

    async def sweep_uploads(self, delivery: Delivery[FilesUnitOfWork]) -> None:
        """End uploads that were never completed, and drop rows that are long over."""
        now = self._clock.now()
        while True:
            async with delivery.step() as uow:
                overdue = await uow.files.overdue(now - UPLOAD_GRACE, limit=_BATCH)
                for file in overdue:
                    await expire(uow, file, now)
            if len(overdue) < _BATCH:
                break
        async with delivery.step() as uow:
            await uow.files.prune(now - TOMBSTONE_AGE, limit=10 * _BATCH)

    async def sweep_storage(self, delivery: Delivery[FilesUnitOfWork]) -> None:
        """Delete objects that no row wants, a part of the storage in each run. A run that dies begins its last page again."""
        async with delivery.step() as uow:
            cursor = await uow.files.sweep_position()
        for _ in range(_PAGES):
            page, following = await self._page_from(cursor)
            old = [found for found in page if self._clock.now() - found.modified_at > ORPHAN_AGE]
            async with delivery.step() as uow:
                orphans = await _unwanted(uow, old)
            if orphans:
                logger.warning("%d objects without a file were deleted", len(orphans))
            await self.delete(orphans)
            async with delivery.step() as uow:
                await uow.files.set_sweep_position(following)
            cursor = following
            if cursor is None:
                return

    async def delete(self, keys: Sequence[str]) -> None:
        """Raises `Unavailable` when something stays."""
        if not keys:
            return
        storage = self._providers.storage()
        report = await storage.delete_many(keys)
        if report.failed:
            raise Unavailable(
                f"{len(report.failed)} objects could not be deleted", provider=storage.name, operation="delete_many"
            )

    async def _page_from(self, cursor: str | None) -> tuple[Sequence[ObjectInfo], str | None]:
        """A storage that does not know its own cursor any more is looked at from the beginning."""
        storage = self._providers.storage()
        try:
            page = await storage.list(FOLDER, cursor=cursor)
        except Rejected:
            if cursor is None:
                raise
            page = await storage.list(FOLDER)
        return page.objects, page.cursor

    async def _pages(self, prefix: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Listed to the end before anything is deleted: a cursor may count what is there."""
        storage, cursor = self._providers.storage(), None
        pages = []
        while True:
            page = await storage.list(prefix, cursor=cursor)
            pages.append(page.objects)
            cursor = page.cursor
            if cursor is None:
                break
        for objects in pages:
            yield objects


async def expire(uow: FilesUnitOfWork, file: File, now: datetime) -> None:
    """For a locked row."""
    await uow.files.update(file.to(FileStatus.EXPIRED, now))
    uow.send(tidying_of(file))


async def _unwanted(uow: FilesUnitOfWork, objects: Sequence[ObjectInfo]) -> Sequence[str]:
    """Read after the storage: a row is committed before its objects are written. What is named after no file is left alone."""
    named = {found.key: ids for found in objects if (ids := ids_in(found.key)) is not None}
    files = await uow.files.by_ids(list({file_id for _, file_id in named.values()}))
    return [key for key, (owner_id, file_id) in named.items() if not is_wanted(key, _of(files.get(file_id), owner_id))]


def _of(file: File | None, owner_id: UUID) -> File | None:
    return file if file is not None and file.owner_id == owner_id else None


def _ids(message: Message) -> tuple[UUID, UUID]:
    return UUID(message.payload["owner_id"]), UUID(message.payload["file_id"])
