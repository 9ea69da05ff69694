"""Live events on a real Valkey, and without one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from madang.adapters.redis.connection import connect
from madang.adapters.redis.live import RedisLiveEvents
from madang.core.kernel.live import LiveEvent

PROBE = "is anybody there"


async def heard(listening: AsyncIterator[LiveEvent], count: int) -> list[LiveEvent]:
    found: list[LiveEvent] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            event = await anext(listening)
            found += [event] if event.name != PROBE else []
    await listening.aclose()  # type: ignore[attr-defined]
    return found


async def listener(events: RedisLiveEvents, channel: str, after: str | None = None) -> AsyncIterator[LiveEvent]:
    """Somebody who listens by now: called until he has heard it."""
    listening = events.listen(channel, after=after)
    first = asyncio.ensure_future(anext(listening))
    async with asyncio.timeout(60):
        while not first.done():
            await events.publish(channel, PROBE, {})
            await asyncio.wait([first], timeout=0.02)
    assert (await first).name == PROBE
    return listening


async def test_who_listens_hears_what_comes(redis_url: str) -> None:
    redis = connect(redis_url)
    events = RedisLiveEvents(redis)
    await events.publish("portrait:1", "before", {})
    listening = await listener(events, "portrait:1")
    await events.publish("portrait:2", "elsewhere", {})
    await events.publish("portrait:1", "picture.ready", {"index": 1})
    await events.publish("portrait:1", "picture.ready", {"index": 2})
    found = await heard(listening, 2)
    assert [(event.name, event.data) for event in found] == [("picture.ready", {"index": 1}), ("picture.ready", {"index": 2})]
    await redis.aclose()


async def test_who_comes_back_hears_what_was_missed(redis_url: str) -> None:
    redis = connect(redis_url)
    events = RedisLiveEvents(redis)
    for number in range(5):
        await events.publish("c", "n", {"n": number})
    everything = await heard(events.listen("c", after="0"), 5)
    assert [event.data["n"] for event in everything] == [0, 1, 2, 3, 4]
    missed = await heard(events.listen("c", after=everything[2].id), 2)
    assert [event.data["n"] for event in missed] == [3, 4]
    await redis.aclose()


async def test_an_id_that_is_not_ours_is_ignored(redis_url: str) -> None:
    redis = connect(redis_url)
    events = RedisLiveEvents(redis)
    await events.publish("c", "old", {})
    listening = await listener(events, "c", "'; DROP")
    await events.publish("c", "new", {})
    assert [event.name for event in await heard(listening, 1)] == ["new"]
    await redis.aclose()


async def test_history_is_short(redis_url: str) -> None:
    redis = connect(redis_url)
    events = RedisLiveEvents(redis, kept=100)
    for number in range(500):
        await events.publish("c", "n", {"n": number})
    assert await redis.xlen("madang:live:c") < 300
    await redis.aclose()


async def test_publishing_without_redis_raises_nothing(tmp_path: Path) -> None:
    redis = connect(f"unix://{tmp_path}/nobody.sock")
    await RedisLiveEvents(redis).publish("c", "n", {})
    await redis.aclose()
