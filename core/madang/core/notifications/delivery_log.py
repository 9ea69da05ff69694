"""What was sent to a person, as they may read it: no words, and addresses with their middle left out."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.model import RECIPIENT, Channel, Notification, NotificationStatus
from madang.core.notifications.repository import NotificationsUnitOfWork


@dataclass(frozen=True, slots=True)
class LogEntry:
    """`channel` and `recipient` (masked) are None until they are decided, `recipient` again once it is forgotten. `reason` is
    why nothing was sent, or what the receiving side said."""

    id: UUID
    kind: str
    channel: Channel | None
    status: NotificationStatus
    recipient: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime


class DeliveryLog:
    def __init__(self, units: UnitOfWorkFactory[NotificationsUnitOfWork], cipher: PersonalDataCipher) -> None:
        self._units = units
        self._cipher = cipher

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[LogEntry]:
        """A user's own, the newest first. Raises `ValidationFailed` at `cursor`."""
        async with self._units() as uow:
            found = await uow.notifications.page(user_id, request)
        return CursorPage([self._entry(each) for each in found.items], found.limit, found.next_cursor)

    def _entry(self, notification: Notification) -> LogEntry:
        sealed = notification.recipient
        return LogEntry(
            id=notification.id,
            kind=notification.template,
            channel=notification.channel,
            status=notification.status,
            recipient=None if sealed is None else masked(self._cipher.decrypt(sealed, purpose=RECIPIENT)),
            reason=_reason(notification),
            created_at=notification.created_at,
            updated_at=notification.updated_at,
        )


def masked(address: str) -> str:
    """`k***@example.com`, `+82********78`: enough to know one's own again."""
    name, at, domain = address.rpartition("@")
    if at:
        return f"{name[:1]}***@{domain}"
    return f"{address[:3]}{'*' * max(0, len(address) - 5)}{address[-2:]}"


def _reason(notification: Notification) -> str | None:
    """A provider's own words are for operators: they may name its account, or ours there."""
    told = notification.failure
    return told if told is None or told.replace("_", "").isalpha() else "provider_refused"
