"""Use cases of notifications: record a message in the caller's commit, for the worker to send once."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from madang.core.kernel.clock import Clock
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, NewMessage, RetryPolicy, Topic
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.notifications.addressing import Addressing
from madang.core.notifications.carriers import carriers
from madang.core.notifications.kinds import kind_named
from madang.core.notifications.model import RECIPIENT, TEXT, Category, Channel, Notification, NotificationStatus
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.core.notifications.sending import Sending

logger = logging.getLogger(__name__)

SEND: Final = "notifications.send"
SEND_SMS: Final = "notifications.send_sms"


class NotificationService:
    """Fulfils `Notifier`."""

    def __init__(self, providers: Providers, cipher: PersonalDataCipher, clock: Clock, addressing: Addressing) -> None:
        self._cipher = cipher
        self._clock = clock
        self._addressing = addressing
        self._sending = Sending(carriers(providers), addressing, clock)

    async def notify(
        self,
        uow: NotificationsUnitOfWork,
        user_id: UUID,
        kind: str,
        *,
        key: str,
        values: Mapping[str, str],
        subject: str | None = None,
    ) -> None:
        """Where it goes is found out when it is sent: an address that changes, or a person who is erased before, is heard.
        A farewell is the one exception; it must be recorded before its reader is erased, in the same commit."""
        declared = kind_named(kind)
        declared.check(values)
        if declared.category is Category.OPERATIONS:
            raise LookupError(f"{kind} is for the operators, not for a user")
        notification = self._new(
            key, kind, subject or f"user:{user_id}", user_id=user_id, content=self._addressing.sealed(values)
        )
        if declared.farewell:
            addressed = await self._addressing.farewell(uow, user_id, notification, declared)
            if addressed is None:
                return
            notification = addressed
        await self._record(uow, notification, SEND)

    async def queue_sms(
        self, uow: NotificationsUnitOfWork, *, key: str, to: str, template: str, text: str, subject: str
    ) -> None:
        """Record a message to `to` (E.164) in the caller's commit; a second one with the same key is dropped."""
        notification = self._new(
            key,
            template,
            subject,
            channel=Channel.SMS,
            recipient=self._cipher.encrypt(to, purpose=RECIPIENT),
            text=self._cipher.encrypt(text, purpose=TEXT),
        )
        await self._record(uow, notification, SEND_SMS)

    def handlers(self) -> Sequence[Handler[NotificationsUnitOfWork]]:
        sms = Topic(SEND_SMS, retry=RetryPolicy((5, 20, 60)), time_limit=60)
        letters = Topic(SEND, retry=RetryPolicy((5, 20, 60, 300, 1800)), time_limit=90)
        return tuple(Handler(topic, run=self.send, give_up=self.give_up) for topic in (sms, letters))

    async def send(self, delivery: Delivery[NotificationsUnitOfWork]) -> None:
        await self._sending.run(delivery)

    async def give_up(self, uow: NotificationsUnitOfWork, message: Message, failure: Failure) -> None:
        await self._sending.give_up(uow, message, failure)

    def _new(
        self,
        key: str,
        template: str,
        subject: str,
        *,
        channel: Channel | None = None,
        recipient: bytes | None = None,
        text: bytes | None = None,
        user_id: UUID | None = None,
        content: bytes | None = None,
    ) -> Notification:
        now = self._clock.now()
        return Notification(
            id=new_id(),
            key=key,
            channel=channel,
            template=template,
            subject=subject,
            status=NotificationStatus.QUEUED,
            created_at=now,
            updated_at=now,
            recipient=recipient,
            text=text,
            user_id=user_id,
            content=content,
        )

    async def _record(self, uow: NotificationsUnitOfWork, notification: Notification, topic: str) -> None:
        if await uow.notifications.add(notification):
            carried_as = "sms" if topic == SEND_SMS else "notification"
            payload = {"notification_id": str(notification.id)}
            uow.send(NewMessage(topic, payload, key=f"{carried_as}:{notification.key}", subject=notification.subject))
