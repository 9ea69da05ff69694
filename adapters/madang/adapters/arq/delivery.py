"""A leased message in the hands of its handler."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Generic, TypeVar

from structlog.contextvars import bound_contextvars

from madang.adapters.arq.leases import Held
from madang.core.kernel.messages import Message
from madang.core.kernel.outbox import Outbox
from madang.core.kernel.request_context import serving

U = TypeVar("U")


@contextmanager
def on_behalf_of(message: Message) -> Iterator[None]:
    """Log lines and further messages carry the request that caused this one."""
    names = {"request_id": message.request_id, "message_id": str(message.id), "topic": message.topic}
    with serving(message.request_id, message.subject or ""), bound_contextvars(**names):
        yield


class LeasedDelivery(Generic[U]):
    """`Delivery` of the kernel. `finished` tells the runner that the message is done."""

    def __init__(self, outbox: Outbox[U], held: Held) -> None:
        self._outbox = outbox
        self._held = held
        self.finished = False

    @property
    def message(self) -> Message:
        return self._held.leased.message

    def step(self) -> AbstractAsyncContextManager[U]:
        return self._outbox.step(self._held.leased)

    @asynccontextmanager
    async def finish(self) -> AsyncIterator[U]:
        self._held.finishing = True
        try:
            async with self._outbox.finish(self._held.leased) as uow:
                yield uow
            self.finished = True
        finally:
            self._held.finishing = False
