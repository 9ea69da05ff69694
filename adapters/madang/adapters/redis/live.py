"""Live events on Redis: pub/sub says that there is news, a short stream says what, so who was gone for a moment misses nothing.

Every listener reads the stream for himself and as fast as he likes: for a slow one nothing is kept in this process, and who is
slower than the stream's length loses its oldest events.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from madang.adapters.redis.connection import AWAY, Client
from madang.adapters.redis.wakeups import Wakeups
from madang.core.kernel.live import LiveEvent

log = structlog.get_logger(__name__)

_STREAM_ID: Final = re.compile(r"\d{1,19}(-\d{1,19})?")
_AT_ONCE: Final = 100
_AWAY_SECONDS: Final = 1.0
_BEGINNING: Final = "0-0"


class RedisLiveEvents:
    """Fulfils `LiveEvents`. A channel keeps about `kept` events, for `seconds` after its last one.

    However many listen: one connection of the client for the wake-ups, and at most `readers` for a moment each.
    """

    def __init__(
        self, redis: Client, *, prefix: str = "madang:live:", kept: int = 200, seconds: int = 3600, readers: int = 8
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._kept = kept
        self._seconds = seconds
        self._readers = asyncio.Semaphore(readers)
        self._wakeups = Wakeups(redis, prefix)

    async def publish(self, channel: str, name: str, data: Mapping[str, Any]) -> None:
        stream = self._prefix + channel
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.xadd(stream, {b"name": name, b"data": msgspec.json.encode(data)}, maxlen=self._kept, approximate=True)
                pipeline.expire(stream, self._seconds)
                pipeline.publish(stream, b"")
                await pipeline.execute()
        except AWAY as error:
            log.warning("live event lost", name=name, error=type(error).__name__)

    async def listen(self, channel: str, *, after: str | None = None) -> AsyncIterator[LiveEvent]:
        """Without `after`, or with one that is no id of ours, from now on. Survives a Redis that restarts."""
        stream = self._prefix + channel
        last = after if after is not None and _STREAM_ID.fullmatch(after) else None
        async with self._wakeups.of(stream) as woken:
            while True:
                woken.clear()
                try:
                    last, events = await self._read(stream, last)
                except AWAY as error:
                    log.warning("live events are away", error=type(error).__name__)
                    await asyncio.sleep(_AWAY_SECONDS)
                    continue
                for event in events:
                    yield event
                if not events:
                    await woken.wait()

    async def _read(self, stream: str, last: str | None) -> tuple[str, Sequence[LiveEvent]]:
        """What came after `last`, and where to go on.

        A stream whose newest entry is older than what we have seen is another one: Redis restarted empty on a host whose clock
        is behind. It is read from its beginning.
        """
        async with self._readers, self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xrevrange(stream, count=1)
            if last is not None:
                pipeline.xrange(stream, min=f"({_written(last)}", count=_AT_ONCE)
            newest, *found = await pipeline.execute()
        newest_id = newest[0][0].decode() if newest else None
        if last is None:
            return newest_id or _BEGINNING, ()
        if newest_id is not None and _order(newest_id) < _order(last):
            return await self._read(stream, _BEGINNING)
        events = [_event(entry_id, fields) for entry_id, fields in found[0]]
        return events[-1].id if events else last, events


def _event(entry_id: bytes, fields: Mapping[bytes, bytes]) -> LiveEvent:
    return LiveEvent(entry_id.decode(), fields[b"name"].decode(), msgspec.json.decode(fields[b"data"]))


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def _written(entry_id: str) -> str:
    return "{}-{}".format(*_order(entry_id))
