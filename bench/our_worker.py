"""Our worker or relay process with one more handler: one row written for each message, in the commit that says done.

Run as a process: `python -m bench.our_worker worker|relay DATABASE_URL REDIS_URL`, until SIGTERM. What runs is `run_worker` and
`run_relay` as `madang worker` and `madang relay` call them, with the settings' defaults.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import uvloop
from redis.asyncio import Redis

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
from madang.core.kernel.messages import Handler, Message, Topic
from madang.entrypoints.worker import run_relay, run_worker
from madang.ports.secret import Secret

TOPIC = Topic("bench.noop")
KEY = "bench-key-not-secret-bench-key-not-secret"


@dataclass(frozen=True)
class Defaults:
    """The settings' defaults, as far as a worker reads them."""

    lease_seconds: float = 15.0
    sweep_seconds: float = 1.0
    short_concurrency: int = 100
    long_concurrency: int = 8
    database_pool: int = 10


@dataclass(frozen=True)
class Composed:
    """The part of the container that a worker and a relay touch."""

    settings: Defaults
    outbox: PostgresOutbox
    handlers: Sequence[Handler[Any]]
    redis: Redis
    heartbeats: Heartbeats
    idempotency: PostgresIdempotencyStore
    clock: Clock


async def leave_a_mark(uow: PostgresUnitOfWork, message: Message) -> None:
    await uow.connection.execute("INSERT INTO bench_effects (message_id) VALUES ($1)", message.id)


async def main(role: str, database_url: str, redis_url: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = Defaults()
    database = await Database.connect(database_url, pool_size=settings.database_pool)
    redis = connect(redis_url)
    outbox = PostgresOutbox(database, topics={TOPIC.name: TOPIC}, subscriptions=Subscriptions())
    answers = PostgresIdempotencyStore(database, AesGcmCipher(KeyRing(Secret(KEY))))
    handlers = [Handler(TOPIC, handle=leave_a_mark)]
    composed = Composed(settings, outbox, handlers, redis, Heartbeats(database), answers, SystemClock())
    try:
        await (run_worker if role == "worker" else run_relay)(composed, stop)
    finally:
        await redis.aclose()
        await database.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3]))
