"""The way of a message from its commit through the relay and arq to its handler."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import ConnectionPool, Redis

from madang.adapters.arq import carrier
from madang.adapters.arq.relay import Relay
from madang.adapters.arq.worker import ArqWorker
from madang.adapters.redis.connection import connect
from madang.core.kernel.cancellation import end_tasks
from madang.core.kernel.messages import Delivery, Handler, Lane, Message, Topic

NEVER = 3600.0
ETERNITY = 1e12
"""A time bucket that ends in no test: those of `NEVER` end with each full hour."""
SHORT, LONG = Topic("short"), Topic("long", Lane.LONG)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


async def nothing(uow: Any, message: Message) -> None:
    return


async def finish(delivery: Delivery[Any]) -> None:
    return


async def queued(redis: Redis, lane: Lane) -> list[str]:
    return [name.decode() for name in await redis.zrange(carrier.QUEUES[lane], 0, -1)]


async def stop(*tasks: "asyncio.Task[Any]") -> None:
    await end_tasks(*tasks)


async def test_a_relay_that_is_woken_as_it_is_told_to_stop_ends(workshop, redis: Redis) -> None:
    wake: list[Callable[[], None]] = []

    async def listen(told: Callable[[], None]) -> None:
        wake.append(told)
        await asyncio.Event().wait()

    relay = asyncio.create_task(Relay(workshop.outbox, redis, listen, sweep=NEVER).run())
    await asyncio.sleep(0.2)
    wake[0]()
    relay.cancel()
    ended, _ = await asyncio.wait({relay}, timeout=10)
    relay.cancel()
    assert ended == {relay}


async def test_a_commit_reaches_its_handler_by_notification_alone(workshop, redis: Redis) -> None:
    """With every poll and sweep asleep, only NOTIFY and arq can have carried it."""
    runner = workshop.runner(Handler(SHORT, handle=nothing), Handler(LONG, run=finish), poll=NEVER)
    worker = ArqWorker(runner, redis, long_concurrency=2, longest=30, poll_without_redis=NEVER)
    relay = Relay(workshop.outbox, redis, workshop.outbox.listen, sweep=NEVER)
    await runner.start()
    tasks = [asyncio.create_task(worker.run()), asyncio.create_task(relay.run())]
    await asyncio.sleep(0.5)
    await workshop.send(SHORT, 3)
    await workshop.send(LONG, 3)
    await workshop.until_states({"done": 6})
    await stop(*tasks)


async def test_many_short_messages_make_few_wake_ups(workshop, redis: Redis) -> None:
    await workshop.send(SHORT, 100)
    relay = Relay(workshop.outbox, redis, workshop.outbox.listen)
    for _ in range(50):
        await relay.announce()
    assert 1 <= len(await queued(redis, Lane.SHORT)) <= 20


async def test_a_long_message_has_one_job_for_each_attempt(workshop, redis: Redis) -> None:
    [message] = await workshop.send(LONG)
    relay = Relay(workshop.outbox, redis, workshop.outbox.listen, bucket=ETERNITY)
    await relay.announce()
    await relay.announce()
    assert len(await queued(redis, Lane.LONG)) == 1
    leased = await workshop.outbox.claim_one(message, "dying", lease=30)
    assert leased is not None
    await workshop.execute("UPDATE messages SET lease_until = now() - interval '1 s'")
    await relay.announce()
    attempts = {name.split(":")[:2][1] for name in await queued(redis, Lane.LONG)}
    assert attempts == {"1", "2"}


async def test_a_key_that_a_killed_worker_left_does_not_block_the_message(workshop, redis: Redis) -> None:
    """arq holds `arq:in-progress:<job>` until the job's time-out; a new time bucket makes a new job."""
    await workshop.send(LONG)
    relay = Relay(workshop.outbox, redis, workshop.outbox.listen, bucket=0.2, sweep=0.1)
    await relay.announce()
    [first] = await queued(redis, Lane.LONG)
    await redis.set(f"arq:in-progress:{first}", b"1")
    runner = workshop.runner(Handler(LONG, run=finish), poll=NEVER)
    worker = ArqWorker(runner, redis, long_concurrency=2, longest=30, poll_without_redis=NEVER)
    await runner.start()
    await asyncio.sleep(0.1)
    tasks = [asyncio.create_task(worker.run()), asyncio.create_task(relay.run())]
    await workshop.until_states({"done": 1})
    await stop(*tasks)


async def test_a_queue_full_of_announcements_is_not_filled_further(workshop, redis: Redis) -> None:
    await workshop.send(LONG, 300)
    relay = Relay(workshop.outbox, redis, workshop.outbox.listen, bucket=0.001)
    for _ in range(5):
        await relay.announce()
    assert len(await queued(redis, Lane.LONG)) == 200


async def test_nothing_of_arq_is_left_when_all_is_done(workshop, redis: Redis) -> None:
    runner = workshop.runner(Handler(SHORT, handle=nothing), Handler(LONG, run=finish), poll=NEVER)
    worker = ArqWorker(runner, redis, long_concurrency=2, longest=30, poll_without_redis=NEVER)
    relay = Relay(workshop.outbox, redis, workshop.outbox.listen, sweep=NEVER)
    await runner.start()
    tasks = [asyncio.create_task(worker.run()), asyncio.create_task(relay.run())]
    await workshop.send(SHORT, 5)
    await workshop.send(LONG, 5)
    await workshop.until_states({"done": 10})
    async with asyncio.timeout(90):
        while await queued(redis, Lane.LONG) or await queued(redis, Lane.SHORT):
            await asyncio.sleep(0.05)
    await stop(*tasks)
    left = {name.decode() async for name in redis.scan_iter()}
    assert left <= {"madang:short:health-check", "madang:long:health-check"}


async def test_jobs_travel_as_json_not_as_pickle(workshop, redis: Redis) -> None:
    [message] = await workshop.send(LONG)
    await Relay(workshop.outbox, redis, workshop.outbox.listen).announce()
    [job] = await queued(redis, Lane.LONG)
    written = carrier.deserialize(await redis.get(f"arq:job:{job}"))
    assert (written["f"], written["a"]) == ("deliver", [str(message)])


class Slow(ConnectionPool):
    """Takes its time over each command, as a busy server does, and counts the commands."""

    asked = 0

    async def get_connection(self, *arguments: Any, **named: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0.05)
        return await super().get_connection(*arguments, **named)


async def test_a_worker_that_has_ended_says_nothing_more_to_redis(workshop, redis: Redis, redis_url: str) -> None:
    """Stopped while arq writes down the ends of jobs: a later command would open a connection that nobody closes."""
    pool = Slow.from_url(redis_url)
    await workshop.send(LONG, 4)
    await Relay(workshop.outbox, redis, workshop.outbox.listen).announce()
    runner = workshop.runner(Handler(SHORT, handle=nothing), Handler(LONG, run=finish), poll=NEVER)
    worker = ArqWorker(runner, Redis(connection_pool=pool), long_concurrency=4, longest=30, poll_without_redis=NEVER)
    await runner.start()
    running = asyncio.create_task(worker.run())
    await workshop.until_states({"done": 4})
    await stop(running)
    await pool.disconnect()
    asked = pool.asked
    await asyncio.sleep(0.5)
    assert pool.asked == asked
    assert not any(connection.is_connected for connection in pool._available_connections)


class Raising(ConnectionPool):
    """Never has a connection, and raises an error of its own when interrupted, as drivers do in the middle of a command."""

    async def get_connection(self, *_: Any, **__: Any) -> Any:
        try:
            await asyncio.sleep(NEVER)
        except asyncio.CancelledError:
            raise RuntimeError("interrupted in the middle of a command") from None


class Deaf(ConnectionPool):
    """Never has a connection, and goes on waiting for one when interrupted for the first time."""

    async def get_connection(self, *_: Any, **__: Any) -> Any:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(NEVER)
        await asyncio.sleep(NEVER)


@pytest.mark.parametrize("pool", [Raising, Deaf])
async def test_a_worker_asked_to_end_in_the_middle_of_a_command_ends(workshop, pool: type[ConnectionPool]) -> None:
    runner = workshop.runner(Handler(SHORT, handle=nothing), Handler(LONG, run=finish), poll=NEVER)
    worker = ArqWorker(runner, Redis(connection_pool=pool()), long_concurrency=2, longest=30, poll_without_redis=NEVER)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    running.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
