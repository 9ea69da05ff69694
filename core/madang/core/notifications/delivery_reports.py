"""What became of what was sent: providers tell it by webhook, or are asked; an address that refused is written to no more."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry, InboxRepository
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, NewMessage, RetryPolicy, Topic
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.carriers import carriers
from madang.core.notifications.model import (
    RECIPIENT,
    SUPPRESSED_ADDRESS,
    SUPPRESSED_HASH,
    Channel,
    Notification,
    NotificationStatus,
    Suppression,
)
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.core.notifications.sending import LOOK_UP, look_up_message
from madang.ports.email import EmailNotice, EmailStatus
from madang.ports.errors import Rejected
from madang.ports.webhook import WebhookRequest

HANDLE_REPORT: Final = "notifications.handle_report"
INBOX: Final = "email:"
"""Before the provider's name in the inbox: one company's payments and e-mails may count their events alike."""
_KNOWN_AFTER: Final = (5, 30, 300, 1800)
"""Seconds between tries to find what a report is about: it may overtake the answer to the sending."""
_FAILED: Final = frozenset({EmailStatus.BOUNCED, EmailStatus.FAILED})
_TELLING: Final = frozenset({NotificationStatus.SENT, NotificationStatus.DELIVERED, NotificationStatus.UNKNOWN})
_PATIENT: Final = RetryPolicy((5, 60, 600, 3600))


class ReportsUnitOfWork(NotificationsUnitOfWork, Protocol):
    @property
    def inbox(self) -> InboxRepository: ...


class DeliveryReports:
    def __init__(
        self, units: UnitOfWorkFactory[ReportsUnitOfWork], providers: Providers, cipher: PersonalDataCipher, clock: Clock
    ) -> None:
        self._units = units
        self._providers = providers
        self._carriers = carriers(providers)
        self._cipher = cipher
        self._clock = clock

    async def receive_webhook(self, provider: str, request: WebhookRequest) -> bool:
        """Verify a delivery and store each of its notices once; True when at least one was new.

        Raises `NotFound` for a provider that is not in the route or tells nothing, `SignatureInvalid` for a forged or stale
        delivery (nothing is stored).
        """
        sender = next((each for each in self._providers.email_senders() if each.name == provider), None)
        if sender is None or not sender.capabilities.webhooks:
            raise NotFound(f"no e-mail provider {provider!r} tells anything here", code="PROVIDER_NOT_FOUND")
        notices = sender.read_webhook(request)
        stored = False
        async with self._units() as uow:
            for notice in notices:
                entry = InboxEntry(
                    new_id(), f"{INBOX}{provider}", notice.event_id, notice.kind, _as_json(notice), request.received_at
                )
                if await uow.inbox.add(entry):
                    uow.send(_report_message(entry.id, 0, self._clock.now()))
                    stored = True
        return stored

    def handlers(self) -> Sequence[Handler[ReportsUnitOfWork]]:
        return (
            Handler(Topic(HANDLE_REPORT, retry=_PATIENT), handle=self.handle_report),
            Handler(Topic(LOOK_UP, retry=_PATIENT), run=self.look_up, give_up=self.give_up_look_up),
        )

    async def handle_report(self, uow: ReportsUnitOfWork, message: Message) -> None:
        entry = await uow.inbox.get(UUID(message.payload["inbox_id"]), lock=True)
        if entry is None or entry.handled_at is not None:
            return
        outcome = await self._handle(uow, entry, message.payload["round"])
        if outcome is not None:
            await uow.inbox.update(dataclasses.replace(entry, handled_at=self._clock.now(), outcome=outcome))

    async def look_up(self, delivery: Delivery[ReportsUnitOfWork]) -> None:
        """Ask for what nobody has told of yet, and later again."""
        payload = delivery.message.payload
        async with delivery.step() as uow:
            found = await uow.notifications.get(UUID(payload["notification_id"]))
        if found is None or found.status is not NotificationStatus.SENT or found.channel is None:
            return
        if found.provider is None or found.receipt_id is None:
            return
        try:
            receipt = await self._carriers[found.channel].one(found.provider).fetch(found.receipt_id)
        except Rejected as rejected:
            if rejected.reason != "not_found":
                raise
            receipt = None
        async with delivery.finish() as uow:
            if receipt is None:
                return
            status = await self._apply(uow, found.id, EmailStatus(receipt["status"]), permanent=False)
            if status is NotificationStatus.SENT:
                self._ask_again(uow, payload)

    async def give_up_look_up(self, uow: ReportsUnitOfWork, message: Message, failure: Failure) -> None:
        """A provider that is long away ends this question and not the asking."""
        self._ask_again(uow, message.payload)

    def _ask_again(self, uow: ReportsUnitOfWork, payload: Mapping[str, Any]) -> None:
        again = look_up_message(UUID(payload["notification_id"]), payload["round"] + 1, self._clock.now())
        if again is not None:
            uow.send(again)

    async def _handle(self, uow: ReportsUnitOfWork, entry: InboxEntry, round_: int) -> str | None:
        """What came of it; None when it is tried again."""
        told = entry.notice
        if told["receipt_id"] is None or told["status"] is None:
            return "about_nothing_of_ours"
        found = await uow.notifications.by_receipt(entry.provider.removeprefix(INBOX), told["receipt_id"])
        if found is not None:
            await self._apply(uow, found.id, EmailStatus(told["status"]), permanent=told["permanent"])
            return "applied"
        if round_ >= len(_KNOWN_AFTER):
            return "unknown_receipt"
        uow.send(_report_message(entry.id, round_ + 1, self._clock.now()))
        return None

    async def _apply(
        self, uow: ReportsUnitOfWork, notification_id: UUID, told: EmailStatus, *, permanent: bool
    ) -> NotificationStatus | None:
        """Its status afterwards."""
        notification = await uow.notifications.get(notification_id, lock=True)
        if notification is None:
            return None
        changed = after_report(notification, told, self._clock.now())
        if changed is not notification:
            await uow.notifications.update(changed)
        if notification.channel is Channel.EMAIL and (permanent or told is EmailStatus.COMPLAINED):
            await self._suppress(uow, notification, told)
        return changed.status

    async def _suppress(self, uow: ReportsUnitOfWork, notification: Notification, told: EmailStatus) -> None:
        """An address that is forgotten by now, or that belongs to nobody here, is not written down again."""
        if notification.recipient is None or notification.user_id is None:
            return
        address = self._cipher.decrypt(notification.recipient, purpose=RECIPIENT).lower()
        suppression = Suppression(
            address_hash=self._cipher.keyed_hash(address, purpose=SUPPRESSED_HASH),
            address=self._cipher.encrypt(address, purpose=SUPPRESSED_ADDRESS),
            user_id=notification.user_id,
            reason=told.value,
            created_at=self._clock.now(),
        )
        await uow.email_suppressions.add(suppression)


def after_report(notification: Notification, told: EmailStatus, now: datetime) -> Notification:
    """In whatever order reports come, and however often: refused for good beats a complaint, which beats delivered."""
    if notification.status not in _TELLING:
        return notification
    if told in _FAILED:
        status, failure = NotificationStatus.FAILED, told.value
    elif told is EmailStatus.COMPLAINED:
        status, failure = NotificationStatus.DELIVERED, told.value
    elif told is EmailStatus.DELIVERED and notification.status is not NotificationStatus.DELIVERED:
        status, failure = NotificationStatus.DELIVERED, None
    else:
        return notification
    return dataclasses.replace(notification, status=status, failure=failure, updated_at=now)


def _report_message(entry_id: UUID, round_: int, now: datetime) -> NewMessage:
    due_at = None if round_ == 0 else now + timedelta(seconds=_KNOWN_AFTER[round_ - 1])
    payload = {"inbox_id": str(entry_id), "round": round_}
    return NewMessage(HANDLE_REPORT, payload, key=f"report:{entry_id}:{round_}", subject=f"inbox:{entry_id}", due_at=due_at)


def _as_json(notice: EmailNotice) -> Mapping[str, Any]:
    """Ids and the reported state: neither the address nor a mail server's words, which often quote it."""
    return {
        "receipt_id": notice.receipt_id,
        "status": None if notice.status is None else notice.status.value,
        "permanent": notice.permanent,
    }
