"""What comes due by itself: lots and holds that are over, and months that begin. Rows with a time, wallet by wallet."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.credits.ledger import Ledger
from madang.core.billing.credits.monthly import MonthlyCredits
from madang.core.billing.credits.repository import CreditsUnitOfWork
from madang.core.billing.credits.service import CreditService
from madang.core.billing.credits.topics import SETTLE_DUE
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import LeaseLost
from madang.core.kernel.messages import Delivery, Topic
from madang.core.kernel.schedules import Recurring
from madang.ports.errors import PortError

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(minutes=1)
_BATCH: Final = 100


class Settling:
    def __init__(self, ledger: Ledger, service: CreditService, monthly: MonthlyCredits, clock: Clock) -> None:
        self._ledger = ledger
        self._credits = service
        self._monthly = monthly
        self._clock = clock

    def recurring(self) -> Sequence[Recurring]:
        return (Recurring(Topic(SETTLE_DUE, time_limit=300), EVERY, self.settle_due),)

    async def settle_due(self, delivery: Delivery[CreditsUnitOfWork]) -> None:
        """A commit for each wallet: one that cannot be settled is told of, and keeps no other waiting. A wallet that somebody
        has at hand is left for the next run."""
        after: UUID | None = None
        while True:
            async with delivery.step() as uow:
                due = await uow.credits.wallets_with_due(self._clock.now(), after=after, limit=_BATCH)
            for wallet_id in due:
                await self._settle_alone(delivery, wallet_id)
            if len(due) < _BATCH:
                return
            after = due[-1]

    async def settle(self, uow: CreditsUnitOfWork, wallet_id: UUID, *, wait: bool = True) -> bool:
        """All that is due of one wallet. False without one, or without `wait` where somebody else has it."""
        book = await self._ledger.reopen(uow, wallet_id, wait=wait)
        if book is None:
            return False
        await self._credits.release_over(uow, book)
        await self._monthly.grant_due(uow, book)
        return True

    async def _settle_alone(self, delivery: Delivery[CreditsUnitOfWork], wallet_id: UUID) -> None:
        try:
            async with delivery.step() as uow:
                await self.settle(uow, wallet_id, wait=False)
        except (LeaseLost, PortError):
            raise
        except Exception:
            logger.exception("wallet %s cannot be settled: see `madang doctor`", wallet_id)
