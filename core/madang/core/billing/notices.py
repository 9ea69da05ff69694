"""What the worker does with a stored notice of a provider: ask what is true now, and settle the payment that it is about."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from madang.core.billing.model import SETTLED, AmountMismatch, Payment, PaymentStatus
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import BillingService
from madang.core.billing.snapshots import snapshot_of
from madang.core.billing.unsigned_notices import payment_named
from madang.core.kernel.clock import Clock
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.messages import Delivery
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus

logger = logging.getLogger(__name__)

PAID_TWICE: Final = "paid_twice"
"""The outcome of a notice that proves another payment than the one that ours was paid by."""


@dataclass(frozen=True, slots=True)
class SubscriptionNotice:
    """A provider says that something became of a subscription which it renews by itself.

    `reference` is its name for the subscription, `charge` that for the money of one period, where the notice names it.
    `snapshot` is there only where the signed body proves the state of the charge. `subscription_id` is ours, where the notice
    carries it: a provider may tell it nowhere else.
    """

    provider: str
    reference: str
    kind: str
    charge: str | None = None
    snapshot: PaymentSnapshot | None = None
    subscription_id: str | None = None


class SubscriptionNotices(Protocol):
    """Fulfilled by subscriptions. Called with a leased message, before the notice is done: whatever is raised has it tried
    again, so it may come any number of times, in any order and two at once."""

    async def handle(self, delivery: Delivery[BillingUnitOfWork], notice: SubscriptionNotice) -> str:
        """Ask the provider what is true (`fetch_subscription`, and `fetch` for the charge) outside any transaction, and commit
        it by `delivery.step()` – never `finish`, which is the caller's. A charge that nobody knows yet becomes a payment here:
        the caller looks for it by its reference afterwards, and settles it as any other. Answers the entry's outcome:
        `"applied"`, `"unknown_subscription"`."""
        ...


class NoSubscriptions:
    """Fulfils `SubscriptionNotices` where nothing is subscribed to."""

    async def handle(self, delivery: Delivery[BillingUnitOfWork], notice: SubscriptionNotice) -> str:
        return "unknown_subscription"


class NoticeWork:
    def __init__(self, billing: BillingService, subscriptions: SubscriptionNotices, clock: Clock) -> None:
        self._billing = billing
        self._subscriptions = subscriptions
        self._clock = clock

    async def handle(self, delivery: Delivery[BillingUnitOfWork]) -> None:
        """A notice says that something changed; what is true now is asked. A signed body stands in where asking gives
        nothing, or knows of another try alone."""
        async with delivery.step() as uow:
            entry = await uow.inbox.get(UUID(delivery.message.payload["inbox_id"]))
        if entry is None or entry.handled_at is not None:
            return
        subscribed = await self._subscribed(delivery, entry)
        async with delivery.step() as uow:
            payment = await _payment_of(uow, entry)
        proven = _snapshot_in(entry.notice)
        snapshot = _true_of(await self._billing.ask(payment), proven) if payment else None
        async with delivery.finish() as uow:
            settled = await apply(self._billing, uow, payment, snapshot)
            if payment is not None and proven is not None and await self._is_second(uow, payment.id, proven):
                settled = PAID_TWICE
            outcome = subscribed if payment is None and subscribed is not None else settled
            await uow.inbox.update(dataclasses.replace(entry, handled_at=self._clock.now(), outcome=outcome))

    async def _is_second(self, uow: BillingUnitOfWork, payment_id: UUID, proven: PaymentSnapshot) -> bool:
        """Two windows of one payment were both paid: a person must give one back at the provider, so it is alerted."""
        payment = await uow.payments.get(payment_id, lock=True)
        if payment is None or payment.status not in SETTLED or proven.status is not RemotePaymentStatus.PAID:
            return False
        if payment.reference in (None, proven.reference) or proven.amount != payment.amount:
            return False
        logger.error("payment %s is paid twice: as %s, and as %s", payment.id, payment.reference, proven.reference)
        await self._billing.doubt_amount(uow, payment, payment.amount + proven.amount)
        return True

    async def _subscribed(self, delivery: Delivery[BillingUnitOfWork], entry: InboxEntry) -> str | None:
        reference = entry.notice.get("subscription")
        if reference is None:
            return None
        charge, snapshot = entry.notice.get("reference"), _snapshot_in(entry.notice)
        notice = SubscriptionNotice(
            entry.provider, reference, entry.kind, charge, snapshot, entry.notice.get("subscription_id")
        )
        return await self._subscriptions.handle(delivery, notice)


def _true_of(asked: PaymentSnapshot | None, proven: PaymentSnapshot | None) -> PaymentSnapshot | None:
    """A payment that was tried under two references is paid where one of them is."""
    if asked is None or proven is None:
        return asked or proven
    other = proven.reference != asked.reference and proven.status is RemotePaymentStatus.PAID
    return proven if other and PaymentStatus(asked.status.value) not in SETTLED else asked


async def apply(
    billing: BillingService, uow: BillingUnitOfWork, payment: Payment | None, snapshot: PaymentSnapshot | None
) -> str:
    """Settle the payment by what its provider says, and say in a word what became of it."""
    if payment is None:
        return "unknown_payment"
    if snapshot is None:
        return "nothing_known_yet"
    try:
        await billing.settle(uow, payment.id, snapshot)
    except AmountMismatch:
        return "amount_mismatch"
    return "applied"


async def _payment_of(uow: BillingUnitOfWork, entry: InboxEntry) -> Payment | None:
    return await payment_named(uow, entry.provider, entry.notice.get("payment_id"), entry.notice.get("reference"))


def _snapshot_in(notice: Mapping[str, Any]) -> PaymentSnapshot | None:
    kept = notice.get("snapshot")
    return None if kept is None else snapshot_of(kept)
