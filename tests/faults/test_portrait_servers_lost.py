"""Redis and PostgreSQL lost while portraits are being made."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from faults.evidence import expect_delivered, expect_nothing_open
from faults.lane import Lane, Stack
from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.valkey_server import EmbeddedValkey
from madang.adapters.redis.connection import connect
from madang.core.portraits.model import PortraitStatus

JOBS = 3


@asynccontextmanager
async def portraits_in_the_making(stack: Stack) -> AsyncIterator[Lane]:
    """Something happens while all pictures are bought and none is finished; the jobs end as if nothing had."""
    async with stack.lane() as lane, lane.worker():
        await lane.set_knobs(image_seconds=2.0)
        orders = [await lane.order() for _ in range(JOBS)]
        await asyncio.gather(*(lane.buy(order) for order in orders))
        await lane.until("SELECT count(*) >= $1 FROM actions WHERE kind = 'image_model.start'", JOBS)
        assert await lane.ask("SELECT count(*) FROM portrait_pictures WHERE status = 'made'") == 0
        yield lane
        for order in orders:
            await lane.until_over(order, PortraitStatus.COMPLETED)
            await expect_delivered(lane, order)
        await expect_nothing_open(lane)


async def test_a_redis_emptied_meanwhile_is_not_noticed(stack: Stack) -> None:
    async with portraits_in_the_making(stack) as lane:
        redis = connect(lane.deployment.redis_url)
        await redis.flushall()
        await redis.aclose()


async def test_a_redis_that_comes_back_empty_is_not_noticed(stack: Stack, redis_server: EmbeddedValkey) -> None:
    async with portraits_in_the_making(stack):
        await asyncio.to_thread(redis_server.stop)
        await asyncio.sleep(1)
        redis_server.start()


def stopped_in_order(server: EmbeddedPostgres) -> None:
    server.stop()


def stopped_at_once(server: EmbeddedPostgres) -> None:
    """What PostgreSQL calls an immediate shutdown: nothing is written any more, the start recovers."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGQUIT)
    server.stop()


def killed(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


@pytest.mark.parametrize("end", [stopped_in_order, stopped_at_once, killed])
async def test_a_database_restarted_meanwhile_is_not_noticed(
    stack: Stack, postgres_server: EmbeddedPostgres, end: Callable[[EmbeddedPostgres], None]
) -> None:
    async with portraits_in_the_making(stack):
        await asyncio.to_thread(end, postgres_server)
        postgres_server.start()
