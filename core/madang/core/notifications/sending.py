"""Sending, the same for every channel: once, by the first provider that can, and by another only when that one surely did
not."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.kernel.actions import Action, ActionState, Effect, perform
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Message, NewMessage
from madang.core.notifications.addressing import Addressing
from madang.core.notifications.carriers import STATUS_OF, Carrier, Parcel, Receipt, Way
from madang.core.notifications.model import OVER, Channel, Notification, NotificationStatus
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.ports.errors import Misconfigured, PortError, RateLimited, Unavailable

logger = logging.getLogger(__name__)

LOOK_UP: Final = "notifications.look_up"
LOOK_UP_AFTER: Final = (60, 600, 3600, 6 * 3600, 24 * 3600)
"""Seconds between the questions to a provider with delivery reports, until it knows."""
_WITH_A_PROVIDER: Final = frozenset({NotificationStatus.SENT, NotificationStatus.DELIVERED})


class Sending:
    def __init__(self, carriers: Mapping[Channel, Carrier], addressing: Addressing, clock: Clock) -> None:
        self._carriers = carriers
        self._addressing = addressing
        self._clock = clock

    async def run(self, delivery: Delivery[NotificationsUnitOfWork]) -> None:
        notification = await self._prepared(delivery)
        if notification is None:
            return
        way, receipt = await self._send_by_route(delivery, notification)
        async with delivery.finish() as uow:
            current = await uow.notifications.get(notification.id, lock=True)
            if current is None:
                return
            told = outcome(current, way.name, receipt, self._clock.now())
            await uow.notifications.update(told)
            asked = look_up_message(told.id, 0, self._clock.now())
            if asked is not None and way.reports and told.status is NotificationStatus.SENT and current.content is not None:
                uow.send(asked)

    async def give_up(self, uow: NotificationsUnitOfWork, message: Message, failure: Failure) -> None:
        """Failed only when nobody can have sent it; what a provider did before its answer was lost on our side counts."""
        notification = await uow.notifications.get(UUID(message.payload["notification_id"]), lock=True)
        if notification is None or notification.status in OVER:
            return
        action = await _action_of(uow, notification)
        if action is not None and action.state is ActionState.SUCCEEDED:
            await uow.notifications.update(outcome(notification, action.provider, action.result or {}, self._clock.now()))
            return
        doubtful = action is not None and action.state in (ActionState.RUNNING, ActionState.UNKNOWN)
        status = NotificationStatus.UNKNOWN if doubtful else NotificationStatus.FAILED
        given_up = dataclasses.replace(notification, status=status, failure=failure.message, updated_at=self._clock.now())
        await uow.notifications.update(_emptied(given_up) if notification.keeps_nothing else given_up)

    async def _prepared(self, delivery: Delivery[NotificationsUnitOfWork]) -> Notification | None:
        """As it is to be sent. From the moment that a provider may have it, nothing about it is decided anew."""
        async with delivery.step() as uow:
            found = await uow.notifications.get(UUID(delivery.message.payload["notification_id"]), lock=True)
            if found is None or found.status in OVER or (found.text is None and found.content is None):
                return None
            if found.content is None or await _may_be_with(uow, found):
                return found
            return await self._addressing.decide(uow, found)

    async def _send_by_route(
        self, delivery: Delivery[NotificationsUnitOfWork], notification: Notification
    ) -> tuple[Way, Receipt]:
        """The next provider is tried only when the one before surely did not send: that is what its action says, for the same
        errors come from our own database, too."""
        refused: PortError | None = None
        for way in await self._in_order(delivery, notification):
            await self._hand_to(delivery, notification, way.name)
            try:
                return way, await perform(delivery, self._effect(way, notification), self._clock)
            except (Unavailable, RateLimited, Misconfigured) as error:
                if await _may_be_sent(delivery, notification.id):
                    raise
                logger.warning("%s provider %s did not send, trying the next: %s", notification.channel, way.name, error)
                refused = error if refused is None or isinstance(refused, Misconfigured) else refused
        raise refused or Misconfigured(f"no provider is in the route for {notification.channel}", operation="send")

    async def _in_order(self, delivery: Delivery[NotificationsUnitOfWork], notification: Notification) -> Sequence[Way]:
        """The route, but first of all the one that may have sent it in an earlier try, even if it has left the route."""
        carrier = self._carrier(notification)
        if notification.provider is None or not await _may_be_sent(delivery, notification.id):
            return carrier.route(notification.provider)
        first = carrier.one(notification.provider)
        return [first, *(way for way in carrier.route(notification.provider) if way.name != first.name)]

    async def _hand_to(self, delivery: Delivery[NotificationsUnitOfWork], notification: Notification, provider: str) -> None:
        """Who has it, before he is asked: all others surely did not send it."""
        async with delivery.step() as uow:
            current = await uow.notifications.get(notification.id, lock=True)
            if current is not None and current.provider != provider:
                await uow.notifications.update(dataclasses.replace(current, provider=provider, updated_at=self._clock.now()))

    def _effect(self, way: Way, notification: Notification) -> Effect:
        return way.effect(
            Parcel(
                key=_key(notification, way.name),
                to=self._addressing.recipient(notification) or "",
                letter=self._addressing.letter(notification),
                kind=notification.template,
                subject=notification.subject,
            )
        )

    def _carrier(self, notification: Notification) -> Carrier:
        if notification.channel is None:
            raise LookupError("the channel is decided before anything is sent")
        return self._carriers[notification.channel]


def outcome(notification: Notification, provider: str, receipt: Receipt, now: datetime) -> Notification:
    """What the provider's answer makes of it. Words that arrived are needed no more: they may hold a link that opens
    something. A message in its own words is its sender's to purge."""
    status = STATUS_OF.get(receipt["status"], NotificationStatus.SENT)
    told = dataclasses.replace(
        notification,
        status=status,
        provider=provider,
        receipt_id=receipt["id"],
        failure=receipt.get("error"),
        updated_at=now,
    )
    if notification.keeps_nothing:
        return _emptied(told)
    arrived = notification.content is not None and status in _WITH_A_PROVIDER
    return dataclasses.replace(told, text=None, content=None) if arrived else told


def look_up_message(notification_id: UUID, round_: int, now: datetime) -> NewMessage | None:
    """Ask what became of it; None when it was asked often enough."""
    if round_ >= len(LOOK_UP_AFTER):
        return None
    return NewMessage(
        LOOK_UP,
        {"notification_id": str(notification_id), "round": round_},
        key=f"notification:look-up:{notification_id}:{round_}",
        due_at=now + timedelta(seconds=LOOK_UP_AFTER[round_]),
    )


def _emptied(notification: Notification) -> Notification:
    return dataclasses.replace(notification, recipient=None, text=None, content=None)


def _key(notification: Notification, provider: str) -> str:
    return f"{notification.channel}:{notification.id}:{provider}"


async def _action_of(uow: NotificationsUnitOfWork, notification: Notification) -> Action | None:
    return None if notification.provider is None else await uow.actions.get(_key(notification, notification.provider))


async def _may_be_with(uow: NotificationsUnitOfWork, notification: Notification) -> bool:
    """Whether the provider that was asked last may have sent it."""
    action = await _action_of(uow, notification)
    return action is not None and action.state is not ActionState.QUEUED


async def _may_be_sent(delivery: Delivery[NotificationsUnitOfWork], notification_id: UUID) -> bool:
    async with delivery.step() as uow:
        notification = await uow.notifications.get(notification_id)
        return notification is not None and await _may_be_with(uow, notification)
