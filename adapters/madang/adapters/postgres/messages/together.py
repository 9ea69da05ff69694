"""Several messages finished in one commit, each with a unit of work of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from madang.adapters.postgres.messages.outgoing import write_messages
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork
from madang.core.kernel.outbox import Leased


class JoinedUnitOfWork(PostgresUnitOfWork):
    """A unit of work inside the transaction of another, which commits for it, or rolls back."""

    def __init__(self, around: PostgresUnitOfWork, request_id: str) -> None:
        super().__init__(around._database, topics=around._topics, subscriptions=around._subscriptions, request_id=request_id)
        self._around = around

    async def __aenter__(self) -> Self:
        self._connection = self._around._connection
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await write_messages(self.connection, self._outgoing, self._request_id)
            self._around.before_commit[:0] = self.before_commit
        self._connection = None


class TogetherInOneCommit:
    """What `PostgresOutbox.together` yields: it collects what the commit must mark as done."""

    def __init__(self, around: PostgresUnitOfWork, finished: list[Leased]) -> None:
        self._around = around
        self._finished = finished

    @asynccontextmanager
    async def finish(self, leased: Leased) -> AsyncIterator[PostgresUnitOfWork]:
        async with JoinedUnitOfWork(self._around, leased.message.request_id) as uow:
            yield uow
        self._finished.append(leased)
