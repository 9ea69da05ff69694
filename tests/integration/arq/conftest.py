"""A runner on a database of each test's own, with handlers that the test writes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import UUID

import pytest

from madang.adapters.arq.runner import Runner, RunnerSettings
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.messages.outbox import PostgresOutbox
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Handler, NewMessage, Topic
from madang.core.kernel.outbox import MessageRow


class Workshop:
    """Sends messages, runs them by a runner, and looks at what became of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.topics: dict[str, Topic] = {}
        self.outbox = PostgresOutbox(database, topics=self.topics, subscriptions=Subscriptions())
        self.runners: list[Runner[Any]] = []

    def runner(self, *handlers: Handler[Any], **settings: Any) -> Runner[Any]:
        self.topics.update({handler.topic.name: handler.topic for handler in handlers})
        runner = Runner(self.outbox, handlers, f"worker-{len(self.runners)}", RunnerSettings(**{"poll": 0.1, **settings}))
        self.runners.append(runner)
        return runner

    async def send(self, topic: Topic, count: int = 1, request_id: str = "req-7", **payload: Any) -> list[UUID]:
        self.topics[topic.name] = topic
        before = set(await self.ids())
        async with PostgresUnitOfWork(
            self.database, topics=self.topics, subscriptions=Subscriptions(), request_id=request_id
        ) as uow:
            for number in range(count):
                uow.send(NewMessage(topic.name, {"number": number, **payload}))
        return [message for message in await self.ids() if message not in before]

    async def ids(self) -> list[UUID]:
        return [row["id"] for row in await self.database.fetch("SELECT id FROM messages ORDER BY id")]

    async def execute(self, statement: str, *values: Any) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *values)

    async def row(self, message: UUID) -> MessageRow:
        found = await self.outbox.get(message)
        assert found is not None
        return found

    async def until(self, message: UUID, condition: Callable[[MessageRow], bool]) -> MessageRow:
        async with asyncio.timeout(90):
            while not condition(row := await self.row(message)):
                await asyncio.sleep(0.01)
        return row

    async def until_states(self, expected: Mapping[str, int]) -> None:
        async with asyncio.timeout(90):
            while await self.states() != expected:
                await asyncio.sleep(0.01)

    async def states(self) -> Mapping[str, int]:
        rows = await self.database.fetch("SELECT state, count(*) AS n FROM messages GROUP BY state")
        return {row["state"]: row["n"] for row in rows}


@pytest.fixture
async def workshop(database_url: str) -> AsyncIterator[Workshop]:
    database = await Database.connect(database_url, pool_size=10)
    made = Workshop(database)
    await made.execute("CREATE TABLE effects (message uuid, who text)")
    yield made
    for runner in made.runners:
        await runner.stop()
    await database.close()
