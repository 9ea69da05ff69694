"""A cache that may vanish at any time: when it is down, everything is a miss."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from madang.adapters.redis.connection import AWAY, Client

log = structlog.get_logger(__name__)


class RedisCache:
    """Values are bytes, or JSON by the methods that say so. Never raises for a Redis that is away.

    `fill` answers the cached bytes, or makes them: callers of this process that ask for the same key meanwhile wait for the
    first one's value instead of making their own.
    """

    def __init__(self, redis: Client, *, prefix: str = "madang:cache:") -> None:
        self._redis = redis
        self._prefix = prefix
        self._flights: dict[str, asyncio.Future[bytes]] = {}

    async def get(self, key: str) -> bytes | None:
        try:
            value: bytes | None = await self._redis.get(self._prefix + key)
        except AWAY as error:
            self._away("get", error)
            return None
        return value

    async def set(self, key: str, value: bytes, *, seconds: float) -> None:
        try:
            await self._redis.set(self._prefix + key, value, px=max(1, int(seconds * 1000)))
        except AWAY as error:
            self._away("set", error)

    async def delete(self, *keys: str) -> None:
        if not keys:
            return
        try:
            await self._redis.delete(*(self._prefix + key for key in keys))
        except AWAY as error:
            self._away("delete", error)

    async def get_json(self, key: str) -> Any:
        """None for a miss, and for a value that is not JSON."""
        found = await self.get(key)
        try:
            return None if found is None else msgspec.json.decode(found)
        except msgspec.DecodeError:
            return None

    async def set_json(self, key: str, value: Any, *, seconds: float) -> None:
        await self.set(key, msgspec.json.encode(value), seconds=seconds)

    async def fill(self, key: str, make: Callable[[], Awaitable[bytes]], *, seconds: float) -> bytes:
        """Raises what `make` raises, to every caller that waited for it; a maker that was cancelled is replaced by a waiter."""
        while True:
            flight = self._flights.get(key)
            if flight is None:
                return await self._fly(key, make, seconds)
            await asyncio.wait([flight])  # unlike awaiting it, this tells our own cancellation from the maker's
            if not flight.cancelled():
                return flight.result()

    async def _fly(self, key: str, make: Callable[[], Awaitable[bytes]], seconds: float) -> bytes:
        flight: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        try:
            value = await self.get(key)
            if value is None:
                value = await make()
                await self.set(key, value, seconds=seconds)
        except Exception as error:
            flight.set_exception(error)
            flight.exception()
            raise
        except BaseException:
            flight.cancel()
            raise
        else:
            flight.set_result(value)
            return value
        finally:
            del self._flights[key]

    def _away(self, operation: str, error: BaseException) -> None:
        log.warning("cache is away", operation=operation, error=type(error).__name__)
