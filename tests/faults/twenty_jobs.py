"""A deployment of one topic a lane: half a second of work, then one row in `effects`, committed with "done"."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from faults.boundaries import Boundaries, WatchedOutbox
from madang.adapters.cryptography.cipher import AesGcmCipher
from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.idempotency import PostgresIdempotencyStore
from madang.adapters.postgres.messages.outbox import PostgresOutbox
from madang.adapters.postgres.operations.heartbeats import Heartbeats
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork
from madang.adapters.redis.connection import connect
from madang.core.kernel.clock import Clock, SystemClock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Delivery, Handler, Lane, Message, NewMessage, RetryPolicy, Topic
from madang.ports.secret import Secret

COMPOSITION = "faults.twenty_jobs:compose"
WORK_SECONDS = 0.5
_RETRY = RetryPolicy(delays=(0.2,) * 20)
TOPICS = {
    "faults.long": Topic("faults.long", Lane.LONG, retry=_RETRY, max_crashes=20),
    "faults.short": Topic("faults.short", Lane.SHORT, retry=_RETRY, max_crashes=20),
    "faults.together": Topic("faults.together", Lane.SHORT, retry=_RETRY, max_crashes=20),
}


LEASE = "FAULTS_LEASE"
LEASE_SECONDS = 2.0
KEY = "test-key-not-secret-test-key-not-secret"


@dataclass(frozen=True)
class WorkerSettings:
    lease_seconds: float = LEASE_SECONDS
    sweep_seconds: float = 0.5
    short_concurrency: int = 100
    long_concurrency: int = 8
    database_pool: int = 10


@dataclass(frozen=True)
class Container:
    settings: WorkerSettings
    outbox: Any
    handlers: Sequence[Handler[Any]]
    redis: Redis
    heartbeats: Heartbeats
    idempotency: PostgresIdempotencyStore
    clock: Clock


async def work(delivery: Delivery[PostgresUnitOfWork]) -> None:
    """Two commits: that it began (again and again after a crash), and what came of it (once)."""
    message = delivery.message
    async with delivery.step() as uow:
        await uow.connection.execute("INSERT INTO begun (message, worker) VALUES ($1, $2)", message.id, os.getpid())
    await asyncio.sleep(WORK_SECONDS)
    async with delivery.finish() as uow:
        await _effect(uow, message)


async def change(uow: PostgresUnitOfWork, message: Message) -> None:
    await asyncio.sleep(0.01)
    await _effect(uow, message)


async def _effect(uow: PostgresUnitOfWork, message: Message) -> None:
    await uow.connection.execute(
        "INSERT INTO effects (message, request_id, worker) VALUES ($1, $2, $3)", message.id, message.request_id, os.getpid()
    )


def handlers() -> Sequence[Handler[Any]]:
    return (
        Handler(TOPICS["faults.long"], run=work),
        Handler(TOPICS["faults.short"], run=work),
        Handler(TOPICS["faults.together"], handle=change),
    )


@asynccontextmanager
async def compose() -> AsyncIterator[Container]:
    database = await Database.connect(os.environ["MADANG_DATABASE_URL"])
    redis = connect(os.environ["MADANG_REDIS_URL"])
    outbox = PostgresOutbox(database, topics=TOPICS, subscriptions=Subscriptions())
    watched = WatchedOutbox(outbox, Boundaries.of_environment())
    try:
        yield Container(
            WorkerSettings(float(os.environ.get(LEASE, LEASE_SECONDS))),
            watched,
            handlers(),
            redis,
            Heartbeats(database),
            PostgresIdempotencyStore(database, AesGcmCipher(KeyRing(Secret(KEY)))),
            SystemClock(),
        )
    finally:
        await redis.aclose()
        await database.close()


async def make_tables(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "CREATE TABLE begun (message uuid, worker int, at timestamptz DEFAULT clock_timestamp());"
            "CREATE TABLE effects (message uuid, request_id text, worker int, at timestamptz DEFAULT clock_timestamp())"
        )
    finally:
        await connection.close()


async def send(database_url: str, topic: str, count: int) -> None:
    """Messages in one commit, as a use case sends them."""
    database = await Database.connect(database_url, pool_size=1)
    try:
        async with PostgresUnitOfWork(
            database, topics=TOPICS, subscriptions=Subscriptions(), request_id="req-of-the-test"
        ) as uow:
            for number in range(count):
                uow.send(NewMessage(topic, {"number": number}))
    finally:
        await database.close()


async def effects(database_url: str) -> Sequence[UUID]:
    """The messages whose effect is there, each as often as it is."""
    connection = await asyncpg.connect(database_url)
    try:
        return [row["message"] for row in await connection.fetch("SELECT message FROM effects")]
    finally:
        await connection.close()
