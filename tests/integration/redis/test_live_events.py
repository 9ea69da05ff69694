"""Live events on a real Valkey, and without one."""

import asyncio
from pathlib import Path

from madang.adapters.redis.connection import connect
from madang.adapters.redis.live import RedisLiveEvents
from madang.core.kernel.live import LiveEvent


async def heard(events: RedisLiveEvents, channel: str, count: int, after: str | None = None) -> list[LiveEvent]:
    found: list[LiveEvent] = []
    async with asyncio.timeout(20):
        async for event in events.listen(channel, after=after):
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_who_listens_hears_what_comes(redis_url: str) -> None:
    redis = connect(redis_url)
    events = RedisLiveEvents(redis)
    await events.publish("portrait:1", "before", {})
    listening = asyncio.create_task(heard(events, "portrait:1", 2))
    await asyncio.sleep(0.2)
    await events.publish("portrait:2", "elsewhere", {})
    await events.publish("portrait:1", "picture.ready", {"index": 1})
    await events.publish("portrait:1", "picture.ready", {"index": 2})
    found = await listening
    assert [(event.name, event.data) for event in found] == [("picture.ready", {"index": 1}), ("picture.ready", {"index": 2})]
    await redis.aclose()


async def test_who_comes_back_hears_what_was_missed(redis_url: str) -> None:
    redis = connect(redis_url)
    events = RedisLiveEvents(redis)
    for number in range(5):
        await events.publish("c", "n", {"n": number})
    everything = await heard(events, "c", 5, after="0")
    assert [event.data["n"] for event in everything] == [0, 1, 2, 3, 4]
    missed = await heard(events, "c", 2, after=everything[2].id)
    assert [event.data["n"] for event in missed] == [3, 4]
    await redis.aclose()


async def test_an_id_that_is_not_ours_is_ignored(redis_url: str) -> None:
    redis = connect(redis_url)
    events = RedisLiveEvents(redis)
    await events.publish("c", "old", {})
    listening = asyncio.create_task(heard(events, "c", 1, after="'; DROP"))
    await asyncio.sleep(0.2)
    await events.publish("c", "new", {})
    assert [event.name for event in await listening] == ["new"]
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
