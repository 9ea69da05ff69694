"""Twenty jobs of half a second, and whatever can happen to the processes and servers meanwhile."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from faults.boundaries import reached
from faults.harness import Deployment, until
from faults.twenty_jobs import COMPOSITION, LEASE, LEASE_SECONDS, effects, make_tables, send
from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.valkey_server import EmbeddedValkey
from madang.adapters.redis.connection import connect

JOBS = 20


@pytest.fixture
async def deployment(database_url: str, redis_url: str, tmp_path: Path) -> Deployment:
    await make_tables(database_url)
    return Deployment(COMPOSITION, database_url, redis_url, tmp_path)


async def some_have_begun(deployment: Deployment, before: int = 0) -> None:
    """Besides the jobs of before."""
    await until(deployment.database_url, f"SELECT count(DISTINCT message) >= {before + 8} FROM begun")


async def expect_each_effect_once(deployment: Deployment, jobs: int = JOBS) -> None:
    found = await effects(deployment.database_url)
    assert len(found) == jobs
    assert len(set(found)) == jobs


async def arq_is_back(deployment: Deployment) -> None:
    """Its worker writes this key when it starts."""
    redis = connect(deployment.redis_url)
    async with asyncio.timeout(150):
        while not await redis.exists("madang:long:health-check"):
            await asyncio.sleep(0.1)
    await redis.aclose()


@pytest.mark.parametrize("topic", ["faults.long", "faults.short"])
async def test_after_a_kill_all_jobs_are_done_within_the_lease_and_two_seconds(deployment: Deployment, topic: str) -> None:
    """At least once in three times: a busy machine may stand still for so long."""
    for times in range(1, 4):
        took = await seconds_after_a_kill(deployment, topic, before=(times - 1) * JOBS)
        await expect_each_effect_once(deployment, times * JOBS)
        if took < LEASE_SECONDS + 2:
            return
    raise AssertionError(f"{took:g} s")


async def seconds_after_a_kill(deployment: Deployment, topic: str, before: int) -> float:
    """Until another worker, who is there already, has done everything."""
    async with deployment.relay() as relay, deployment.worker() as first:
        await relay.ready()
        await first.ready()
        await send(deployment.database_url, topic, JOBS)
        await some_have_begun(deployment, before)
        await first.kill()
        async with deployment.worker() as second:
            await second.ready()
            began = time.monotonic()
            await deployment.until_empty()
            return time.monotonic() - began


@pytest.mark.parametrize("topic", ["faults.long", "faults.short", "faults.together"])
async def test_a_worker_killed_at_each_boundary_in_turn_does_the_job_once(deployment: Deployment, topic: str) -> None:
    """The n-th worker dies at the n-th boundary that it reaches, until one reaches the end."""
    await send(deployment.database_url, topic, 1)
    async with deployment.relay():
        for boundary in range(1, 20):
            async with deployment.worker(die_at=boundary, **{LEASE: "0.6"}) as worker:
                ended = asyncio.create_task(worker.died())
                empty = asyncio.create_task(deployment.until_empty())
                await asyncio.wait({ended, empty}, return_when=asyncio.FIRST_COMPLETED)
                if not ended.done() or ended.result() != -signal.SIGKILL:
                    break
                empty.cancel()
                await asyncio.gather(empty, return_exceptions=True)
                await asyncio.sleep(0)
    assert len(await effects(deployment.database_url)) == 1
    assert any("before the commit" in name for name in reached(deployment.notes))


async def test_a_worker_killed_around_a_commit_of_several_messages_does_each_once(deployment: Deployment) -> None:
    for boundary in (1, 2, 3, 1):
        await send(deployment.database_url, "faults.together", JOBS // 4)
        async with deployment.worker(die_at=boundary, **{LEASE: "0.6"}) as worker:
            assert await worker.died() == -signal.SIGKILL
    async with deployment.worker():
        await deployment.until_empty()
    await expect_each_effect_once(deployment)


async def test_a_redis_emptied_in_mid_run_loses_nothing(deployment: Deployment) -> None:
    redis = connect(deployment.redis_url)
    async with deployment.relay() as relay, deployment.worker() as worker:
        await relay.ready()
        await worker.ready()
        await send(deployment.database_url, "faults.long", JOBS)
        await some_have_begun(deployment)
        await redis.flushall()
        await deployment.until_empty()
    await redis.aclose()
    await expect_each_effect_once(deployment)


async def test_a_redis_that_is_away_slows_but_does_not_stop(deployment: Deployment, redis_server: EmbeddedValkey) -> None:
    redis_server.stop()
    try:
        async with deployment.relay() as relay, deployment.worker() as worker:
            await relay.ready()
            await worker.ready()
            await send(deployment.database_url, "faults.long", JOBS)
            await deployment.until_empty()
    finally:
        redis_server.start()
    await expect_each_effect_once(deployment)


async def test_a_redis_that_restarts_empty_is_used_again(deployment: Deployment, redis_server: EmbeddedValkey) -> None:
    async with deployment.relay() as relay, deployment.worker() as worker:
        await relay.ready()
        await worker.ready()
        await send(deployment.database_url, "faults.long", JOBS // 2)
        await some_have_begun(deployment)
        redis_server.stop()
        await asyncio.sleep(1)
        redis_server.start()
        await send(deployment.database_url, "faults.long", JOBS // 2)
        await deployment.until_empty()
        await arq_is_back(deployment)
    await expect_each_effect_once(deployment)


async def test_a_database_restarted_in_mid_run_loses_nothing(deployment: Deployment, postgres_server: EmbeddedPostgres) -> None:
    async with deployment.relay() as relay, deployment.worker() as worker:
        await relay.ready()
        await worker.ready()
        await send(deployment.database_url, "faults.long", JOBS // 2)
        await send(deployment.database_url, "faults.short", JOBS // 2)
        await some_have_begun(deployment)
        postgres_server.stop()
        await asyncio.sleep(1)
        postgres_server.start()
        await deployment.until_empty()
    await expect_each_effect_once(deployment)


async def test_a_database_killed_in_mid_run_loses_nothing(deployment: Deployment, postgres_server: EmbeddedPostgres) -> None:
    async with deployment.relay() as relay, deployment.worker() as worker:
        await relay.ready()
        await worker.ready()
        await send(deployment.database_url, "faults.long", JOBS)
        await some_have_begun(deployment)
        assert postgres_server.pid is not None
        os.kill(postgres_server.pid, signal.SIGKILL)
        postgres_server.stop()
        postgres_server.start()
        await deployment.until_empty()
    await expect_each_effect_once(deployment)


async def test_a_worker_asked_to_end_finishes_what_it_began_and_gives_back_the_rest(deployment: Deployment) -> None:
    await send(deployment.database_url, "faults.short", JOBS)
    async with deployment.worker() as worker:
        await some_have_begun(deployment)
        assert await worker.stop() == 0
    await until(deployment.database_url, "SELECT NOT EXISTS (SELECT 1 FROM messages WHERE state = 'leased')", seconds=0)
    async with deployment.worker() as next_worker:
        await next_worker.ready()
        await deployment.until_empty()
    await expect_each_effect_once(deployment)


async def test_processes_show_that_they_live_and_say_goodbye(deployment: Deployment) -> None:
    async with deployment.relay() as relay, deployment.worker() as worker:
        await until(deployment.database_url, "SELECT array_agg(kind ORDER BY kind) = '{relay,worker}' FROM heartbeats")
        assert await worker.stop() == 0
        assert await relay.stop() == 0
    await until(deployment.database_url, "SELECT count(*) = 0 FROM heartbeats", seconds=0)


async def test_the_request_id_of_the_sender_reaches_the_effect(deployment: Deployment) -> None:
    await send(deployment.database_url, "faults.together", JOBS)
    async with deployment.worker() as worker:
        await worker.ready()
        await deployment.until_empty()
    await until(deployment.database_url, "SELECT bool_and(request_id = 'req-of-the-test') FROM effects")
    await expect_each_effect_once(deployment)
