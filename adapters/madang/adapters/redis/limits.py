"""Rate limits by name, counted in Redis by the library `limits`, with permits taken in chunks.

A process takes several permits at once and spends them by itself, so an ordinary call does not pay a round trip. Permits that a
process took and did not spend are lost to the caller until the window ends: at most a twentieth of the limit for each process.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage

from madang.adapters.redis.connection import AWAY, Client
from madang.ports.errors import Misconfigured

log = structlog.get_logger(__name__)

_CHUNKS: Final = 20
_PATIENCE_SECONDS: Final = 0.25
_AWAY_SECONDS: Final = 2.0
_REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """`reset_after` in seconds: when the whole limit is there again."""

    allowed: bool
    limit: int
    remaining: int
    reset_after: float


@dataclass(slots=True)
class _Permits:
    """`here` may be spent by this process; `elsewhere` is what was left in Redis. `until` by the monotonic clock."""

    here: int
    elsewhere: int
    until: float


class _RedisStorage(RedisStorage):
    """Loads the one client library that it uses: the library's own also loads `valkey`, a copy of the same size."""

    def __init__(self, connections: Mapping[str, Any], prefix: str) -> None:
        self.DEPENDENCIES = {"redis": None}
        super().__init__("redis://", implementation="redispy", key_prefix=prefix, **connections)


class RedisRateLimiter:
    """`policies` by name in the notation of `limits` (`100/minute`); raises `Misconfigured` for one that cannot be read.

    A Redis that is away opens no gate and closes none: each process then counts for itself, with the same limits.
    """

    def __init__(self, redis: Client, policies: Mapping[str, str], *, prefix: str = "madang:limit") -> None:
        self._policies = {name: _policy(name, written) for name, written in policies.items()}
        self._shared: Storage = _RedisStorage(_connections(redis), prefix)
        self._own: Storage = MemoryStorage()
        self._away_until = 0.0
        self._permits: dict[tuple[str, str, RateLimitItem], _Permits] = {}

    async def hit(self, policy: str, caller: str, written: str | None = None) -> Allowance:
        """Count one call, under what is `written` where the caller has a limit of its own. Never raises for a Redis that is
        away; `KeyError` for a policy that nobody declared."""
        item = self._policies[policy] if written is None else _own(policy, written)
        now = time.monotonic()
        permits = self._permits.get((policy, caller, item))
        if permits is None or now >= permits.until or (permits.here == 0 and permits.elsewhere > 0):
            permits = await self._take(policy, item, caller)
            meanwhile = self._permits.get((policy, caller, item))
            if meanwhile is not None and now < meanwhile.until:
                # Calls of one moment each take a chunk: what another has not spent is not lost.
                permits.here += meanwhile.here
            self._remember((policy, caller, item), permits, now)
        allowed = permits.here > 0
        if allowed:
            permits.here -= 1
        return Allowance(allowed, item.amount, permits.here + permits.elsewhere, max(0.0, permits.until - now))

    async def _take(self, policy: str, item: RateLimitItem, caller: str) -> _Permits:
        key = item.key_for(policy, caller)
        chunk = max(1, item.amount // _CHUNKS)
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return await _count(self._shared, item, key, chunk)
            except AWAY as error:
                self._away_until = time.monotonic() + _AWAY_SECONDS
                log.warning("rate limits are counted by this process alone: Redis is away", error=type(error).__name__)
        return await _count(self._own, item, key, chunk)

    def _remember(self, key: tuple[str, str, RateLimitItem], permits: _Permits, now: float) -> None:
        if len(self._permits) >= _REMEMBERED:
            self._permits = {name: kept for name, kept in self._permits.items() if kept.until > now}
            if len(self._permits) >= _REMEMBERED:
                self._permits.clear()
        self._permits[key] = permits


async def _count(storage: Storage, item: RateLimitItem, key: str, chunk: int) -> _Permits:
    counted = await storage.incr(key, item.get_expiry(), amount=chunk)
    reset = await storage.get_expiry(key)
    granted = max(0, min(chunk, item.amount - (counted - chunk)))
    return _Permits(granted, max(0, item.amount - counted), time.monotonic() + max(0.0, reset - time.time()))


def _connections(redis: Client) -> dict[str, Any]:
    """What `limits` calls an option may be a pool, whatever its annotation says."""
    return {"connection_pool": redis.connection_pool}


@lru_cache(maxsize=256)
def _own(name: str, written: str) -> RateLimitItem:
    return _policy(name, written)


def _policy(name: str, written: str) -> RateLimitItem:
    try:
        return parse(written)
    except ValueError as error:
        raise Misconfigured(
            f"limits.{name}: write it like 100/minute or 30 per hour, not {written!r}", provider="redis", operation="limits"
        ) from error
