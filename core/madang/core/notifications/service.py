"""Use cases of notifications: queue a text message in the caller's commit, and send it once."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from madang.core.kernel.actions import Action, ActionState, Effect, perform
from madang.core.kernel.clock import Clock
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, NewMessage, RetryPolicy, Topic
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.notifications.model import Channel, Notification, NotificationStatus
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.ports.errors import Misconfigured, PortError, RateLimited, Unavailable
from madang.ports.sms import SmsReceipt, SmsRequest, SmsSender, SmsStatus

logger = logging.getLogger(__name__)

SEND_SMS: Final = "notifications.send_sms"
RECIPIENT: Final = "notifications.recipient"
TEXT: Final = "notifications.text"


class NotificationService:
    def __init__(self, providers: Providers, cipher: PersonalDataCipher, clock: Clock) -> None:
        self._providers = providers
        self._cipher = cipher
        self._clock = clock

    async def queue_sms(
        self, uow: NotificationsUnitOfWork, *, key: str, to: str, template: str, text: str, subject: str
    ) -> None:
        """Record a message to `to` (E.164) in the caller's commit; a second one with the same key is dropped."""
        now = self._clock.now()
        notification = Notification(
            id=new_id(),
            key=key,
            channel=Channel.SMS,
            template=template,
            subject=subject,
            status=NotificationStatus.QUEUED,
            created_at=now,
            updated_at=now,
            recipient=self._cipher.encrypt(to, purpose=RECIPIENT),
            text=self._cipher.encrypt(text, purpose=TEXT),
        )
        if await uow.notifications.add(notification):
            uow.send(NewMessage(SEND_SMS, {"notification_id": str(notification.id)}, key=f"sms:{key}", subject=subject))

    def handlers(self) -> Sequence[Handler[NotificationsUnitOfWork]]:
        topic = Topic(SEND_SMS, retry=RetryPolicy((5, 20, 60)), time_limit=60)
        return (Handler(topic, run=self.send_sms, give_up=self.give_up),)

    async def send_sms(self, delivery: Delivery[NotificationsUnitOfWork]) -> None:
        async with delivery.step() as uow:
            notification = await uow.notifications.get(UUID(delivery.message.payload["notification_id"]))
        if notification is None or notification.recipient is None or notification.status is NotificationStatus.SENT:
            return
        provider, result = await self._send_by_route(delivery, notification)
        async with delivery.finish() as uow:
            current = await uow.notifications.get(notification.id, lock=True)
            if current is not None:
                await uow.notifications.update(self._outcome(current, provider, result))

    async def give_up(self, uow: NotificationsUnitOfWork, message: Message, failure: Failure) -> None:
        """Failed only when nobody can have sent it; what a provider did before its answer was lost on our side counts."""
        notification = await uow.notifications.get(UUID(message.payload["notification_id"]), lock=True)
        if notification is None or notification.status is NotificationStatus.SENT:
            return
        action = await _action_of(uow, notification)
        if action is not None and action.state is ActionState.SUCCEEDED:
            await uow.notifications.update(self._outcome(notification, action.provider, action.result or {}))
            return
        doubtful = action is not None and action.state in (ActionState.RUNNING, ActionState.UNKNOWN)
        status = NotificationStatus.UNKNOWN if doubtful else NotificationStatus.FAILED
        await uow.notifications.update(
            dataclasses.replace(notification, status=status, failure=failure.message, updated_at=self._clock.now())
        )

    async def _send_by_route(
        self, delivery: Delivery[NotificationsUnitOfWork], notification: Notification
    ) -> tuple[str, Mapping[str, Any]]:
        """The next sender is tried only when the one before surely did not send: that is what its action says, for the same
        errors come from our own database, too."""
        refused: PortError | None = None
        for sender in await self._in_order(delivery, notification):
            await self._hand_to(delivery, notification, sender.name)
            try:
                return sender.name, await perform(delivery, self._effect(sender, notification), self._clock)
            except (Unavailable, RateLimited, Misconfigured) as error:
                if await _may_be_sent(delivery, notification.id):
                    raise
                logger.warning("SMS provider %s did not send, trying the next: %s", sender.name, error)
                refused = error if refused is None or isinstance(refused, Misconfigured) else refused
        raise refused or Misconfigured("no SMS provider is in the route", operation="send")

    async def _in_order(self, delivery: Delivery[NotificationsUnitOfWork], notification: Notification) -> Sequence[SmsSender]:
        """The route, but first of all the one that may have sent it in an earlier try, even if it has left the route."""
        if notification.provider is None or not await _may_be_sent(delivery, notification.id):
            return self._providers.sms_senders()
        first = self._providers.sms_sender(notification.provider)
        return [first, *(sender for sender in self._providers.sms_senders() if sender.name != first.name)]

    async def _hand_to(self, delivery: Delivery[NotificationsUnitOfWork], notification: Notification, sender: str) -> None:
        """Who has it, before he is asked: all others surely did not send it."""
        async with delivery.step() as uow:
            current = await uow.notifications.get(notification.id, lock=True)
            if current is not None and current.provider != sender:
                await uow.notifications.update(dataclasses.replace(current, provider=sender, updated_at=self._clock.now()))

    def _effect(self, sender: SmsSender, notification: Notification) -> Effect:
        key = _key(notification, sender.name)
        request = SmsRequest(
            to=self._cipher.decrypt(notification.recipient or b"", purpose=RECIPIENT),
            text=self._cipher.decrypt(notification.text or b"", purpose=TEXT),
            idempotency_key=key,
        )

        async def call() -> Mapping[str, Any]:
            return _receipt_as_json(await sender.send(request))

        async def look_up() -> Mapping[str, Any] | None:
            found = await sender.find(key)
            return None if found is None else _receipt_as_json(found)

        return Effect(
            key=key,
            kind="sms.send",
            provider=sender.name,
            call=call,
            look_up=look_up if sender.capabilities.finds_by_key else None,
            repeatable=sender.capabilities.idempotent,
            subject=notification.subject,
            time_limit=request.timeout,
        )

    def _outcome(self, notification: Notification, provider: str, result: Mapping[str, Any]) -> Notification:
        failed = result["status"] == SmsStatus.FAILED.value
        return dataclasses.replace(
            notification,
            status=NotificationStatus.FAILED if failed else NotificationStatus.SENT,
            provider=provider,
            receipt_id=result["id"],
            failure=result.get("error"),
            updated_at=self._clock.now(),
        )


def _key(notification: Notification, sender: str) -> str:
    return f"sms:{notification.id}:{sender}"


async def _action_of(uow: NotificationsUnitOfWork, notification: Notification) -> Action | None:
    return None if notification.provider is None else await uow.actions.get(_key(notification, notification.provider))


async def _may_be_sent(delivery: Delivery[NotificationsUnitOfWork], notification_id: UUID) -> bool:
    async with delivery.step() as uow:
        notification = await uow.notifications.get(notification_id)
        action = await _action_of(uow, notification) if notification else None
    return action is not None and action.state is not ActionState.QUEUED


def _receipt_as_json(receipt: SmsReceipt) -> Mapping[str, Any]:
    return {"id": receipt.id, "status": receipt.status.value, "error": receipt.error}
