"""What notifications ask of storage."""

from typing import Protocol
from uuid import UUID

from madang.core.kernel.unit_of_work import UnitOfWork
from madang.core.notifications.model import Notification


class NotificationRepository(Protocol):
    async def add(self, notification: Notification) -> bool:
        """False when one with this key is already there; then nothing was written."""
        ...

    async def get(self, notification_id: UUID, *, lock: bool = False) -> Notification | None: ...

    async def update(self, notification: Notification) -> None: ...

    async def purge(self, subject: str) -> int:
        """Empty recipient and text of every notification about `subject`; how many rows it touched."""
        ...


class NotificationsUnitOfWork(UnitOfWork, Protocol):
    @property
    def notifications(self) -> NotificationRepository: ...
