"""arq by itself, with its defaults: how many jobs that do nothing one worker process finishes a second.

Run as a process: `python -m bench.peers.arq_noop REDIS_URL JOBS`; prints the rate.
"""

import asyncio
import sys
import time
from typing import Any

import redis.asyncio
from arq import ArqRedis
from arq.worker import Worker, func

FILL = 500
"""Jobs enqueued at once."""


async def measure(redis_url: str, jobs: int) -> float:
    pool = ArqRedis(connection_pool=redis.asyncio.ConnectionPool.from_url(redis_url))
    await pool.flushdb()
    for start in range(0, jobs, FILL):
        await asyncio.gather(*(pool.enqueue_job("noop") for _ in range(start, min(start + FILL, jobs))))
    finished = asyncio.Event()
    count = 0

    async def noop(ctx: dict[str, Any]) -> None:
        """Nothing."""

    async def after_job_end(ctx: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        if count == jobs:
            finished.set()

    worker = Worker([func(noop, name="noop")], redis_pool=pool, after_job_end=after_job_end, handle_signals=False)
    started = time.perf_counter()
    running = asyncio.create_task(worker.async_run())
    async with asyncio.timeout(60):
        await finished.wait()
    took = time.perf_counter() - started
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await worker.close()
    return jobs / took


if __name__ == "__main__":
    print(asyncio.run(measure(sys.argv[1], int(sys.argv[2]))))
