"""The outbox on PostgreSQL: leases by the database's clock, and commits behind a fence.

A message is due when it waits and its time has come, or when its lease has ended: nobody has to clean up after
a dead worker.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from madang.adapters.postgres.database import Connection, Database
from madang.adapters.postgres.failures import could_not_connect, is_connection_failure, unavailable
from madang.adapters.postgres.messages import statements as sql
from madang.adapters.postgres.messages.outgoing import TRACEPARENT
from madang.adapters.postgres.messages.rows import message_row
from madang.adapters.postgres.messages.together import TogetherInOneCommit
from madang.adapters.postgres.unit_of_work import BeforeCommit, PostgresUnitOfWork
from madang.core.kernel.errors import LeaseLost
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Failure, Lane, Message, MessageState, Topic
from madang.core.kernel.outbox import DueMessage, Leased, MessageRow

_STILL_THERE_SECONDS: Final = 5.0
_RECONNECT_SECONDS: Final = 0.5


class PostgresOutbox:
    """Fulfils `Outbox` of the kernel, with `together` for the worker, `listen` for the relay and `prune` for housekeeping.

    Raises `Unavailable` when the database is away; on leaving `step`, `finish`, `bury` and `together` also `LeaseLost`, and
    `CommitOutcomeUnknown` when the connection was lost during the commit.
    """

    def __init__(self, database: Database, *, topics: Mapping[str, Topic], subscriptions: Subscriptions) -> None:
        self._database = database
        self._topics = topics
        self._subscriptions = subscriptions

    async def due(self, lane: Lane, *, limit: int) -> Sequence[DueMessage]:
        rows = await self._database.fetch(sql.DUE, lane.value, limit)
        return [DueMessage(row["id"], lane, row["attempts"] + 1) for row in rows]

    async def seconds_to_next(self) -> float | None:
        row = await self._database.fetchrow(sql.SECONDS_TO_NEXT)
        seconds = row["seconds"] if row is not None else None
        return None if seconds is None else max(0.0, float(seconds))

    async def claim(self, lane: Lane, worker: str, *, limit: int, lease: float) -> Sequence[Leased]:
        rows = await self._write(sql.CLAIM, lane.value, limit, worker, timedelta(seconds=lease))
        return [_leased(row) for row in rows]

    async def claim_one(self, message_id: UUID, worker: str, *, lease: float) -> Leased | None:
        rows = await self._write(sql.CLAIM_ONE, message_id, worker, timedelta(seconds=lease))
        return _leased(rows[0]) if rows else None

    async def extend(self, leased: Sequence[Leased], *, lease: float) -> frozenset[UUID]:
        rows = await self._write(sql.EXTEND, *_ids_and_tokens(leased), timedelta(seconds=lease))
        return frozenset(row["id"] for row in rows)

    def step(self, leased: Leased) -> AbstractAsyncContextManager[PostgresUnitOfWork]:
        return self._fenced(leased, sql.CHECK_LEASE)

    def finish(self, leased: Leased) -> AbstractAsyncContextManager[PostgresUnitOfWork]:
        return self._fenced(leased, sql.FINISH)

    def bury(self, leased: Leased, failure: Failure) -> AbstractAsyncContextManager[PostgresUnitOfWork]:
        return self._fenced(leased, sql.BURY, msgspec.to_builtins(failure))

    @asynccontextmanager
    async def together(self) -> AsyncIterator[TogetherInOneCommit]:
        """Several messages in one commit: each with a unit of work of its own, all done or none."""
        finished: list[Leased] = []

        async def fence(connection: Connection) -> None:
            if finished:
                ours = await connection.fetchval(sql.FINISH_ALL, *_ids_and_tokens(finished))
                if ours != len(finished):
                    raise LeaseLost(f"{len(finished) - ours} of {len(finished)} leases have passed to another worker")

        async with self._unit_of_work("", fence) as shared:
            yield TogetherInOneCommit(shared, finished)

    async def put_back(self, leased: Leased, failure: Failure, *, delay: float) -> None:
        message = leased.message
        later = timedelta(seconds=max(0.0, delay))
        await self._write(sql.PUT_BACK, message.id, leased.token, later, msgspec.to_builtins(failure))

    async def give_back(self, leased: Sequence[Leased]) -> None:
        await self._write(sql.GIVE_BACK, *_ids_and_tokens(leased))

    async def listing(self, *, state: MessageState | None, topic: str | None, limit: int) -> Sequence[MessageRow]:
        """The newest first."""
        statement, values = sql.listing(state.value if state else None, topic, limit)
        return [message_row(row) for row in await self._database.fetch(statement, *values)]

    async def get(self, message_id: UUID) -> MessageRow | None:
        row = await self._database.fetchrow(sql.GET, message_id)
        return None if row is None else message_row(row)

    async def revive(self, message_id: UUID) -> bool:
        return bool(await self._write(sql.REVIVE, message_id))

    async def prune(self, older_than: timedelta, *, keyed_older_than: timedelta, limit: int = 1000) -> int:
        """Delete up to `limit` messages done longer ago than that, and answer how many. Those with a key stay for a time of
        their own, since their key is unique only as long. Dead ones stay for people to see."""
        rows = await self._write(sql.PRUNE, older_than, keyed_older_than, limit)
        return len(rows)

    async def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever messages were committed, and once after each (re)connection; runs until it is cancelled."""
        while True:
            try:
                await self._listen_once(wake)
            except Exception as error:
                if not could_not_connect(error) and not isinstance(error, TimeoutError):
                    raise
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen_once(self, wake: Callable[[], None]) -> None:
        """On a connection of its own; asked now and then whether it is still there, since a dead network says nothing."""
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(self._database.url, timeout=10)
        gone = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: gone.set())
            await connection.add_listener(sql.CHANNEL, lambda *_: wake())
            wake()
            while not gone.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STILL_THERE_SECONDS):
                        await gone.wait()
                    return
                await connection.fetchval("SELECT 1", timeout=_STILL_THERE_SECONDS)
        finally:
            connection.terminate()

    def _fenced(self, leased: Leased, statement: str, *values: object) -> AbstractAsyncContextManager[PostgresUnitOfWork]:
        message = leased.message

        async def fence(connection: Connection) -> None:
            if await connection.fetchval(statement, message.id, leased.token, *values) is None:
                raise LeaseLost(f"the lease on message {message.id} has passed to another worker")

        return self._unit_of_work(message.request_id, fence)

    def _unit_of_work(self, request_id: str, fence: BeforeCommit) -> PostgresUnitOfWork:
        return PostgresUnitOfWork(
            self._database,
            topics=self._topics,
            subscriptions=self._subscriptions,
            request_id=request_id,
            before_commit=[fence],
        )

    async def _write(self, statement: str, *values: Any) -> Sequence[asyncpg.Record]:
        """One statement that changes leases. Not repeated when the connection is cut: it may have been done."""
        async with self._database.connection() as connection:
            try:
                return await connection.fetch(statement, *values)
            except Exception as error:
                if is_connection_failure(error):
                    raise unavailable(error, "outbox") from error
                raise


def _ids_and_tokens(leased: Sequence[Leased]) -> tuple[list[UUID], list[int]]:
    return [one.message.id for one in leased], [one.token for one in leased]


def _leased(row: asyncpg.Record) -> Leased:
    traceparent = row["payload"].pop(TRACEPARENT, "")
    message = Message(
        id=row["id"],
        topic=row["topic"],
        payload=row["payload"],
        attempt=row["attempts"],
        failures=row["failures"],
        request_id=row["request_id"],
        subject=row["subject"],
        key=row["key"],
        traceparent=traceparent,
    )
    return Leased(message, row["lease_token"])
