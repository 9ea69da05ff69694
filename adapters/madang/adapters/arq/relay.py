"""Tells arq that there is work: woken by PostgreSQL, with a sweep behind it.

It keeps nothing: what is due is read from the outbox each time, so a relay, a Redis or a database that was away is made up for
by the next look. Any number of relays may run.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from madang.adapters.arq import carrier
from madang.core.kernel.cancellation import end_tasks
from madang.core.kernel.messages import Lane
from madang.core.kernel.outbox import Outbox
from madang.ports.errors import Unavailable

log = structlog.get_logger(__name__)

Listen = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]
"""Calls back whenever messages were committed, reconnects by itself, and runs until it is cancelled."""

_LONG_ANNOUNCED_AT_MOST: Final = 200
_SHORT_ANNOUNCED_AT_MOST: Final = 20
_WAKE_UPS_APART_SECONDS: Final = 0.02
_AFTER_AN_ERROR_SECONDS: Final = 0.5


class Relay:
    """`sweep` and `bucket` in seconds: how long to sleep at most, and after what time a due message is announced again."""

    def __init__(self, outbox: Outbox[Any], redis: Redis, listen: Listen, *, sweep: float = 1.0, bucket: float = 1.0) -> None:
        self._outbox = outbox
        self._arq = carrier.arq_client(redis)
        self._listen = listen
        self._sweep = sweep
        self._bucket = bucket
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled."""
        listener = asyncio.create_task(self._listen(self._woken.set), name="listener")
        try:
            while True:
                self._woken.clear()
                pause = await self._look()
                await self._sleep(pause)
                if listener.done():
                    listener.result()
        finally:
            await end_tasks(listener)

    async def _look(self) -> float:
        """Announce what is due and answer for how long to sleep."""
        try:
            await self.announce()
            next_due = await self._outbox.seconds_to_next()
        except (Unavailable, RedisError, OSError, TimeoutError) as error:
            log.warning("the relay will look again", error=type(error).__name__)
            return _AFTER_AN_ERROR_SECONDS
        if next_due is None or next_due <= 0:
            return self._sweep
        return min(self._sweep, next_due + 0.001)

    async def _sleep(self, pause: float) -> None:
        """A flood of notifications makes one look in each `_WAKE_UPS_APART_SECONDS`."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(pause):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(max(0.0, _WAKE_UPS_APART_SECONDS - (time.monotonic() - began)))

    async def announce(self) -> None:
        """One look: a wake-up when a short message is due, a job for each long one."""
        if await self._outbox.due(Lane.SHORT, limit=1) and await self._has_room_for_wake_up():
            await carrier.announce_short(self._arq)
        room = _LONG_ANNOUNCED_AT_MOST - await carrier.waiting(self._arq, Lane.LONG)
        if room > 0:
            for due in await self._outbox.due(Lane.LONG, limit=room):
                await carrier.announce_long(self._arq, due, bucket_seconds=self._bucket)

    async def _has_room_for_wake_up(self) -> bool:
        return await carrier.waiting(self._arq, Lane.SHORT) < _SHORT_ANNOUNCED_AT_MOST
