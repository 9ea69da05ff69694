"""What the relay forgets by itself on the process's own container, and what it keeps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from madang.core.kernel.messages import Lane, NewMessage
from madang.entrypoints.container import Container, open_container
from madang.entrypoints.worker import run_relay

TOPIC = "portraits.make_picture"


@pytest.fixture
async def container(make_settings: Callable[..., Any]) -> AsyncIterator[Container]:
    async with open_container(make_settings()) as opened:
        yield opened


@asynccontextmanager
async def relaying(container: Container) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(run_relay(container, stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def left(container: Container, column: str, table: str) -> list[Any]:
    rows = await container.database.fetch(f"SELECT {column} AS found FROM {table} ORDER BY found")
    return [row["found"] for row in rows]


async def until_left(container: Container, column: str, table: str, expected: list[Any]) -> None:
    async with asyncio.timeout(90):
        while await left(container, column, table) != expected:
            await asyncio.sleep(0.05)


async def done_days_ago(container: Container, number: int, days: int, *, key: str | None) -> None:
    """A message with this number, done so many days ago."""
    async with container.units() as uow:
        uow.send(NewMessage(TOPIC, {"number": number}, key=key))
    (leased,) = await container.outbox.claim(Lane.LONG, "w1", limit=1, lease=30)
    async with container.outbox.finish(leased):
        pass
    statement = "UPDATE messages SET done_at = now() - make_interval(days => $1) WHERE id = $2"
    await container.database.execute(statement, days, leased.message.id)


async def test_done_messages_go_after_a_week_and_their_keys_after_sixty_days(container: Container) -> None:
    for number, (days, key) in enumerate([(6, None), (8, None), (59, "a"), (61, "b")]):
        await done_days_ago(container, number, days, key=key)
    async with relaying(container):
        await until_left(container, "(payload->>'number')::int", "messages", [0, 2])


async def test_answers_go_when_the_time_of_their_key_is_over(container: Container) -> None:
    now, day = container.clock.now(), timedelta(days=1)
    for key, claimed_at in (("over", now - 2 * day), ("kept", now)):
        await container.idempotency.claim("scope", key, b"hash", now=claimed_at, lease=30, keep=day.total_seconds())
    async with relaying(container):
        await until_left(container, "key", "idempotency_keys", ["kept"])


async def test_processes_not_heard_of_for_a_day_are_forgotten(container: Container) -> None:
    for name in ("gone", "here"):
        await container.heartbeats.beat(name, "worker", "host-a")
    await container.database.execute("UPDATE heartbeats SET beat_at = now() - interval '25 hours' WHERE process_id = 'gone'")
    async with relaying(container), asyncio.timeout(90):
        while "gone" in await left(container, "process_id", "heartbeats"):
            await asyncio.sleep(0.05)
    assert await left(container, "process_id", "heartbeats") == ["here"]
