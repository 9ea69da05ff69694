"""Asking a provider what became of a subscription that it renews, and what it charged for it."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.model import SETTLED, AmountMismatch, Payment, PaymentLine, PaymentStatus
from madang.core.billing.notices import SubscriptionNotice
from madang.core.billing.service import BillingService, single_look_up
from madang.core.billing.subscriptions import hosted_steps
from madang.core.billing.subscriptions.book import PURPOSE, SubscriptionBook, erasure_key, late_message, looking_for_charge
from madang.core.billing.subscriptions.course import Course
from madang.core.billing.subscriptions.hosted_charges import Charged, NotYet, Unbelieved, awaits, charged
from madang.core.billing.subscriptions.model import Subscription, subscription_subject
from madang.core.billing.subscriptions.offers import PlanOffers
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.kernel.clock import Clock
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Delivery
from madang.core.kernel.providers import Providers
from madang.ports.errors import Rejected, Unavailable
from madang.ports.payment import (
    PaymentGateway,
    PaymentSnapshot,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    SubscriptionSnapshot,
)

logger = logging.getLogger(__name__)

_ARRIVED: Final = frozenset(status for status in RemotePaymentStatus if PaymentStatus(status.value) in SETTLED)
_LISTED_SINCE: Final = timedelta(days=2)
_PAGES: Final = 20
_OPEN_FOR: Final = timedelta(days=1)


class HostedFollowing:
    """Fulfils `SubscriptionNotices`."""

    def __init__(
        self, book: SubscriptionBook, offers: PlanOffers, billing: BillingService, providers: Providers, clock: Clock
    ) -> None:
        self._book = book
        self._offers = offers
        self._billing = billing
        self._providers = providers
        self._clock = clock

    async def handle(self, delivery: Delivery[SubscriptionsUnitOfWork], notice: SubscriptionNotice) -> str:
        """A notice is a hint: what is true is asked. `"applied"`, `"unknown_subscription"`, or `"amount_mismatch"` for a charge
        that is not believed. Raises `Unavailable` for a charge whose period the provider does not tell of yet."""
        gateway = self._providers.payment_gateway(notice.provider)
        told = await _told(gateway, notice.reference)
        async with delivery.step() as uow:
            subscription = await self._named(uow, notice, told)
        charge = await _charge(gateway, notice) if subscription is not None or _our_id(notice, told) else None
        if subscription is None:
            return await self._of_nobody(delivery, notice, told, charge)
        return await self._take_in(delivery, subscription.id, told, [] if charge is None else [charge])

    async def follow(self, delivery: Delivery[SubscriptionsUnitOfWork]) -> None:
        """Asked by the sweep: also for charges of which no notice came, where the provider lists them, and for the last try of
        the period that awaits its money: a declined one may have been paid since, under the same reference."""
        async with delivery.step() as uow:
            subscription = await uow.subscriptions.get(UUID(delivery.message.payload["subscription_id"]))
            course = None if subscription is None else await uow.subscriptions.course(subscription)
            for payment_id in course.awaited.tries[-1:] if course is not None and course.awaited is not None else ():
                uow.send(single_look_up(payment_id))
        if subscription is None or course is None or subscription.reference is None:
            return
        gateway = self._providers.payment_gateway(subscription.provider)
        told = await _told(gateway, subscription.reference)
        await self._take_in(delivery, subscription.id, told, await self._listed(gateway, course, told))

    async def _take_in(
        self,
        delivery: Delivery[SubscriptionsUnitOfWork],
        subscription_id: UUID,
        told: SubscriptionSnapshot | None,
        charges: Sequence[PaymentSnapshot],
    ) -> str:
        outcome = "applied"
        async with delivery.step() as uow:
            subscription = await uow.subscriptions.get(subscription_id, lock=True)
            if subscription is None:
                return "unknown_subscription"
            course = await uow.subscriptions.course(subscription)
            if told is not None:
                hosting = self._offers.hosting(subscription.provider)
                course = hosted_steps.follow(course, told, hosting, self._clock.now())
            new = [charge for charge in charges if await self._is_new(uow, course, charge)]
            known = await uow.subscriptions.periods(subscription_id) if new else []
            payments = []
            for charge in new:
                payment = self._payment_of(subscription, charge)
                try:
                    course = charged(course, _told_of(charge, payment.id), known, self._clock.now())
                except NotYet as early:
                    raise Unavailable(str(early), provider=subscription.provider, operation="follow_subscription") from early
                except Unbelieved as wrong:
                    logger.error("subscription amount mismatch, nothing believed: %s", wrong)
                    payment = replace(payment, amount=wrong.expected)
                payments.append((payment, charge))
            saved = await self._book.save(uow, subscription, course)
            if course.awaited is not None and not charges:
                uow.send(looking_for_charge(saved, course.awaited))
            for payment, charge in payments:
                await uow.payments.add(payment)
                if not await self._settle(uow, payment, charge):
                    outcome = "amount_mismatch"
        return outcome

    async def _of_nobody(
        self,
        delivery: Delivery[SubscriptionsUnitOfWork],
        notice: SubscriptionNotice,
        told: SubscriptionSnapshot | None,
        charge: PaymentSnapshot | None,
    ) -> str:
        """Of somebody who was erased before they agreed: it is cancelled there, and its money becomes a payment of nobody's,
        which is given back. Another system's on the same account stays as it is."""
        subscription_id = _our_id(notice, told)
        async with delivery.step() as uow:
            if subscription_id is None or await uow.actions.get(erasure_key(subscription_id)) is None:
                return "unknown_subscription"
            if told is not None and told.status not in (RemoteSubscriptionStatus.PENDING, RemoteSubscriptionStatus.CANCELLED):
                uow.send(late_message(subscription_id, notice.provider, told.reference))
            if charge is None or charge.status not in _ARRIVED or not charge.amount.amount:
                return "applied"
            if await uow.payments.by_reference(notice.provider, charge.reference) is None:
                payment = _payment_of_nobody(subscription_id, notice.provider, charge, self._clock.now())
                await uow.payments.add(payment)
                await self._billing.settle(uow, payment.id, charge)
        return "applied"

    async def _settle(self, uow: SubscriptionsUnitOfWork, payment: Payment, charge: PaymentSnapshot) -> bool:
        """False for an amount that is not ours: alerted by billing, as for any other payment, and never paid."""
        try:
            await self._billing.settle(uow, payment.id, charge)
        except AmountMismatch:
            return False
        return True

    async def _is_new(self, uow: SubscriptionsUnitOfWork, course: Course, charge: PaymentSnapshot) -> bool:
        """What we have already is settled as any other payment. Of a try that failed something is kept only where it was for
        the period that is awaited; nothing was charged for a trial."""
        if charge.amount.amount == 0 or await uow.payments.by_reference(course.subscription.provider, charge.reference):
            return False
        return charge.status in _ARRIVED or awaits(course, _told_of(charge, course.subscription.id))

    async def _named(
        self, uow: SubscriptionsUnitOfWork, notice: SubscriptionNotice, told: SubscriptionSnapshot | None
    ) -> Subscription | None:
        """By the provider's reference, or by our id where it was begun under another one (a checkout's)."""
        found = await uow.subscriptions.by_reference(notice.provider, notice.reference)
        our_id = _our_id(notice, told)
        if found is not None or our_id is None:
            return found
        ours = await uow.subscriptions.get(our_id)
        return ours if ours is not None and ours.provider == notice.provider else None

    async def _listed(
        self, gateway: PaymentGateway, course: Course, told: SubscriptionSnapshot | None
    ) -> Sequence[PaymentSnapshot]:
        """What the provider charged for this subscription since the period that awaits its money."""
        if told is None or not gateway.capabilities.lists_payments:
            return []
        begun = course.awaited.starts_at if course.awaited else told.current_period_start
        last = course.current
        if begun is None or (course.awaited is None and last is not None and begun < last.ends_at):
            return []
        found: list[PaymentSnapshot] = []
        now = self._clock.now()
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await gateway.list_payments(min(begun, now) - _LISTED_SINCE, now, cursor=cursor)
            found += [one for one in page.payments if one.subscription == told.reference and one.status in _ARRIVED]
            cursor = page.cursor
            if cursor is None:
                break
        return found

    def _payment_of(self, subscription: Subscription, charge: PaymentSnapshot) -> Payment:
        now = self._clock.now()
        title = self._book.title(subscription, subscription.terms.plan_id)
        return Payment(
            id=new_id(),
            purpose=PURPOSE,
            subject=subscription.subject,
            amount=charge.amount,
            provider=subscription.provider,
            status=PaymentStatus.CREATED,
            created_at=now,
            updated_at=now,
            expires_at=now + _OPEN_FOR,
            reference=charge.reference,
            user_id=subscription.user_id,
            country=subscription.country,
            description=title,
            lines=(PaymentLine(title, 1, charge.amount.amount, subscription.terms.plan_id),),
            locale=subscription.locale,
        )


def _our_id(notice: SubscriptionNotice, told: SubscriptionSnapshot | None) -> UUID | None:
    """As the notice or the provider's subscription carries it; other systems on the account may write other words there."""
    written = notice.subscription_id or (told.subscription_id if told else None)
    try:
        return None if written is None else UUID(written)
    except ValueError:
        return None


def _payment_of_nobody(subscription_id: UUID, provider: str, charge: PaymentSnapshot, now: datetime) -> Payment:
    return Payment(
        id=new_id(),
        purpose=PURPOSE,
        subject=subscription_subject(subscription_id),
        amount=charge.amount,
        provider=provider,
        status=PaymentStatus.CREATED,
        created_at=now,
        updated_at=now,
        expires_at=now + _OPEN_FOR,
        reference=charge.reference,
    )


def _told_of(charge: PaymentSnapshot, payment_id: UUID) -> Charged:
    return Charged(payment_id, charge.amount, charge.charged_for, charge.paid_at)


async def _told(gateway: PaymentGateway, reference: str) -> SubscriptionSnapshot | None:
    try:
        return await gateway.fetch_subscription(reference)
    except Rejected as rejected:
        if rejected.reason == "not_found":
            return None
        raise


async def _charge(gateway: PaymentGateway, notice: SubscriptionNotice) -> PaymentSnapshot | None:
    """What the provider says of it now; a signed body stands in where asking gives nothing."""
    if notice.charge is None:
        return notice.snapshot
    try:
        return await gateway.fetch(notice.charge)
    except Rejected as rejected:
        if rejected.reason == "not_found":
            return notice.snapshot
        raise
