"""The remote side of the in-memory providers: what was done, by port and id, and the bad days that a test asks for.

All instances of a process that were built for the same data folder share one, as they would share an account at a provider;
it goes away with the last of them.
"""

import asyncio
import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from madang.ports.errors import OutcomeUnknown, RateLimited, Rejected, Unavailable

T = TypeVar("T")

NAME: Final = "memory"
FAULTS: Final = frozenset({"unavailable", "rate_limited", "rejected", "answer_lost", "silent"})
RETRY_AFTER: Final = 7.0


class MemoryWorld:
    """`requests` is for tests to look at, `plan` for their bad days; the rest is for the providers."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, str], tuple[Any, Any]] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._shelves: dict[str, dict[str, Any]] = {}
        self._faults: list[tuple[str, str]] = []
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    def plan(self, operation: str, fault: str) -> None:
        """The next call of `operation` (`"sms.send"`) meets `fault`, one of `FAULTS`.

        `unavailable`, `rate_limited` and `rejected` leave nothing done. After `answer_lost` and `silent` it is done and the
        caller does not know; `silent` says nothing until the caller's time is over.
        """
        if fault not in FAULTS:
            raise ValueError(f"a fault is one of {', '.join(sorted(FAULTS))}")
        with self._lock:
            self._faults.append((operation, fault))

    async def effect(self, operation: str, act: Callable[[], T], timeout: float | None = None) -> T:
        """Do it, unless a fault comes before."""
        fault = self._met(operation)
        with self._lock:
            result = act()
        if fault == "silent" and timeout is not None:
            await asyncio.sleep(timeout)
        if fault is not None:
            raise OutcomeUnknown("the answer was lost", provider=NAME, operation=operation)
        return result

    async def look(self, operation: str, look: Callable[[], T]) -> T:
        """Look something up, which changes nothing: a lost answer is `Unavailable`."""
        if self._met(operation) is not None:
            raise Unavailable("the answer was lost", provider=NAME, operation=operation)
        with self._lock:
            return look()

    def once(self, port: str, request: Any, make: Callable[[str], T]) -> T:
        """What was done with the request's key, else what `make` makes of a new id. Raises `Rejected` when the key was used for
        another request."""
        identity = self._keys.get((port, request.idempotency_key))
        if identity is None:
            identity = self.next_id(port)
            self._keys[port, request.idempotency_key] = identity
            self._done[port, identity] = (request, make(identity))
        former, result = self._done[port, identity]
        if replace(former, timeout=0.0) != replace(request, timeout=0.0):
            message = "this idempotency key was used for another request"
            raise Rejected(message, reason="invalid_request", provider=NAME, operation=port)
        done: T = result
        return done

    def requests(self, port: str) -> list[Any]:
        """What was asked for and done, in that order, as the port's own values."""
        with self._lock:
            return [request for (each, _), (request, _) in self._done.items() if each == port]

    def shelf(self, name: str) -> dict[str, Any]:
        """What a provider keeps under ids of its own."""
        with self._lock:
            return self._shelves.setdefault(name, {})

    def next_id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._numbers)}"

    def has(self, port: str, identity: str) -> bool:
        return (port, identity) in self._done

    def identity_of(self, port: str, idempotency_key: str) -> str | None:
        return self._keys.get((port, idempotency_key))

    def _met(self, operation: str) -> str | None:
        """The fault that waits for this call. Raises for one that leaves nothing done."""
        with self._lock:
            waiting = next((each for each in self._faults if each[0] == operation), None)
            if waiting is None:
                return None
            self._faults.remove(waiting)
        match waiting[1]:
            case "unavailable":
                raise Unavailable("it was told to be down", provider=NAME, operation=operation)
            case "rate_limited":
                message = "it was told to be busy"
                raise RateLimited(message, retry_after=RETRY_AFTER, provider=NAME, operation=operation)
            case "rejected":
                message = "it was told to refuse"
                raise Rejected(message, reason="invalid_request", provider=NAME, operation=operation)
        return waiting[1]


_WORLDS: Final[WeakValueDictionary[Path, MemoryWorld]] = WeakValueDictionary()
_MAKING: Final = threading.Lock()


def world_of(data_dir: Path) -> MemoryWorld:
    """The world of this data folder: the same for whoever asks while anybody holds it."""
    with _MAKING:
        return _WORLDS.setdefault(data_dir.resolve(), MemoryWorld())
