"""No file outlives its end: what the rows can tell of it. A look through the storage itself is the sweep's."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from madang.core.files.cleaning import expire, tidying_of
from madang.core.files.model import OVER, UPLOAD_GRACE, File, FileStatus
from madang.core.files.repository import FilesUnitOfWork
from madang.core.kernel.clock import Clock
from madang.core.kernel.invariants import Violation
from madang.core.kernel.unit_of_work import UnitOfWorkFactory

SWEPT_WITHIN: Final = timedelta(minutes=30)
TIDIED_WITHIN: Final = timedelta(minutes=15)


class NoFilePastItsTime:
    """Fulfils `Invariant`: pending uploads that the sweep forgot, and ended files whose objects nobody saw gone."""

    name: Final = "no-file-past-its-time"
    explanation: Final = (
        "An upload that never came is ended within half an hour of its time, and the objects of a file that is over are gone "
        "from the storage within fifteen minutes. What is left is ended and deleted."
    )

    def __init__(self, units: UnitOfWorkFactory[FilesUnitOfWork], clock: Clock) -> None:
        self._units = units
        self._clock = clock

    async def violations(self, *, limit: int = 100) -> Sequence[Violation]:
        now = self._clock.now()
        async with self._units() as uow:
            overdue = await uow.files.overdue(now - UPLOAD_GRACE - SWEPT_WITHIN, limit=limit)
            unpurged = await uow.files.unpurged(now - TIDIED_WITHIN, limit=limit)
        return [_violation(file) for file in (*overdue, *unpurged)][:limit]

    async def mend(self, violation: Violation) -> str:
        now = self._clock.now()
        async with self._units() as uow:
            file = await uow.files.get(UUID(violation.detail["file_id"]), lock=True)
            if file is not None and file.status is FileStatus.PENDING and now > file.expires_at + UPLOAD_GRACE:
                await expire(uow, file, now)
                return "ended the upload, its objects follow"
            if file is not None and file.status in OVER and file.purged_at is None:
                uow.send(tidying_of(file))
                return "its objects are deleted again"
        return "it has gone on by itself"


def _violation(file: File) -> Violation:
    return Violation(file.subject, {"file_id": str(file.id), "status": file.status.value})
