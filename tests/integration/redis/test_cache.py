"""The cache on a real Valkey, and without one."""

import asyncio
from pathlib import Path

import pytest

from madang.adapters.redis.cache import RedisCache
from madang.adapters.redis.connection import connect


async def test_what_was_set_is_found_until_it_is_deleted_or_expires(redis_url: str) -> None:
    redis = connect(redis_url)
    cache = RedisCache(redis)
    await cache.set("a", b"bytes", seconds=60)
    await cache.set_json("b", {"n": [1, 2]}, seconds=60)
    await cache.set("gone", b"x", seconds=0.01)
    await asyncio.sleep(0.05)
    assert await cache.get("a") == b"bytes"
    assert await cache.get_json("b") == {"n": [1, 2]}
    assert await cache.get_json("a") is None
    assert await cache.get("gone") is None
    await cache.delete("a", "b")
    assert await cache.get("a") is None
    await redis.aclose()


async def test_many_who_miss_at_once_make_the_value_once(redis_url: str) -> None:
    redis = connect(redis_url)
    cache = RedisCache(redis)
    made = 0

    async def make() -> bytes:
        nonlocal made
        made += 1
        await asyncio.sleep(0.05)
        return b"value"

    assert set(await asyncio.gather(*(cache.fill("k", make, seconds=60) for _ in range(20)))) == {b"value"}
    assert await cache.fill("k", make, seconds=60) == b"value"
    assert made == 1
    await redis.aclose()


async def test_an_error_while_making_reaches_all_who_wait_and_is_not_kept(redis_url: str) -> None:
    redis = connect(redis_url)
    cache = RedisCache(redis)

    async def fail() -> bytes:
        await asyncio.sleep(0.02)
        raise LookupError("no such thing")

    async def make() -> bytes:
        return b"now"

    outcomes = await asyncio.gather(*(cache.fill("k", fail, seconds=60) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LookupError] * 3
    assert await cache.fill("k", make, seconds=60) == b"now"
    await redis.aclose()


async def test_when_the_maker_is_cancelled_a_waiter_makes_it(redis_url: str) -> None:
    redis = connect(redis_url)
    cache = RedisCache(redis)

    async def never() -> bytes:
        await asyncio.Event().wait()
        return b""

    async def make() -> bytes:
        return b"made"

    first = asyncio.create_task(cache.fill("k", never, seconds=60))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(cache.fill("k", make, seconds=60))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == b"made"
    with pytest.raises(asyncio.CancelledError):
        await first
    await redis.aclose()


async def test_a_waiter_that_is_cancelled_together_with_the_maker_makes_nothing(redis_url: str) -> None:
    redis = connect(redis_url)
    cache = RedisCache(redis)
    making = asyncio.Event()

    async def never() -> bytes:
        making.set()
        await asyncio.Event().wait()
        return b""

    maker = asyncio.create_task(cache.fill("k", never, seconds=60))
    await making.wait()
    making.clear()
    waiter = asyncio.create_task(cache.fill("k", never, seconds=60))
    await asyncio.sleep(0)
    for task in (maker, waiter):
        task.cancel()
    made = asyncio.create_task(making.wait())
    await asyncio.wait([waiter, made], return_when=asyncio.FIRST_COMPLETED)
    for task in (maker, waiter, made):
        task.cancel()
    await asyncio.wait([maker, waiter, made])
    assert not making.is_set()
    await redis.aclose()


async def test_without_redis_everything_is_a_miss(tmp_path: Path) -> None:
    redis = connect(f"unix://{tmp_path}/nobody.sock")
    cache = RedisCache(redis)

    async def make() -> bytes:
        return b"made"

    await cache.set("k", b"v", seconds=60)
    await cache.delete("k")
    assert await cache.get("k") is None
    assert await cache.fill("k", make, seconds=60) == b"made"
    await redis.aclose()
