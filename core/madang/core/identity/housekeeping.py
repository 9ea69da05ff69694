"""What identity forgets by itself."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from madang.core.identity.lockout import BLOCKED_FOR
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Topic
from madang.core.kernel.schedules import Recurring

KEPT_FOR: Final = timedelta(days=1)
"""Sessions and tokens stay a day after they are over: an access token outlives its session by an hour at most."""
_ROWS: Final = 1000
Prune = Callable[[IdentityUnitOfWork, datetime], Awaitable[int]]


class IdentityHousekeeping:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def recurring(self) -> Sequence[Recurring]:
        return (Recurring(Topic("identity.forget", time_limit=300), timedelta(hours=1), self.forget),)

    async def forget(self, delivery: Delivery[IdentityUnitOfWork]) -> None:
        """A thousand rows a commit, until none is left."""
        over = self._clock.now() - KEPT_FOR
        await _in_batches(delivery, over, lambda uow, before: uow.sessions.prune(before, limit=_ROWS))
        await _in_batches(delivery, over, lambda uow, before: uow.one_time_tokens.prune(before, limit=_ROWS))
        tried = self._clock.now() - BLOCKED_FOR
        await _in_batches(delivery, tried, lambda uow, before: uow.sign_in_attempts.prune(before, limit=_ROWS))


async def _in_batches(delivery: Delivery[IdentityUnitOfWork], before: datetime, prune: Prune) -> None:
    gone = _ROWS
    while gone == _ROWS:
        async with delivery.step() as uow:
            gone = await prune(uow, before)
