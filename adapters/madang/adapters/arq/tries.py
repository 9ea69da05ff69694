"""One try of a message, or of several together: the handler under its time limit, then what became of it."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

import structlog

from madang.adapters.arq.delivery import LeasedDelivery, on_behalf_of
from madang.adapters.arq.failures import NoHandler, OutOfTime, crashed_too_often, give_up, patiently, settle
from madang.adapters.arq.leases import Held
from madang.adapters.arq.together import WorkerOutbox
from madang.core.kernel.errors import LeaseLost
from madang.core.kernel.messages import Failure, Handler, Message, Topic

log = structlog.get_logger(__name__)

U = TypeVar("U")

_TOGETHER_SECONDS = 0.05
"""A transaction of several messages is closed after this time: their rows are locked until then."""
_WORTH_SHARING = 3
"""Fewer messages than this in that time: each is slow enough to deserve a transaction, and a turn, of its own."""


class Tries(Generic[U]):
    """`patience`: seconds for which a failure that the database does not take is held; `transactions` bounds the handlers
    that hold a database connection for all their time."""

    def __init__(
        self, outbox: WorkerOutbox[U], handlers: Sequence[Handler[U]], *, patience: float, transactions: asyncio.Semaphore
    ) -> None:
        self._outbox = outbox
        self._handlers = {handler.topic.name: handler for handler in handlers}
        self._patience = patience
        self._transactions = transactions

    def handler(self, message: Message) -> Handler[U]:
        return self._handlers.get(message.topic) or _nobodys(message.topic)

    def can_share(self, message: Message) -> bool:
        """Whether it may be committed together with others: it changes only our own state, and has not failed before."""
        handler = self._handlers.get(message.topic)
        return handler is not None and handler.handle is not None and message.attempt == 1

    async def alone(self, held: Held) -> None:
        """Never raises for what the handler did; `CancelledError` when the worker ends."""
        message = held.leased.message
        try:
            with on_behalf_of(message):
                await self._try(self.handler(message), held)
        except asyncio.CancelledError:
            if not held.lost:
                raise
        except Exception:
            log.exception("message not settled, its lease will end", message_id=str(held.id), topic=message.topic)

    async def together(self, waiting: "deque[Held]", taken: list[Held]) -> bool:
        """Move messages from `waiting` to `taken` and commit these; False when they are too slow for sharing.

        Raises whatever one of them raised, or `LeaseLost`: then none is committed.
        """
        async with self._transactions:
            until = time.monotonic() + _TOGETHER_SECONDS
            async with self._outbox.together() as transaction:
                while waiting and time.monotonic() < until:
                    held = waiting.popleft()
                    taken.append(held)
                    if held.begin():
                        message = held.leased.message
                        handler = self.handler(message)
                        with on_behalf_of(message):
                            async with TimeLimit(handler.topic), transaction.finish(held.leased) as uow:
                                await _change_state(handler, uow, message)
            return len(taken) >= _WORTH_SHARING or not waiting

    async def _try(self, handler: Handler[U], held: Held) -> None:
        if crashed_too_often(held.leased.message, handler):
            await self._give_up_on_crashing(handler, held)
            return
        delivery = LeasedDelivery(self._outbox, held)
        try:
            await self._call(handler, held, delivery)
        except LeaseLost:
            log.warning("lease lost, nothing of this commit was kept")
        except Exception as error:
            if delivery.finished:
                log.exception("the handler failed after its message was done")
                return
            await settle(self._outbox, handler, held.leased, error, patience=self._patience)

    async def _give_up_on_crashing(self, handler: Handler[U], held: Held) -> None:
        if held.begin():
            log.error("message given up: its worker died too often", attempts=held.leased.message.attempt)
            failure = Failure("crashed_too_often", f"its worker died with it {handler.topic.max_crashes} times")
            await patiently(lambda: give_up(self._outbox, handler, held.leased, failure), self._patience)

    async def _call(self, handler: Handler[U], held: Held, delivery: LeasedDelivery[U]) -> None:
        if handler.run is not None:
            if held.begin():
                async with TimeLimit(handler.topic):
                    await handler.run(delivery)
                await _finish_if_forgotten(delivery)
            return
        async with self._transactions:
            if held.begin():
                async with TimeLimit(handler.topic), delivery.finish() as uow:
                    await _change_state(handler, uow, held.leased.message)


class TimeLimit:
    """`asyncio.timeout` whose end is an `OutOfTime`, which the retry policy knows."""

    __slots__ = ("_timeout", "_topic")

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._timeout = asyncio.timeout(topic.time_limit)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError as out:
            raise OutOfTime(f"no end within {self._topic.time_limit:g} s", operation=self._topic.name) from out


async def _change_state(handler: Handler[U], uow: U, message: Message) -> None:
    if handler.handle is not None:
        await handler.handle(uow, message)


async def _finish_if_forgotten(delivery: LeasedDelivery[U]) -> None:
    """A handler that found nothing to do may just return."""
    if not delivery.finished:
        async with delivery.finish():
            pass


def _nobodys(topic: str) -> Handler[Any]:
    """A newer release may know the topic: the message waits for one, by the ordinary delays, before it is given up."""

    async def refuse(uow: object, message: Message) -> None:
        raise NoHandler("no handler for this topic in this worker", operation=topic)

    return Handler(Topic(topic), handle=refuse)
