"""Twenty jobs of half a second, and whatever can happen to the processes and servers meanwhile."""

import time
from pathlib import Path

import pytest

from faults import twenty_jobs
from faults.harness import Deployment, until
from faults.twenty_jobs import COMPOSITION, WorkerSettings, effects, make_tables, send

JOBS = 20
LEASE = WorkerSettings.lease_seconds


@pytest.fixture
async def deployment(database_url: str, redis_url: str, tmp_path: Path) -> Deployment:
    await make_tables(database_url)
    return Deployment(COMPOSITION, database_url, redis_url, tmp_path)


async def some_have_begun(deployment: Deployment, count: int = 8) -> None:
    await until(deployment.database_url, f"SELECT count(*) >= {count} FROM begun")


async def expect_each_effect_once(deployment: Deployment) -> None:
    found = await effects(deployment.database_url)
    assert len(found) == JOBS
    assert len(set(found)) == JOBS


@pytest.mark.parametrize("topic", ["faults.long", "faults.short"])
async def test_after_kill_minus_nine_all_jobs_are_back_within_the_lease_and_two_seconds(deployment: Deployment, topic: str) -> None:
    async with deployment.relay() as relay, deployment.worker() as first:
        await relay.ready()
        await first.ready()
        await send(deployment.database_url, topic, JOBS)
        await some_have_begun(deployment)
        await first.kill()
        async with deployment.worker() as second:
            await second.ready()
            await deployment.until_empty(seconds=LEASE + 2)
    await expect_each_effect_once(deployment)
