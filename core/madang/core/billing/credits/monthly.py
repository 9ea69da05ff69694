"""A plan's credits: granted once for every month of a period, and over with that month."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from uuid import UUID

from madang.core.billing.credits.book import Book
from madang.core.billing.credits.calendar_months import months_of
from madang.core.billing.credits.ledger import Ledger
from madang.core.billing.credits.model import CreditMonth, LotSource, MonthStatus
from madang.core.billing.credits.repository import CreditsUnitOfWork
from madang.core.billing.credits.service import CreditService
from madang.core.billing.credits.topics import PERIOD_STARTED
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Handler, Message, Topic

logger = logging.getLogger(__name__)


class MonthlyCredits:
    def __init__(self, service: CreditService, ledger: Ledger, zone: tzinfo) -> None:
        self._credits = service
        self._ledger = ledger
        self._zone = zone

    def handlers(self) -> Sequence[Handler[CreditsUnitOfWork]]:
        return (Handler(Topic(PERIOD_STARTED), handle=self.period_started),)

    async def period_started(self, uow: CreditsUnitOfWork, message: Message) -> None:
        """Each month of the period becomes a row that is due when it begins; the first one is granted at once. What an earlier
        period of the subscription would still have granted from then on, it grants no more: the plan was changed."""
        payload = message.payload
        subscription_id, period = UUID(payload["subscription_id"]), int(payload["period"])
        start, end = (datetime.fromisoformat(payload[name]) for name in ("period_start", "period_end"))
        try:
            book = await self._ledger.open(uow, UUID(payload["user_id"]))
        except NotFound:
            logger.info("a period of subscription %s began for nobody", subscription_id)
            return
        await uow.credits.cancel_months(subscription_id, since=start, before_period=period)
        if payload["credits"] > 0 and end > start:
            months = enumerate(months_of(start, end, self._zone), 1)
            await uow.credits.add_months(
                [
                    CreditMonth(new_id(), book.wallet.id, subscription_id, period, number, payload["credits"], begins, ends)
                    for number, (begins, ends) in months
                ]
            )
            await self.grant_due(uow, book)

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

    async def stop(self, uow: CreditsUnitOfWork, subscription_id: UUID, since: datetime) -> int:
        """For a subscription that ended before its period: months that begin then or later are not granted. What was granted
        stays until its month is over. Answers how many."""
        return await uow.credits.cancel_months(subscription_id, since=since)
