"""No file stays in the storage past its job's end: what the rows alone cannot tell."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.kernel.clock import Clock
from madang.core.kernel.invariants import Violation
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.model import Portrait, storage_prefix_of, subject_of
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.ports.errors import Unavailable
from madang.ports.storage import ObjectInfo, Storage

FOLDER: Final = "portraits/"
GRACE: Final = timedelta(minutes=5)
"""What a purge may take."""
YOUNG: Final = timedelta(minutes=10)
"""An upload of this age may be just in front of its commit."""

_EXPIRED: Final = "expired"
_PURGED: Final = "purged"
_UNKNOWN: Final = "unknown"


@dataclass(slots=True)
class _Files:
    """The files of one folder under `portraits/`; `newest` is when the last of them was written."""

    folder: str
    newest: datetime
    keys: list[str] = field(default_factory=list)

    def add(self, found: ObjectInfo) -> None:
        self.keys.append(found.key)
        self.newest = max(self.newest, found.modified_at)

    @property
    def portrait_id(self) -> UUID | None:
        """None for what is named after no job: only a prefix just as the jobs' own are written counts."""
        try:
            found = UUID(self.folder.removesuffix("/"))
        except ValueError:
            return None
        return found if storage_prefix_of(found) == f"{FOLDER}{self.folder}" else None


class NoFilePastItsPurge:
    """Fulfils `Invariant`: files of jobs that are purged, that should be since `grace`, or that do not exist."""

    name: Final = "no-file-past-its-purge-date"
    explanation: Final = (
        "Five minutes after its time a portrait has no file in the storage, and no file is there without a portrait. "
        "What a purge left is deleted; while a purge itself is overdue, every-portrait-is-purged-in-time makes it due."
    )

    def __init__(
        self,
        units: UnitOfWorkFactory[PortraitsUnitOfWork],
        storage: Callable[[], Storage],
        clock: Clock,
        grace: timedelta = GRACE,
    ) -> None:
        self._units = units
        self._storage = storage
        self._clock = clock
        self._grace = grace

    async def violations(self, *, limit: int = 100) -> Sequence[Violation]:
        found: list[Violation] = []
        async with aclosing(self._folders(FOLDER)) as batches:
            async for batch in batches:
                found += await self._broken(batch)
                if len(found) >= limit:
                    break
        return found[:limit]

    async def mend(self, violation: Violation) -> str:
        """Looks again first, and then deletes what it saw. Leaves files of an overdue purge to that purge. Empty for
        files that are named after no job. Raises `Unavailable` when something could not be deleted."""
        if "portrait_id" not in violation.detail:
            return ""
        prefix = storage_prefix_of(UUID(violation.detail["portrait_id"]))
        folders = [folder async for batch in self._folders(prefix) for folder in batch]
        still = await self._broken(folders)
        if not still:
            return "it has gone on by itself"
        if still[0].detail["portrait"] == _EXPIRED:
            return "left to the overdue purge"
        return await self._delete([key for folder in folders for key in folder.keys])

    async def _folders(self, prefix: str) -> AsyncGenerator[Sequence[_Files], None]:
        """Page by page, each folder once and whole: a listing is in the order of the keys."""
        storage, cursor = self._storage(), None
        folders: list[_Files] = []
        while True:
            page = await storage.list(prefix, cursor=cursor)
            for found in page.objects:
                folder = _folder_of(found.key)
                if not folders or folders[-1].folder != folder:
                    folders.append(_Files(folder, found.modified_at))
                folders[-1].add(found)
            cursor = page.cursor
            if cursor is None:
                yield folders
                return
            yield folders[:-1]
            folders = folders[-1:]

    async def _broken(self, folders: Sequence[_Files]) -> Sequence[Violation]:
        """Read after the storage: a job whose files were seen has been committed by now, or they are young."""
        found = []
        async with self._units() as uow:
            for files in folders:
                portrait_id = files.portrait_id
                portrait = None if portrait_id is None else await uow.portraits.get(portrait_id)
                state = self._state(files, portrait)
                if state is not None:
                    found.append(_violation(files, portrait_id, state))
        return found

    def _state(self, files: _Files, portrait: Portrait | None) -> str | None:
        """What is wrong with the job of these files; None when they may be there."""
        now = self._clock.now()
        if portrait is None:
            return _UNKNOWN if now - files.newest > YOUNG else None
        if portrait.purged_at is not None:
            return _PURGED
        return _EXPIRED if now - portrait.expires_at > self._grace else None

    async def _delete(self, keys: Sequence[str]) -> str:
        storage = self._storage()
        report = await storage.delete_many(keys)
        if report.failed:
            raise Unavailable(
                f"{len(report.failed)} files could not be deleted", provider=storage.name, operation="delete_many"
            )
        return f"deleted {len(keys)} files"


def _folder_of(key: str) -> str:
    """`<id>/` of `portraits/<id>/…`; the whole rest of a key that is in no folder of its own."""
    head, slash, _ = key.removeprefix(FOLDER).partition("/")
    return head + slash


def _violation(files: _Files, portrait_id: UUID | None, state: str) -> Violation:
    detail = {"portrait": state, "files": len(files.keys)}
    if portrait_id is None:
        return Violation(f"files:{FOLDER}{files.folder}", detail)
    return Violation(subject_of(portrait_id), {"portrait_id": str(portrait_id), **detail})
