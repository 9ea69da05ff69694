"""Live events on Redis streams: short histories, so that a listener who was gone for a moment misses nothing."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
import structlog

from madang.adapters.redis.connection import AWAY, Client
from madang.core.kernel.live import LiveEvent

log = structlog.get_logger(__name__)

_STREAM_ID: Final = re.compile(r"\d{1,19}(-\d{1,19})?")
_BLOCK_MILLISECONDS: Final = 2000
_AWAY_SECONDS: Final = 1.0


class RedisLiveEvents:
    """Fulfils `LiveEvents`. A channel keeps about `kept` events, for `seconds` after its last one.

    A listener holds one connection of the client for as long as it listens.
    """

    def __init__(self, redis: Client, *, prefix: str = "madang:live:", kept: int = 200, seconds: int = 3600) -> None:
        self._redis = redis
        self._prefix = prefix
        self._kept = kept
        self._seconds = seconds

    async def publish(self, channel: str, name: str, data: Mapping[str, Any]) -> None:
        stream = self._prefix + channel
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.xadd(stream, {b"name": name, b"data": msgspec.json.encode(data)}, maxlen=self._kept, approximate=True)
                pipeline.expire(stream, self._seconds)
                await pipeline.execute()
        except AWAY as error:
            log.warning("live event lost", name=name, error=type(error).__name__)

    async def listen(self, channel: str, *, after: str | None = None) -> AsyncIterator[LiveEvent]:
        """Without `after`, or with one that is no id of ours, from now on. Survives a Redis that restarts."""
        stream = self._prefix + channel
        last = after if after is not None and _STREAM_ID.fullmatch(after) else None
        while True:
            try:
                last = last or await self._newest(stream)
                answer = await self._redis.xread({stream: last}, count=100, block=_BLOCK_MILLISECONDS)
                if not answer:
                    last = await self._not_ahead(stream, last)
            except AWAY as error:
                log.warning("live events are away", error=type(error).__name__)
                await asyncio.sleep(_AWAY_SECONDS)
                continue
            for _, entries in answer:
                for entry_id, fields in entries:
                    last = entry_id.decode()
                    yield LiveEvent(last, fields[b"name"].decode(), msgspec.json.decode(fields[b"data"]))

    async def _newest(self, stream: str) -> str:
        entries = await self._redis.xrevrange(stream, count=1)
        return str(entries[0][0].decode()) if entries else "0-0"

    async def _not_ahead(self, stream: str, last: str) -> str:
        """A Redis that restarted empty, on a host whose clock is behind, gives ids below those we have seen."""
        newest = await self._newest(stream)
        return newest if newest != "0-0" and _order(newest) < _order(last) else last


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
