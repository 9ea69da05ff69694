"""What each process measures of itself: counted in memory, written down once in an interval, summed up over all processes.

Nothing is written for a single request or call, so a process that is killed loses the counts of its last interval: they are
numbers to alert by, and no accounts.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from madang.core.kernel.ids import new_id

BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds: each bucket counts what took at most so long, one more what took longer."""


@dataclass(slots=True)
class Durations:
    """How long things took: `seconds` in all, `buckets` one for each of `BOUNDS` and one for what took longer."""

    count: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1

    def merge(self, other: "Durations") -> None:
        self.count += other.count
        self.seconds += other.seconds
        self.buckets = [mine + others for mine, others in zip(self.buckets, other.buckets, strict=True)]

    def quantile(self, share: float) -> float:
        """Seconds within which this share was done, read off between the bounds of its bucket; 0 of nothing."""
        wanted, before = share * self.count, 0
        for number, count in enumerate(self.buckets):
            if count and before + count >= wanted:
                low = BOUNDS[number - 1] if number else 0.0
                high = BOUNDS[number] if number < len(BOUNDS) else low
                return min(high, low + (high - low) * (wanted - before) / count)
            before += count
        return 0.0


@dataclass(frozen=True, slots=True)
class CallName:
    """Whose calls are counted together. `outcome` is `done`, `failed` (what was asked for did not succeed), a kind of the error
    taxonomy, or the type of an unexpected exception."""

    kind: str
    provider: str
    outcome: str


@dataclass(frozen=True, slots=True)
class SystemReading:
    """Per cent of what this process may use: of its container where there is one, else of the machine. None: cannot be told."""

    memory: float | None = None
    cpu: float | None = None
    disk: float | None = None


class SystemGauge(Protocol):
    def read(self) -> SystemReading:
        """May block on a disk. `cpu` is the share since the reading before, None at the first."""
        ...


@dataclass(frozen=True, slots=True)
class Measurement:
    """One process in one interval. `errors` are answers of 500 and above; `age` is how long ago it was written down.

    Three are no process's: `wrong_amounts`, how many payments somebody told another amount of than ours, within a day,
    `stuck_subscriptions`, of how many what is due could not be done, and `reversed_disputes`, how many wait for a person."""

    id: UUID
    process_id: str
    kind: str
    requests: Durations
    errors: int
    calls: Mapping[CallName, Durations]
    system: SystemReading = SystemReading()
    age: timedelta = timedelta(0)
    wrong_amounts: int = 0
    stuck_subscriptions: int = 0
    reversed_disputes: int = 0


class Meter:
    """A process's counts since they were last taken."""

    def __init__(self) -> None:
        self._requests = Durations()
        self._errors = 0
        self._calls: dict[CallName, Durations] = {}

    def answered(self, status: int, seconds: float) -> None:
        self._requests.add(seconds)
        self._errors += status >= 500

    def called(self, name: CallName, seconds: float) -> None:
        self._calls.setdefault(name, Durations()).add(seconds)

    def take(self, process_id: str, kind: str, system: SystemReading) -> Measurement:
        """The counts, which begin anew."""
        taken = Measurement(new_id(), process_id, kind, self._requests, self._errors, self._calls, system)
        self._requests, self._errors, self._calls = Durations(), 0, {}
        return taken


class MeasurementReader(Protocol):
    async def within(self, window: timedelta) -> Sequence[Measurement]:
        """Those of every process that were written down in this time until now, by the database's clock."""
        ...

    async def forget(self, older_than: timedelta) -> int: ...
