"""What files ask of storage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from madang.core.files.model import File, FileStatus
from madang.core.kernel.paging import Page, PageRequest
from madang.core.operations.audit import AuditedUnitOfWork


@dataclass(frozen=True, slots=True)
class Usage:
    """What an owner keeps and has announced: bytes of all that is pending or available, and how many are pending."""

    bytes: int
    pending: int


class FileRepository(Protocol):
    async def get(self, file_id: UUID, *, lock: bool = False) -> File | None: ...

    async def add(self, file: File) -> bool:
        """False when the id is taken, also by a concurrent request; then nothing was written."""
        ...

    async def update(self, file: File) -> None: ...

    async def remove(self, file_id: UUID) -> None:
        """A pending one that came to nothing."""
        ...

    async def page(
        self, owner_id: UUID, request: PageRequest, *, purpose: str | None = None, status: FileStatus | None = None
    ) -> Page[File]:
        """The newest first; without a status all but the deleted ones."""
        ...

    async def usage(self, owner_id: UUID) -> Usage:
        """Until the commit nobody else counts this owner's files: two uploads at once do not both take the last place."""
        ...

    async def overdue(self, before: datetime, *, limit: int) -> Sequence[File]:
        """Pending ones that expired before then, locked; those that somebody else holds are left out."""
        ...

    async def unpurged(self, before: datetime, *, limit: int) -> Sequence[File]:
        """Those that were over before then and whose objects nobody saw gone."""
        ...

    async def by_ids(self, file_ids: Sequence[UUID]) -> Mapping[UUID, File]: ...

    async def purged(self, file_id: UUID, now: datetime) -> None:
        """Write down that nothing of a file that is over is left in the storage."""
        ...

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete rows of files that were over, and gone from the storage, before then."""
        ...

    async def of_owner(self, owner_id: UUID) -> Sequence[File]:
        """All of them, the oldest first."""
        ...

    async def erase(self, owner_id: UUID) -> int:
        """Delete the rows; how many there were."""
        ...

    async def sweep_position(self) -> str | None:
        """Where the last look through the storage stopped; None for the beginning."""
        ...

    async def set_sweep_position(self, cursor: str | None) -> None: ...


class FilesUnitOfWork(AuditedUnitOfWork, Protocol):
    @property
    def files(self) -> FileRepository: ...
