"""What must always be true of the rows, as statements that find where it is not, and the ordinary messages that mend it.

Times are generous: what a healthy deployment is just doing is no violation. Messages that mend carry no key, because the key
of the message that got lost is still taken; the handlers are written to be called twice.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from madang.adapters.postgres import invariant_statements as statements
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.messages.outgoing import CHANNEL
from madang.core.billing.charges import CHARGE
from madang.core.billing.collect_tries import CAPTURE, CONFIRM
from madang.core.billing.service import HANDLE_NOTICE, LOOK_UP
from madang.core.generation.picture_notices import HANDLE_NOTICE as HANDLE_PICTURE_NOTICE
from madang.core.generation.picture_notices import INBOX as PICTURES_INBOX
from madang.core.kernel.invariants import Invariant, Violation
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.delivery_reports import HANDLE_REPORT, INBOX
from madang.core.notifications.model import NotificationStatus
from madang.core.notifications.service import SEND, SEND_SMS, TELL_OPERATORS
from madang.core.portraits.model import PictureStatus, PortraitStatus
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.core.portraits.topics import EXPIRE, MAKE_PICTURE, WRITE_REPORT
from madang.core.privacy.erasing import ERASE, VERIFY
from madang.core.privacy.model import ErasureStatus
from madang.core.webhooks.delivering import DELIVER, delivery_message
from madang.core.webhooks.model import DeliveryStatus
from madang.core.webhooks.repository import WebhooksUnitOfWork


class MendingUnitOfWork(PortraitsUnitOfWork, WebhooksUnitOfWork, Protocol):
    """What the mends change."""


Units = UnitOfWorkFactory[MendingUnitOfWork]
Repair = Callable[[Violation], Awaitable[str]]
RefundOwed = Callable[[UUID], Awaitable[str]]
"""Given a portrait's id, queue the refund that its buyer is owed and say so; empty when a person must look."""

_RESUMED_ROUNDS: Final = 1000
"""Where the rounds of a look-up that was forgotten go on: past those whose keys are taken."""


@dataclass(frozen=True, slots=True)
class RowInvariant:
    """Fulfils `Invariant` by a statement of `invariant_statements`."""

    database: Database
    name: str
    explanation: str
    statement: str
    repair: Repair | None = None
    topics: tuple[str, ...] | None = None

    async def violations(self, *, limit: int = 100) -> Sequence[Violation]:
        values = [limit] if self.topics is None else [limit, list(self.topics)]
        rows = await self.database.fetch(self.statement, *values)
        return [Violation(row["subject"], row["detail"]) for row in rows]

    async def mend(self, violation: Violation) -> str:
        return "" if self.repair is None else await self.repair(violation)


def invariants(database: Database, *, units: Units, refund_owed: RefundOwed | None = None) -> Sequence[Invariant]:
    """Those of messages, inbox, actions, payments, portraits and what people are told, without what needs the storage."""
    mends = _Mends(database, units, refund_owed)
    return (
        *_of_work(database, mends),
        *_of_payments(database, mends),
        *_of_portraits(database, mends),
        *_of_telling(database, mends),
        RowInvariant(
            database,
            "every-erasure-goes-on",
            "Whoever asked to be forgotten is, and a second look found nothing left; or a message waits to do it.",
            statements.FORGOTTEN_ERASURES,
            mends.erase,
            (ERASE, VERIFY),
        ),
    )


def _of_work(database: Database, mends: "_Mends") -> Sequence[RowInvariant]:
    return (
        RowInvariant(
            database,
            "no-message-is-overdue",
            "A message is taken within a minute of its due time or of its lease's end. Else no worker drains: start one.",
            statements.OVERDUE,
            mends.wake_relays,
        ),
        RowInvariant(
            database,
            "no-message-is-dead",
            "A message that was given up waits for a person: `madang jobs show` says why, `madang jobs retry` runs it again.",
            statements.DEAD,
        ),
        RowInvariant(
            database,
            "no-action-stays-unknown",
            "An effect outside is known to have happened or not within ten minutes. Else ask its provider by the key, by hand.",
            statements.UNKNOWN_ACTIONS,
        ),
    )


def _of_payments(database: Database, mends: "_Mends") -> Sequence[RowInvariant]:
    return (
        RowInvariant(
            database,
            "every-notice-is-handled",
            "A webhook that was stored is handled, or a message waits to handle it.",
            statements.UNHANDLED_NOTICES,
            mends.handle_notice,
            (HANDLE_NOTICE, HANDLE_REPORT, HANDLE_PICTURE_NOTICE),
        ),
        RowInvariant(
            database,
            "every-open-payment-is-asked-for",
            "While a payment may still arrive, a message waits to ask its provider.",
            statements.FORGOTTEN_PAYMENTS,
            mends.look_up,
            (LOOK_UP,),
        ),
        RowInvariant(
            database,
            "no-open-payment-is-past-its-time",
            "Three hours after its time a payment is paid, or over; or a message waits to charge it or to ask. Else its "
            "outcome is in doubt: ask its provider by hand.",
            statements.UNASKED_PAYMENTS,
            mends.look_up,
            (LOOK_UP, CHARGE, CONFIRM, CAPTURE),
        ),
        RowInvariant(
            database,
            "no-refund-exceeds-its-payment",
            "What was given back or promised of a payment is at most what was paid, in its currency.",
            statements.OVERPAID_REFUNDS,
        ),
    )


def _of_portraits(database: Database, mends: "_Mends") -> Sequence[RowInvariant]:
    return (
        RowInvariant(
            database,
            "every-portrait-in-progress-has-work",
            "While a portrait is processing, a message waits to make a picture or to write the report.",
            statements.STRANDED_PORTRAITS,
            mends.resume_portrait,
            (MAKE_PICTURE, WRITE_REPORT),
        ),
        RowInvariant(
            database,
            "every-portrait-is-purged-in-time",
            "Five minutes after its time a portrait holds nothing personal any more.",
            statements.UNPURGED_PORTRAITS,
            mends.expire_portrait,
        ),
        RowInvariant(
            database,
            "no-refund-is-owed",
            "Whoever paid for a portrait that failed or was never finished is refunded in full.",
            statements.OWED_REFUNDS,
            mends.refund,
        ),
    )


def _of_telling(database: Database, mends: "_Mends") -> Sequence[RowInvariant]:
    return (
        RowInvariant(
            database,
            "every-notification-is-sent",
            "While a notification is queued, a message waits to send it.",
            statements.UNSENT_NOTIFICATIONS,
            mends.send_notification,
            (SEND, SEND_SMS, TELL_OPERATORS),
        ),
        RowInvariant(
            database,
            "every-webhook-delivery-goes-on",
            "While a delivery to a client's endpoint is pending, a message waits for its next try.",
            statements.FORGOTTEN_DELIVERIES,
            mends.deliver,
            (DELIVER,),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Mends:
    database: Database
    units: Units
    refund_owed: RefundOwed | None

    async def wake_relays(self, violation: Violation) -> str:
        await self.database.execute("SELECT pg_notify($1, '')", CHANNEL)
        return "woke the relays; when it comes back, no worker runs"

    async def handle_notice(self, violation: Violation) -> str:
        inbox_id = violation.detail["inbox_id"]
        if violation.detail["provider"].startswith(INBOX):
            return await self._send(HANDLE_REPORT, violation, inbox_id=inbox_id, round=_RESUMED_ROUNDS)
        if violation.detail["provider"].startswith(PICTURES_INBOX):
            return await self._send(HANDLE_PICTURE_NOTICE, violation, inbox_id=inbox_id, round=_RESUMED_ROUNDS)
        return await self._send(HANDLE_NOTICE, violation, inbox_id=inbox_id)

    async def look_up(self, violation: Violation) -> str:
        further = _RESUMED_ROUNDS + violation.detail["age"] // 60
        return await self._send(LOOK_UP, violation, payment_id=violation.detail["payment_id"], round=further)

    async def expire_portrait(self, violation: Violation) -> str:
        return await self._send(EXPIRE, violation, portrait_id=violation.detail["portrait_id"])

    async def erase(self, violation: Violation) -> str:
        erasure_id = violation.detail["erasure_id"]
        if violation.detail["status"] == ErasureStatus.SUCCEEDED:
            return await self._send(VERIFY, violation, erasure_id=erasure_id, round=0)
        return await self._send(ERASE, violation, erasure_id=erasure_id)

    async def send_notification(self, violation: Violation) -> str:
        """Behind its lock, as a portrait is resumed: two messages could send it twice."""
        notification_id = UUID(violation.detail["notification_id"])
        async with self.units() as uow:
            notification = await uow.notifications.get(notification_id, lock=True)
            queued = notification is not None and notification.status is NotificationStatus.QUEUED
            if not queued or await uow.work.goes_on(violation.subject, (SEND,)):
                return "it has gone on by itself"
            uow.send(_again(SEND, violation.subject, notification_id=str(notification_id)))
        return f"sent {SEND}"

    async def deliver(self, violation: Violation) -> str:
        async with self.units() as uow:
            delivery = await uow.webhook_deliveries.get(UUID(violation.detail["delivery_id"]), lock=True)
            if delivery is None or delivery.status is not DeliveryStatus.PENDING:
                return "it has gone on by itself"
            if await uow.work.goes_on(violation.subject, (DELIVER,)):
                return "it has gone on by itself"
            uow.send(dataclasses.replace(delivery_message(delivery), key=None, subject=violation.subject, due_at=None))
        return f"sent {DELIVER}"

    async def refund(self, violation: Violation) -> str:
        if self.refund_owed is None:
            return ""
        return await self.refund_owed(UUID(violation.detail["portrait_id"]))

    async def resume_portrait(self, violation: Violation) -> str:
        """The pictures that are not made, or the report when all are. Looks again behind the job's lock: of two who mend at
        once one sends, since two messages could buy one picture twice."""
        portrait_id = UUID(violation.detail["portrait_id"])
        async with self.units() as uow:
            portrait = await uow.portraits.get(portrait_id, lock=True)
            if portrait is None or portrait.status is not PortraitStatus.PROCESSING:
                return "it has gone on by itself"
            if await uow.work.goes_on(violation.subject, (MAKE_PICTURE, WRITE_REPORT)):
                return "it has gone on by itself"
            pictures = await uow.portraits.pictures(portrait_id)
            missing = [picture.index for picture in pictures if picture.status is not PictureStatus.MADE]
            for index in missing:
                uow.send(_again(MAKE_PICTURE, violation.subject, portrait_id=str(portrait_id), index=index))
            if not missing:
                uow.send(_again(WRITE_REPORT, violation.subject, portrait_id=str(portrait_id)))
        return f"sent {MAKE_PICTURE} for {len(missing)} pictures" if missing else f"sent {WRITE_REPORT}"

    async def _send(self, topic: str, violation: Violation, **payload: Any) -> str:
        async with self.units() as uow:
            uow.send(_again(topic, violation.subject, **payload))
        return f"sent {topic}"


def _again(topic: str, subject: str, **payload: Any) -> NewMessage:
    return NewMessage(topic, payload, subject=subject)
