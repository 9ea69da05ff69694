"""What lives as long as the API process: the watch for revocations, and the plugins' own applications.

These are told when the process begins and ends, as ASGI's lifespan protocol has it. Nothing that one of them does here stops
the others or the API: without an answer in time it is served all the same, and told nothing further.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import structlog

from madang.core.kernel.cancellation import end_tasks
from madang.entrypoints.http.composition import Revocations
from madang.entrypoints.http.mounts import MountedApp

logger = structlog.stdlib.get_logger("madang.http")

PATIENCE = 5.0
"""Seconds for all of them together to start, and again to end."""
_STARTUP: Final = "lifespan.startup"
_SHUTDOWN: Final = "lifespan.shutdown"


class Watching:
    """Hears which sessions end, from before the first request on."""

    def __init__(self, revocations: Revocations) -> None:
        self._revocations = revocations

    def __call__(self, _: object) -> AbstractAsyncContextManager[None]:
        return self._watched()

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        watch = asyncio.create_task(self._revocations.watch(), name="watch for revocations")
        try:
            if not await self._revocations.loaded(PATIENCE):
                logger.warning("serving before it is known which sessions ended: the database does not answer")
            yield
        finally:
            await end_tasks(watch)


class Lifespans:
    """Of these applications, side by side."""

    def __init__(self, mounted: Sequence[MountedApp]) -> None:
        self._mounted = mounted

    def __call__(self, _: object) -> AbstractAsyncContextManager[None]:
        """What Litestar enters before the first request and leaves after the last one."""
        return self._begun()

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[None]:
        lifespans = [_Lifespan(app) for app in self._mounted]
        await asyncio.gather(*(lifespan.start() for lifespan in lifespans))
        try:
            yield
        finally:
            await asyncio.gather(*(lifespan.end() for lifespan in lifespans))


class _Lifespan:
    """One application's one call, from its start to its end; it hears of each event once."""

    def __init__(self, app: MountedApp) -> None:
        self._app = app
        self._events: asyncio.Queue[str] = asyncio.Queue()
        self._answer: asyncio.Future[Any] | None = None
        self._listens = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._live(), name=f"lifespan of {self._app.prefix}")
        if (problem := await self._tell(_STARTUP)) is not None:
            self._say("a plugin's application did not start; its pages are served all the same", problem)
            await self._abandon()

    async def end(self) -> None:
        if self._task is None:
            return
        if (problem := await self._tell(_SHUTDOWN)) is not None:
            self._say("a plugin's application did not end in order", problem)
        await self._abandon()

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._app.state}
        await self._app.app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        self._listens = True
        return {"type": await self._events.get()}

    async def _send(self, message: Any) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    async def _tell(self, event: str) -> str | None:
        """What went wrong with it; None for an application that has done it."""
        if self._task is None or self._task.done():
            return f"it had ended already ({_end_of(self._task)})"
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait(event)
        await asyncio.wait([self._task, answer], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            message = answer.result()
            return None if message["type"] == f"{event}.complete" else str(message.get("message") or message["type"])
        return f"it ended without an answer ({_end_of(self._task)})" if self._task.done() else "no answer in time"

    async def _abandon(self) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=PATIENCE)

    def _say(self, what: str, problem: str) -> None:
        """One that never listened only says that it takes no part in this, as the protocol allows."""
        if self._listens:
            logger.warning(what, path=self._app.prefix, reason=problem)
        else:
            logger.debug("a plugin's application takes no lifespan events", path=self._app.prefix)


def _end_of(task: "asyncio.Task[None] | None") -> str:
    """By its kind: the text of an exception may hold what belongs in no log."""
    if task is None or not task.done() or task.cancelled():
        return "cancelled"
    error = task.exception()
    return "no error" if error is None else type(error).__name__
