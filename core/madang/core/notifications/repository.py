"""What notifications ask of storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from madang.core.identity.model import User
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.unit_of_work import UnitOfWork
from madang.core.notifications.model import Notification, Preferences, Suppression


class NotificationRepository(Protocol):
    async def add(self, notification: Notification) -> bool:
        """False when one with this key is already there; then nothing was written."""
        ...

    async def get(self, notification_id: UUID, *, lock: bool = False) -> Notification | None: ...

    async def settle(self, notification: Notification) -> bool:
        """Write how it is to be sent: channel, recipient and text. False when its content is gone, because its reader is."""
        ...

    async def update(self, notification: Notification) -> None:
        """Everything but whose it is; what is empty stays empty."""
        ...

    async def purge(self, subject: str) -> int:
        """Empty recipient, text and content of every notification about `subject`; how many rows it touched."""
        ...

    async def by_receipt(self, provider: str, receipt_id: str, *, lock: bool = False) -> Notification | None: ...

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[Notification]:
        """A user's, the newest first. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[Notification]:
        """All of a user's, the oldest first."""
        ...

    async def erase(self, user_id: UUID, now: datetime) -> int:
        """Empty what is personal in a user's notifications; what is still queued is withheld."""
        ...

    async def forget_texts(self, before: datetime, now: datetime, *, limit: int) -> int:
        """Empty recipient, text and content of what is older; what is still queued is withheld."""
        ...

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete what is older."""
        ...


class PreferencesRepository(Protocol):
    async def get(self, user_id: UUID) -> Preferences | None: ...

    async def lock(self, user_id: UUID, now: datetime) -> Preferences:
        """The user's row, locked; made where there is none, with version 0."""
        ...

    async def save(self, preferences: Preferences) -> None: ...

    async def remove(self, user_id: UUID) -> int: ...


class SuppressionRepository(Protocol):
    async def add(self, suppression: Suppression) -> bool:
        """False when the address is suppressed already."""
        ...

    async def any_of(self, address_hashes: Sequence[bytes]) -> bool: ...

    async def of_user(self, user_id: UUID) -> Sequence[Suppression]: ...

    async def remove(self, user_id: UUID) -> int: ...


class People(Protocol):
    """Whom to write to, and where; fulfilled by the users of identity."""

    async def get(self, user_id: UUID, *, lock: bool = False) -> User | None: ...


class NotificationsUnitOfWork(UnitOfWork, Protocol):
    @property
    def notifications(self) -> NotificationRepository: ...

    @property
    def notification_preferences(self) -> PreferencesRepository: ...

    @property
    def email_suppressions(self) -> SuppressionRepository: ...

    @property
    def users(self) -> People: ...
