"""What the worker does for subscriptions: what is due, what became of a payment, and what hosted ones are asked and told."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.disputes import DisputeStatus
from madang.core.billing.model import SETTLED, Payment, PaymentStatus
from madang.core.billing.retries import PATIENT
from madang.core.billing.service import BillingService, single_look_up
from madang.core.billing.subscriptions import hosted_steps, stored_method_steps
from madang.core.billing.subscriptions.book import ASK_PROVIDER, FOLLOW, PURPOSE, SubscriptionBook
from madang.core.billing.subscriptions.course import Course
from madang.core.billing.subscriptions.dunning import DunningPolicy
from madang.core.billing.subscriptions.hosted_asking import HostedAsking
from madang.core.billing.subscriptions.hosted_charges import Charged
from madang.core.billing.subscriptions.hosted_following import HostedFollowing
from madang.core.billing.subscriptions.hosted_steps import Hosting
from madang.core.billing.subscriptions.model import Period, PeriodStatus, Subscription, SubscriptionKind
from madang.core.billing.subscriptions.offers import PlanOffers
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.billing.subscriptions.taking_back import charged_back, refunded
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import LeaseLost
from madang.core.kernel.messages import Delivery, Handler, Message, Topic
from madang.core.kernel.schedules import Recurring
from madang.ports.errors import OutcomeUnknown, Unavailable

logger = logging.getLogger(__name__)

PAYMENT_CHANGED: Final = "billing.subscription_payment_changed"
"""The topic by which subscriptions hear of payments."""
DUE: Final = "billing.subscriptions_due"

_EVERY: Final = timedelta(minutes=1)
_BATCH: Final = 50
_LATER: Final = timedelta(hours=6)
_ARRIVED: Final = SETTLED - {PaymentStatus.REFUNDED}
_FAILED: Final = frozenset({PaymentStatus.FAILED, PaymentStatus.CANCELLED, PaymentStatus.EXPIRED})


class SubscriptionWork:
    def __init__(
        self,
        book: SubscriptionBook,
        offers: PlanOffers,
        following: HostedFollowing,
        asking: HostedAsking,
        billing: BillingService,
        policy: DunningPolicy,
        clock: Clock,
    ) -> None:
        self._book = book
        self._offers = offers
        self._following = following
        self._asking = asking
        self._billing = billing
        self._policy = policy
        self._clock = clock

    def handlers(self) -> Sequence[Handler[SubscriptionsUnitOfWork]]:
        return (
            Handler(Topic(PAYMENT_CHANGED, retry=PATIENT), handle=self.payment_changed),
            Handler(Topic(FOLLOW, retry=PATIENT), run=self._following.follow),
            Handler(Topic(ASK_PROVIDER, retry=PATIENT, time_limit=150), run=self._asking.ask, give_up=self._asking.give_up),
        )

    def recurring(self) -> Sequence[Recurring]:
        return (Recurring(Topic(DUE, retry=PATIENT, time_limit=120), _EVERY, self.sweep),)

    async def sweep(self, delivery: Delivery[SubscriptionsUnitOfWork]) -> None:
        """Everything that is due, a commit for each: one that cannot be dealt with keeps no other waiting, and one that
        somebody has at hand stays due for the next run."""
        after: UUID | None = None
        while True:
            async with delivery.step() as uow:
                due = await uow.subscriptions.due(self._clock.now(), after=after, limit=_BATCH)
            for subscription_id in due:
                await self._alone(delivery, subscription_id)
            if len(due) < _BATCH:
                return
            after = due[-1]

    async def payment_changed(self, uow: SubscriptionsUnitOfWork, message: Message) -> None:
        """The payment's row first, as it is now, then the subscription's; any number of times."""
        payment = await uow.payments.get(UUID(message.payload["payment_id"]), lock=True)
        if payment is None or payment.purpose != PURPOSE:
            return
        subscription = await uow.subscriptions.get(UUID(payment.subject.removeprefix("subscription:")), lock=True)
        if subscription is None:
            await self._give_back(uow, payment)
            return
        course = await uow.subscriptions.course(subscription)
        period = await uow.subscriptions.period_tried_by(subscription.id, payment.id)
        dispute = await uow.disputes.of_payment(payment.id)
        lost = dispute is not None and dispute.status is DisputeStatus.LOST
        if lost:
            course = charged_back(course, period, payment.id, self._hosting(subscription), self._clock.now())
        after = self._after(course, course.now(period), payment)
        doubted = lost or payment.status is PaymentStatus.DISPUTED
        await self._book.save(uow, subscription, after.keeping_money() if doubted else after)

    def _after(self, course: Course, period: Period | None, payment: Payment) -> Course:
        now, hosted = self._clock.now(), course.subscription.kind is SubscriptionKind.HOSTED
        if payment.status in _ARRIVED:
            return self._arrived(course, period, payment, now)
        if payment.status in _FAILED and period is not None:
            if hosted:
                return hosted_steps.declined(course, period, payment.id, now)
            return stored_method_steps.declined(course, period, payment.id, self._policy, now)
        if payment.status is PaymentStatus.REFUNDED:
            return refunded(course, period, payment.id, now)
        return course

    def _arrived(self, course: Course, period: Period | None, payment: Payment, now: datetime) -> Course:
        """Also where some of it has gone back since, or its bank doubts it: the notice before that may have been lost."""
        if course.subscription.kind is SubscriptionKind.STORED_METHOD and period is not None:
            return stored_method_steps.paid(course, period, payment.id, now)
        charge = Charged(payment.id, payment.amount, None, payment.paid_at)
        return hosted_steps.paid(course, period, charge, self._hosting(course.subscription), now)

    def _hosting(self, subscription: Subscription) -> Hosting:
        hosted = subscription.kind is SubscriptionKind.HOSTED
        return self._offers.hosting(subscription.provider) if hosted else Hosting(cancels=False)

    async def _alone(self, delivery: Delivery[SubscriptionsUnitOfWork], subscription_id: UUID) -> None:
        """Of what cannot be done nothing is written but that it is stuck, which alerts; it is tried again later."""
        try:
            async with delivery.step() as uow:
                await self._do_what_is_due(uow, subscription_id)
        except (LeaseLost, Unavailable, OutcomeUnknown):
            raise
        except Exception:
            logger.exception("subscription %s: what is due cannot be done: see `madang doctor`", subscription_id)
            async with delivery.step() as uow:
                now = self._clock.now()
                await uow.subscriptions.put_off(subscription_id, now + _LATER, now)

    async def _do_what_is_due(self, uow: SubscriptionsUnitOfWork, subscription_id: UUID) -> None:
        subscription, now = await uow.subscriptions.get(subscription_id, lock=True, wait=False), self._clock.now()
        if subscription is None or subscription.due_at is None or subscription.due_at > now:
            return
        course = self._due(await uow.subscriptions.course(subscription))
        if subscription.stuck_since is not None:
            course = course.changed(now, stuck_since=None)
        if (in_doubt := _in_doubt(course)) is not None:
            uow.send(single_look_up(in_doubt))
        await self._book.save(uow, subscription, course)

    def _due(self, course: Course) -> Course:
        now = self._clock.now()
        if course.subscription.kind is SubscriptionKind.STORED_METHOD:
            return stored_method_steps.due(course, self._policy, now)
        return hosted_steps.due(course, self._offers.hosting(course.subscription.provider), now)

    async def _give_back(self, uow: SubscriptionsUnitOfWork, payment: Payment) -> None:
        """Its person was erased, and the subscription with them."""
        if payment.status in _ARRIVED - {PaymentStatus.DISPUTED}:
            key = f"{payment.subject}:give-back:{payment.id}"
            await self._billing.request_refund(uow, payment.id, key=key, reason="not_owed")


def _in_doubt(course: Course) -> UUID | None:
    """A charge of ours that still has no outcome. Whoever charged it asks for a day; a company that was away for longer is
    asked as long as the subscription waits."""
    awaited, ours = course.awaited, course.subscription.kind is SubscriptionKind.STORED_METHOD
    waits = awaited is not None and awaited.status is PeriodStatus.CHARGING and not course.consequences
    return awaited.tries[-1] if ours and waits and awaited is not None else None
