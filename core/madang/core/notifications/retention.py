"""How long notifications are kept: addresses and words for weeks, what was sent when for a year."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Topic
from madang.core.kernel.schedules import Recurring
from madang.core.notifications.repository import NotificationsUnitOfWork

logger = logging.getLogger(__name__)

RETAIN: Final = "notifications.retain"
_AT_ONCE: Final = 500


class NotificationRetention:
    def __init__(self, clock: Clock, *, text_days: int, log_days: int) -> None:
        self._clock = clock
        self._text_days = text_days
        self._log_days = log_days

    def recurring(self) -> Sequence[Recurring]:
        return (Recurring(Topic(RETAIN, time_limit=300), timedelta(hours=1), self.sweep),)

    async def sweep(self, delivery: Delivery[Any]) -> None:
        """In batches, each a commit of its own: one that dies in between goes on where it was."""
        now = self._clock.now()
        old, very_old = now - timedelta(days=self._text_days), now - timedelta(days=self._log_days)

        async def forget(uow: NotificationsUnitOfWork) -> int:
            return await uow.notifications.forget_texts(old, now, limit=_AT_ONCE)

        async def prune(uow: NotificationsUnitOfWork) -> int:
            return await uow.notifications.prune(very_old, limit=_AT_ONCE)

        emptied = await _in_batches(delivery, forget)
        deleted = await _in_batches(delivery, prune)
        if emptied or deleted:
            logger.info("notifications: %d emptied, %d deleted", emptied, deleted)


async def _in_batches(delivery: Delivery[Any], act: Callable[[NotificationsUnitOfWork], Awaitable[int]]) -> int:
    total = 0
    while True:
        async with delivery.step() as uow:
            done = await act(uow)
        total += done
        if done < _AT_ONCE:
            return total
