"""Use cases of notifications: record a message in the caller's commit, for the worker to send once."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from madang.ports.errors import Misconfigured

logger = logging.getLogger(__name__)

OPERATOR_KEY: Final = "notifications.operator"
SEND: Final = "notifications.send"
SEND_SMS: Final = "notifications.send_sms"
TELL_OPERATORS: Final = "notifications.tell_operators"
_PERSISTENT: Final = RetryPolicy((5, 20, 60, 300, *[1800] * 24))
"""Half a day: a provider's outage of an hour must not swallow what somebody has to know of their account."""
_PATIENT: Final = RetryPolicy((5, 20, 60, 300, 900, *[1800] * 96))
"""Two days: whoever runs the deployment is told of an alert although the providers of the messages are what is down."""


@dataclass(frozen=True, slots=True)
class Operators:
    """Who runs the deployment: their e-mail addresses, and the language they read. Their chat channels are the route's."""

    emails: Sequence[str] = field(default=(), repr=False)
    language: str = "en"


class NotificationService:
    """Fulfils `Notifier`."""

    def __init__(
        self,
        providers: Providers,
        cipher: PersonalDataCipher,
        clock: Clock,
        addressing: Addressing,
        operators: Operators,
    ) -> None:
        self._providers = providers
        self._operators = operators
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

    async def tell_operators(self, uow: NotificationsUnitOfWork, kind: str, *, key: str, values: Mapping[str, str]) -> None:
        """Post to every chat channel of the route and write to every operator's address. A second one with the same key is
        dropped. Raises `LookupError` as `notify` does."""
        declared = kind_named(kind)
        declared.check(values)
        if declared.category is not Category.OPERATIONS:
            raise LookupError(f"{kind} is for users, not for the operators")
        places = list(self._places())
        if not places:
            logger.warning("%s reaches nobody: no chat is in the route, and operator_emails is empty", kind)
        for place, channel, poster, address in places:
            asked = self._new(f"{key}:{place}", kind, "operators", content=self._addressing.sealed(values))
            asked = dataclasses.replace(asked, provider=poster)
            await self._record(
                uow, self._addressing.written(asked, declared, channel, address, self._operators.language), TELL_OPERATORS
            )

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
        letters = Topic(SEND, retry=_PERSISTENT, time_limit=90)
        alerts = Topic(TELL_OPERATORS, retry=_PATIENT, time_limit=90, max_crashes=100)
        return tuple(Handler(topic, run=self.send, give_up=self.give_up) for topic in (sms, letters, alerts))

    async def send(self, delivery: Delivery[NotificationsUnitOfWork]) -> None:
        await self._sending.run(delivery)

    async def give_up(self, uow: NotificationsUnitOfWork, message: Message, failure: Failure) -> None:
        await self._sending.give_up(uow, message, failure)

    def _places(self) -> Iterator[tuple[str, Channel, str | None, str | None]]:
        """Each with a word for its key, its channel, and the poster or the address."""
        try:
            posters = self._providers.chat_posters()
        except Misconfigured as error:
            logger.error("no chat of the route can be used: %s", error.message)
            posters = ()
        for poster in posters:
            yield f"chat:{poster.name}", Channel.CHAT, poster.name, None
        for address in self._operators.emails:
            hidden = self._cipher.keyed_hash(address, purpose=OPERATOR_KEY).hex()[:16]
            yield f"email:{hidden}", Channel.EMAIL, None, address

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
