"""Places where a process can be killed: before and after every commit of a message and every call of a provider.

Only a test's composition knows them. Each that is reached is noted in a file, which outlives the process; at the one that the
environment names, the process kills itself with SIGKILL: nothing of it runs any more, as in a power cut. Or it stops itself
with SIGSTOP: it knows nothing of the time until it is woken.
"""

import functools
import inspect
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

DIE_AT = "FAULTS_DIE_AT"
STOP_AT = "FAULTS_STOP_AT"
NOTES = "FAULTS_NOTES"
NOWHERE = "0"


class Boundaries:
    """`die_at` and `stop_at` are a count from 1 over all boundaries, or a name, meant where it is reached first."""

    def __init__(self, notes: Path, *, die_at: str = NOWHERE, stop_at: str = NOWHERE) -> None:
        self._notes = notes
        self._signals = {die_at: signal.SIGKILL, stop_at: signal.SIGSTOP}
        self._reached = 0

    @classmethod
    def of_environment(cls) -> "Boundaries":
        die_at, stop_at = (os.environ.get(name, NOWHERE) for name in (DIE_AT, STOP_AT))
        return cls(Path(os.environ[NOTES]), die_at=die_at, stop_at=stop_at)

    def reach(self, name: str) -> None:
        self._reached += 1
        with self._notes.open("a") as notes:
            notes.write(f"{name}\n")
        for place in (str(self._reached), name):
            number = self._signals.pop(place, None)
            if number is not None:
                os.kill(os.getpid(), number)

    def around(self, provider: Any, name: str) -> Any:
        """The provider, with a boundary before and after each of its coroutine methods."""
        return _Watched(provider, name, self)


def reached(notes: Path) -> Sequence[str]:
    """What all processes with these notes have reached so far."""
    return notes.read_text().splitlines() if notes.exists() else ()


class _Watched:
    def __init__(self, provider: Any, name: str, boundaries: Boundaries) -> None:
        self._provider = provider
        self._name = name
        self._boundaries = boundaries

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._provider, attribute)
        if not inspect.iscoroutinefunction(found):
            return found

        @functools.wraps(found)
        async def call(*values: Any, **named: Any) -> Any:
            self._boundaries.reach(f"{self._name}.{attribute} before")
            answer = await found(*values, **named)
            self._boundaries.reach(f"{self._name}.{attribute} after")
            return answer

        return call


class WatchedOutbox:
    """The outbox with boundaries around every commit; everything else is the outbox's own."""

    def __init__(self, outbox: Any, boundaries: Boundaries) -> None:
        self._outbox = outbox
        self._boundaries = boundaries

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._outbox, attribute)

    async def claim(self, *values: Any, **named: Any) -> Any:
        claimed = await self._outbox.claim(*values, **named)
        if claimed:
            self._boundaries.reach("claimed")
        return claimed

    async def claim_one(self, *values: Any, **named: Any) -> Any:
        claimed = await self._outbox.claim_one(*values, **named)
        if claimed is not None:
            self._boundaries.reach("claimed")
        return claimed

    def step(self, leased: Any) -> AbstractAsyncContextManager[Any]:
        return self._watched(self._outbox.step(leased), f"{leased.message.topic} step")

    def finish(self, leased: Any) -> AbstractAsyncContextManager[Any]:
        return self._watched(self._outbox.finish(leased), f"{leased.message.topic} finish")

    def bury(self, leased: Any, failure: Any) -> AbstractAsyncContextManager[Any]:
        return self._watched(self._outbox.bury(leased, failure), f"{leased.message.topic} bury")

    def together(self) -> AbstractAsyncContextManager[Any]:
        return self._watched(self._outbox.together(), "together")

    @asynccontextmanager
    async def _watched(self, commit: AbstractAsyncContextManager[Any], name: str) -> AsyncIterator[Any]:
        async with commit as uow:
            yield uow
            self._boundaries.reach(f"{name} before the commit")
        self._boundaries.reach(f"{name} committed")
