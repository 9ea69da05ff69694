"""Who is waiting in this process for news of a channel, and the one connection over which Redis says that there is some."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from madang.adapters.redis.connection import AWAY, Client
from madang.core.kernel.cancellation import end_tasks

log = structlog.get_logger(__name__)

_AWAY_SECONDS: Final = 1.0
_TELL_AGAIN_SECONDS: Final = 0.05
_SILENCE_SECONDS: Final = 20.0
"""After so long without a word the server is asked whether it is still there: a connection can die without telling."""


class Wakeups:
    """One subscription to every channel below `prefix`, for as long as anybody listens, however many do.

    A wake-up carries nothing and may come for nothing: whoever is woken looks for himself. None is missed: after every new
    connection everybody is woken.
    """

    def __init__(self, redis: Client, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._hearing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def of(self, channel: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever there may be news of the channel."""
        woken = asyncio.Event()
        self._waiting[channel].add(woken)
        if self._hearing is None or self._hearing.done():
            self._hearing = asyncio.create_task(self._hear_for_ever(), name="live-wake-ups")
        try:
            yield woken
        finally:
            await self._leave(channel, woken)

    async def _leave(self, channel: str, woken: asyncio.Event) -> None:
        """The last one sees the subscription's end: nothing of it is left behind."""
        self._waiting[channel].discard(woken)
        if not self._waiting[channel]:
            del self._waiting[channel]
        if not self._waiting and self._hearing is not None:
            hearing, self._hearing = self._hearing, None
            await end_tasks(hearing, tell_again=_TELL_AGAIN_SECONDS)

    async def _hear_for_ever(self) -> None:
        while True:
            try:
                await self._hear()
            except AWAY as error:
                log.warning("live events are away", error=type(error).__name__)
                await asyncio.sleep(_AWAY_SECONDS)

    async def _hear(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.psubscribe(self._prefix + "*")
            asked = False
            while True:
                message = await pubsub.get_message(timeout=_SILENCE_SECONDS)
                if message is not None:
                    asked = False
                    self._take(message)
                elif asked:
                    raise RedisConnectionError("the subscription has died")
                else:
                    asked = True
                    await pubsub.ping()

    def _take(self, message: dict[str, Any]) -> None:
        """A subscription that is confirmed may be a second one, after a connection that was lost."""
        if message["type"] == "psubscribe":
            for waiting in self._waiting.values():
                _wake(waiting)
        elif message["type"] == "pmessage":
            _wake(self._waiting.get(message["channel"].decode(), set()))


def _wake(waiting: set[asyncio.Event]) -> None:
    for woken in waiting:
        woken.set()
