"""Answers that do not end by themselves: server-sent events, as the HTML standard has them, and how many may be open.

A stream ends when its reader leaves, when its time is over, and at once when the process is asked to stop: whoever reads on
elsewhere names the last id and misses nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from litestar.types import Receive, Scope, Send

from madang.core.kernel.cancellation import end_tasks
from madang.core.kernel.live import LiveEvent
from madang.entrypoints.http.errors import TooManyStreams

logger = structlog.stdlib.get_logger("madang.http")

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent: proxies hang up on what says nothing, and a dead reader is noticed."""
LOOK_EVERY: Final = 1.0
"""Seconds after which a stream is over whose session or key was ended."""
PATIENCE = 30.0
"""Seconds that a reader may let us wait with one piece: who does not read is left, and may come back."""
_LAST_WORD: Final = 1.0
_LONGEST_END: Final = 5.0
_RETRY: Final = b"retry: 3000\n\n"
_COMMENT: Final = b": still here\n\n"
_COME_BACK_AFTER: Final = 30.0


class OpenStreams:
    """Those of this process, counted by who reads them."""

    def __init__(self, *, at_most: int, of_each: int) -> None:
        self._at_most = at_most
        self._of_each = of_each
        self._open: Counter[str] = Counter()
        self._none_open = asyncio.Event()
        self._none_open.set()
        self.ending = asyncio.Event()

    def __len__(self) -> int:
        return self._open.total()

    @contextmanager
    def counted(self, reader: str) -> Iterator[None]:
        """Raises `TooManyStreams`."""
        if self._open[reader] >= self._of_each:
            raise TooManyStreams(f"{self._of_each} streams are open already: close one", retry_after=_COME_BACK_AFTER)
        if len(self) >= self._at_most:
            raise TooManyStreams("this process has no room for another stream", retry_after=_COME_BACK_AFTER)

        self._open[reader] += 1
        self._none_open.clear()
        try:
            yield
        finally:
            self._open[reader] -= 1
            if not self._open[reader]:
                del self._open[reader]
            if not self._open:
                self._none_open.set()

    def end(self) -> None:
        """All of them, and each that is opened from now on."""
        self.ending.set()

    async def ended(self) -> None:
        """Nothing of any is left: what they stand on may be closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_END):
                await self._none_open.wait()


@dataclass(frozen=True, slots=True)
class EventStream:
    """One stream to one reader, for at most `seconds` and while `allowed`. `written` is an event as bytes, or None for one to
    leave out."""

    events: AsyncIterator[LiveEvent]
    written: Callable[[LiveEvent], bytes | None]
    streams: OpenStreams
    reader: str
    seconds: float
    allowed: Callable[[], Awaitable[bool]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.streams.counted(self.reader):
            headers = [(b"content-type", MEDIA_TYPE.encode()), (b"x-accel-buffering", b"no")]
            start: Any = {"type": "http.response.start", "status": 200, "headers": headers}
            await send(start)
            await _send(send, _RETRY)
            await self._until_the_end(receive, send)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD):
                    await _send(send, b"", more=False)

    async def _until_the_end(self, receive: Receive, send: Send) -> None:
        coming: set[asyncio.Task[LiveEvent | None]] = set()
        ends = {
            asyncio.create_task(_until_gone(receive)),
            asyncio.create_task(self.streams.ending.wait()),
            asyncio.create_task(asyncio.sleep(self.seconds)),
            asyncio.create_task(self._until_refused()),
            asyncio.create_task(self._pass_on(send, coming)),
        }
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(*ends)
            await _end(*coming)
            close = getattr(self.events, "aclose", None)
            if close is not None:
                await close()

    async def _until_refused(self) -> None:
        allowed = await self.allowed()
        while allowed:
            await asyncio.sleep(LOOK_EVERY)
            allowed = await self.allowed()

    async def _pass_on(self, send: Send, coming: "set[asyncio.Task[LiveEvent | None]]") -> None:
        """What cannot be sent is not gathered here: as long as the reader does not read, nothing is fetched for him. A
        heartbeat does not interrupt what is `coming`."""
        try:
            while True:
                if not coming:
                    coming.add(asyncio.create_task(_next(self.events)))
                done, _ = await asyncio.wait(coming, timeout=HEARTBEAT)
                if not done:
                    await _send(send, _COMMENT)
                    continue
                event = coming.pop().result()
                if event is None:
                    return
                if (written := self.written(event)) is not None:
                    await _send(send, written)
        except TimeoutError:
            logger.info("a stream's reader does not read and is left")


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    """Raises `TimeoutError`."""
    piece: Any = {"type": "http.response.body", "body": body, "more_body": more}
    async with asyncio.timeout(PATIENCE):
        await send(piece)


async def _next(events: AsyncIterator[LiveEvent]) -> LiveEvent | None:
    return await anext(events, None)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    """And see what they raised: nothing of a stream outlives it."""
    await end_tasks(*tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
