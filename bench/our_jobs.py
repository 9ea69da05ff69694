"""Ours: messages committed to the outbox, announced through arq, each with an effect committed together with its "done".

The clock starts when the first commit begins and stops at the last "done", both by the database. Nothing is prepared: writing
the messages into PostgreSQL is part of the time.
"""

import asyncio
from contextlib import ExitStack

import asyncpg

from bench.our_worker import TOPIC
from bench.stack import Stack, process, python
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.unit_of_work import unit_of_work_factory
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import NewMessage

PER_COMMIT = 100
PATIENCE = 60.0
PROCESSES_UP = "SELECT count(DISTINCT kind) = 2 FROM heartbeats WHERE beat_at > now() - interval '5 s'"
ALL_DONE = "SELECT NOT EXISTS (SELECT FROM messages WHERE state IN ('waiting', 'leased'))"
TOOK = "SELECT extract(epoch FROM max(done_at) - min(created_at))::float FROM messages WHERE topic = $1"


def measure(stack: Stack, jobs: int) -> float:
    """Jobs a second with one worker process and one relay process, both running and idle beforehand."""
    with ExitStack() as processes:
        for role in ("worker", "relay"):
            command = python("-m", "bench.our_worker", role, stack.database_url, stack.redis_url)
            processes.enter_context(process(command, {}, stack.folder / f"our_{role}.log"))
        return asyncio.run(_measure(stack.database_url, jobs))


async def _measure(database_url: str, jobs: int) -> float:
    database = await Database.connect(database_url, pool_size=2)
    try:
        async with database.connection() as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS bench_effects (message_id uuid PRIMARY KEY)")
            await connection.execute("TRUNCATE bench_effects, messages")
            await _becomes_true(connection, PROCESSES_UP)
        await _commit_messages(database, jobs)
        async with database.connection() as connection:
            await _becomes_true(connection, ALL_DONE)
            effects = await connection.fetchval("SELECT count(*) FROM bench_effects")
            assert effects == jobs, f"{effects} effects of {jobs} messages"
            took: float = await connection.fetchval(TOOK, TOPIC.name)
    finally:
        await database.close()
    return jobs / took


async def _commit_messages(database: Database, jobs: int) -> None:
    units = unit_of_work_factory(database, Subscriptions(), lambda: "bench", {TOPIC.name: TOPIC})
    for first in range(0, jobs, PER_COMMIT):
        async with units() as uow:
            for _ in range(first, min(first + PER_COMMIT, jobs)):
                uow.send(NewMessage(TOPIC.name))


async def _becomes_true(connection: asyncpg.Connection, question: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await connection.fetchval(question):
            await asyncio.sleep(0.05)
