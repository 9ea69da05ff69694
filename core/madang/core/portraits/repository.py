"""What portraits ask of storage."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from madang.core.billing.repository import BillingUnitOfWork
from madang.core.kernel.paging import Page, PageRequest
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.core.operations.audit import AuditedUnitOfWork
from madang.core.operations.deletion import DeletionReceipt, ReceiptRepository
from madang.core.portraits.model import (
    AccessAttempts,
    CareEntry,
    Portrait,
    PortraitPicture,
    Survey,
)


class PortraitRepository(Protocol):
    async def get(self, portrait_id: UUID, *, lock: bool = False) -> Portrait | None:
        """With `lock`, the row is held until the unit of work ends."""
        ...

    async def by_client_reference(self, account: str, client_reference: str) -> Portrait | None: ...

    async def add(self, portrait: Portrait) -> None:
        """Raises `AlreadyExists` (with the first one's `id`) when the account's client reference is taken, also by a
        concurrent request."""
        ...

    async def update(self, portrait: Portrait) -> None:
        """Write the whole row (status, phone, photo, report, failure …)."""
        ...

    async def pictures(self, portrait_id: UUID) -> Sequence[PortraitPicture]:
        """In the order of their index."""
        ...

    async def add_pictures(self, pictures: Sequence[PortraitPicture]) -> None: ...

    async def update_picture(self, picture: PortraitPicture) -> None: ...

    async def attempts(self, portrait_id: UUID, address_hash: bytes, *, lock: bool = False) -> AccessAttempts | None: ...

    async def save_attempts(self, attempts: AccessAttempts) -> None: ...

    async def add_survey(self, survey: Survey) -> bool:
        """False when the job has one already; then nothing was written."""
        ...

    async def survey(self, portrait_id: UUID) -> Survey | None: ...

    async def purge(self, portrait_id: UUID, *, now: datetime) -> dict[str, int]:
        """Remove every row and column with personal data of this job: pictures, report, attempts, survey, photo,
        phone, account, client reference. Sets `purged_at`. Answers how many rows of which table were removed or emptied."""
        ...


class KnowledgeBaseRepository(Protocol):
    async def all(self) -> Sequence[CareEntry]:
        """By code."""
        ...

    async def page(self, request: PageRequest, *, category: str | None = None) -> Page[CareEntry]: ...

    async def get(self, code: str) -> CareEntry | None: ...

    async def add(self, entry: CareEntry) -> bool:
        """False when the code is taken; then nothing was written."""
        ...

    async def save(self, entry: CareEntry) -> None:
        """Insert or replace by code."""
        ...

    async def delete(self, code: str) -> bool: ...


class WorkRepository(Protocol):
    """Of the outbox, what the purge and the repair of a job must know."""

    async def leased(self, subject: str, *, except_for: UUID) -> int:
        """How many other messages about `subject` a worker holds right now (lease not over), but those of the same topic."""
        ...

    async def cancel_waiting(self, subject: str, *, except_for: UUID) -> int:
        """Delete the messages about `subject` that nobody has begun; how many."""
        ...

    async def goes_on(self, subject: str, topics: Collection[str]) -> bool:
        """Whether a message of these topics about `subject` waits or is at work."""
        ...


@dataclass(frozen=True, slots=True)
class PortraitView:
    """What one read of the job's status needs."""

    portrait: Portrait
    pictures: Sequence[PortraitPicture]
    checkout_url: str | None
    deletion_receipt: DeletionReceipt | None


class PortraitReader(Protocol):
    """The hot read: one statement, outside any unit of work."""

    async def view(self, portrait_id: UUID) -> PortraitView | None: ...


class PortraitsUnitOfWork(AuditedUnitOfWork, BillingUnitOfWork, NotificationsUnitOfWork, Protocol):
    @property
    def portraits(self) -> PortraitRepository: ...

    @property
    def knowledge_base(self) -> KnowledgeBaseRepository: ...

    @property
    def receipts(self) -> ReceiptRepository: ...

    @property
    def work(self) -> WorkRepository: ...
