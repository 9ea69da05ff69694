"""What notifications owe a person: the log and the preferences as JSON, and to forget where they were written to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.kernel.protection import PersonalDataCipher
from madang.core.notifications.model import RECIPIENT, SUPPRESSED_ADDRESS, Notification
from madang.core.notifications.repository import NotificationsUnitOfWork

_TABLES: Final = frozenset({"notifications", "notification_preferences", "email_suppressions"})


class NotificationsPersonalData:
    """Fulfils `PersonalData`."""

    name: Final = "notifications"
    tables: Final = _TABLES

    def __init__(self, cipher: PersonalDataCipher) -> None:
        self._cipher = cipher

    async def export(self, uow: NotificationsUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        """Without the messages' words: they may hold links that open something."""
        sent = await uow.notifications.of_user(user_id)
        preferences = await uow.notification_preferences.get(user_id)
        suppressed = await uow.email_suppressions.of_user(user_id)
        chosen = preferences.chosen if preferences else {}
        return {
            "sent": [self._told(notification) for notification in sent],
            "preferences": {category.value: [channel.value for channel in channels] for category, channels in chosen.items()},
            "suppressedAddresses": [
                {
                    "address": self._cipher.decrypt(each.address, purpose=SUPPRESSED_ADDRESS),
                    "reason": each.reason,
                    "since": each.created_at,
                }
                for each in suppressed
            ],
        }

    async def forget_outside(self, user_id: UUID) -> None:
        """What was sent is with its readers and cannot be called back."""

    async def erase(self, uow: NotificationsUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """The log stays without the person, for the counts; a farewell that is on its way is nobody's already."""
        return {
            "notifications": await uow.notifications.erase(user_id, now),
            "notification_preferences": await uow.notification_preferences.remove(user_id),
            "email_suppressions": await uow.email_suppressions.remove(user_id),
        }

    def _told(self, notification: Notification) -> Mapping[str, Any]:
        sealed = notification.recipient
        return {
            "kind": notification.template,
            "channel": notification.channel and notification.channel.value,
            "status": notification.status.value,
            "recipient": None if sealed is None else self._cipher.decrypt(sealed, purpose=RECIPIENT),
            "createdAt": notification.created_at,
            "updatedAt": notification.updated_at,
        }
