"""What privacy asks of storage."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.operations.deletion import ReceiptRepository
from madang.core.privacy.model import Erasure


class ErasureRepository(Protocol):
    async def get(self, erasure_id: UUID, *, lock: bool = False) -> Erasure | None: ...

    async def of_user(self, user_id: UUID) -> Erasure | None: ...

    async def add(self, erasure: Erasure) -> bool:
        """False when the person has one already, also by a concurrent request; then nothing was written."""
        ...

    async def update(self, erasure: Erasure) -> None: ...

    async def destroy_left_keys(self) -> int:
        """Of people who are erased, data keys that a late request has made."""
        ...

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete those that were done before then."""
        ...


class PrivacyUnitOfWork(IdentityUnitOfWork, Protocol):
    @property
    def erasures(self) -> ErasureRepository: ...

    @property
    def receipts(self) -> ReceiptRepository: ...
