"""An outbox on a database of each test's own."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.messages.outbox import PostgresOutbox
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Lane, NewMessage, Topic

TOPICS = {"test.short": Topic("test.short"), "test.long": Topic("test.long", Lane.LONG)}
NO_SUBSCRIPTIONS = Subscriptions()


class Bench:
    """The outbox with what the tests do to it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.outbox = PostgresOutbox(database, topics=TOPICS, subscriptions=NO_SUBSCRIPTIONS)

    def unit(self, request_id: str = "req-1") -> PostgresUnitOfWork:
        return PostgresUnitOfWork(self.database, topics=TOPICS, subscriptions=NO_SUBSCRIPTIONS, request_id=request_id)

    async def send(self, count: int = 1, topic: str = "test.short", **message: Any) -> None:
        async with self.unit() as uow:
            for number in range(count):
                uow.send(NewMessage(topic, {"number": number}, **message))

    async def execute(self, statement: str, *values: Any) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *values)

    async def end_all_leases(self) -> None:
        """As if their time had passed."""
        await self.execute("UPDATE messages SET lease_until = now() - interval '1 second' WHERE state = 'leased'")

    async def count(self, state: str) -> int:
        row = await self.database.fetchrow("SELECT count(*) AS n FROM messages WHERE state = $1", state)
        return int(row["n"]) if row is not None else 0


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    database = await Database.connect(database_url, pool_size=12)
    made = Bench(database)
    await made.execute("CREATE TABLE effects (message uuid, who text)")
    yield made
    await database.close()
