"""A plan's credits: granted once for every month of a period, and over with that month."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from fractions import Fraction
from math import floor
from typing import Final, Protocol
from uuid import UUID

from madang.core.billing.credits.book import Book
from madang.core.billing.credits.calendar_months import months_of, share_of_month
from madang.core.billing.credits.ledger import Ledger
from madang.core.billing.credits.model import CreditMonth, LotSource, MonthStatus
from madang.core.billing.credits.repository import CreditsUnitOfWork
from madang.core.billing.credits.service import CreditService
from madang.core.billing.credits.topics import PERIOD_STARTED, SUBSCRIPTION_CHANGED, SUBSCRIPTION_PAYMENT_CHANGED
from madang.core.billing.model import PaymentStatus
from madang.core.billing.subscriptions.book import PURPOSE
from madang.core.billing.subscriptions.model import Period
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.billing.subscriptions.taking_back import paid_for_what_runs
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Handler, Message, Topic

_HALF: Final = Fraction(1, 2)

logger = logging.getLogger(__name__)


class MonthlyUnitOfWork(CreditsUnitOfWork, SubscriptionsUnitOfWork, Protocol):
    """For what subscriptions announce."""


class MonthlyCredits:
    def __init__(self, service: CreditService, ledger: Ledger, zone: tzinfo) -> None:
        self._credits = service
        self._ledger = ledger
        self._zone = zone

    def handlers(self) -> Sequence[Handler[MonthlyUnitOfWork]]:
        return (
            Handler(Topic(PERIOD_STARTED), handle=self.period_started),
            Handler(Topic(SUBSCRIPTION_CHANGED), handle=self.subscription_changed),
            Handler(Topic(SUBSCRIPTION_PAYMENT_CHANGED), handle=self.payment_changed),
        )

    async def period_started(self, uow: MonthlyUnitOfWork, message: Message) -> None:
        """Each month of the period becomes a row that is due when it begins; the first one is granted at once. What an earlier
        period of the subscription would still have granted from then on, it grants no more: the plan was changed. Messages come
        in any order: a period that a change has cut meanwhile ends where its row says."""
        payload = message.payload
        subscription_id, period = UUID(payload["subscription_id"]), int(payload["period"])
        start, end = (datetime.fromisoformat(payload[name]) for name in ("period_start", "period_end"))
        # Behind the subscription's lock: its end comes before this, and is seen, or after it, and finds these months.
        subscription = await uow.subscriptions.get(subscription_id, lock=True)
        try:
            book = await self._ledger.open(uow, UUID(payload["user_id"]))
        except NotFound:
            logger.info("a period of subscription %s began for nobody", subscription_id)
            return
        written = [one for one in await uow.subscriptions.periods(subscription_id) if one.number == period]
        if any([await _was_refunded(uow, one) for one in written]):
            return
        end = min([end, *(one.ends_at for one in written)])
        running = await uow.credits.months_running(subscription_id, start, period)
        await uow.credits.cancel_months(subscription_id, since=start, before_period=period)
        until = book.now if subscription is not None and subscription.is_over else end
        amounts = credits_of_months(payload["credits"], (start, end), running, self._zone)
        await uow.credits.add_months(
            [
                CreditMonth(new_id(), book.wallet.id, subscription_id, period, number, amount, begins, ends)
                for number, (amount, begins, ends) in enumerate(amounts, 1)
                if amount > 0 and begins <= until
            ]
        )
        await self.grant_due(uow, book)

    async def subscription_changed(self, uow: MonthlyUnitOfWork, message: Message) -> None:
        """One that is over before its period is grants no further month; what was granted stays until its own is over. The
        wallet is locked after the subscription, as by everybody."""
        subscription = await uow.subscriptions.get(UUID(message.payload["subscriptionId"]), lock=True)
        if subscription is None or not subscription.is_over:
            return
        try:
            await self._ledger.open(uow, subscription.user_id)
        except NotFound:
            logger.info("subscription %s of nobody is over", subscription.id)
        await uow.credits.cancel_months(subscription.id, since=subscription.updated_at)

    async def payment_changed(self, uow: MonthlyUnitOfWork, message: Message) -> None:
        """Money for the cycle that runs went back in full: what is left of the plan's credits goes, too. Those of an earlier
        cycle are over by themselves."""
        if message.payload["purpose"] != PURPOSE:
            return
        payment = await uow.payments.get(UUID(message.payload["payment_id"]), lock=True)
        if payment is None or payment.status is not PaymentStatus.REFUNDED:
            return
        subscription = await uow.subscriptions.get(UUID(payment.subject.removeprefix("subscription:")), lock=True)
        if subscription is None:
            return
        course = await uow.subscriptions.course(subscription)
        period = await uow.subscriptions.period_tried_by(subscription.id, payment.id)
        if period is None or not paid_for_what_runs(course, period, payment.id):
            return
        lots = await uow.credits.lots_of(subscription.subject, LotSource.PLAN)
        if lots:
            await self._credits.revoke(uow, lots[0].wallet_id, [(lot, lot.amount) for lot in lots if not lot.expired])

    async def grant_due(self, uow: CreditsUnitOfWork, book: Book) -> None:
        """The wallet's months that have begun. A month that nobody granted until it was over is missed."""
        for month in await uow.credits.months_due(book.wallet.id, book.now):
            status = MonthStatus.GRANTED if month.ends_at > book.now else MonthStatus.MISSED
            if book.wallet.user_id is None:
                status = MonthStatus.CANCELLED
            elif status is MonthStatus.GRANTED:
                await self._credits.grant(
                    uow,
                    book.wallet.user_id,
                    month.credits,
                    key=month.key,
                    subject=f"subscription:{month.subscription_id}",
                    expires_at=month.ends_at,
                    source=LotSource.PLAN,
                )
            await uow.credits.end_month(replace(month, status=status))


async def _was_refunded(uow: MonthlyUnitOfWork, period: Period) -> bool:
    """Before it granted anything."""
    payment = None if period.payment_id is None else await uow.payments.get(period.payment_id)
    return payment is not None and payment.status is PaymentStatus.REFUNDED


def credits_of_months(
    credits_: int, between: tuple[datetime, datetime], running: Sequence[CreditMonth], zone: tzinfo
) -> Sequence[tuple[int, datetime, datetime]]:
    """What each month of a period grants. Where months of an earlier period are `running` when it begins, the plan was changed
    within them: then the first one grants the new plan's share of the time that is left of it, less what was granted for that
    time before. So who changes to and fro has no more than by the dearest plan alone."""
    start, end = between
    if end <= start:
        return []
    months = [(credits_, begins, ends) for begins, ends in months_of(start, end, zone)]
    if running:
        share = credits_ * share_of_month(start, months[0][2], zone)
        first = max(0, floor(share - sum(month.left_at(start) for month in running) + _HALF))
        months[0] = (first, *months[0][1:])
    return months
