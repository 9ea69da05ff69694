"""A circuit breaker: who fails again and again is left alone for a while, and then asked once whether it is well.

    closed → open → half-open → closed | open

Pure: times are seconds of any clock that only goes forward, and whoever calls says what came of it.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(StrEnum):
    """What a call says of whom was called: it answered (a refusal is an answer), it is in trouble, or nothing."""

    WELL = "well"
    TROUBLED = "troubled"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """Opens after failures for so many different causes in a row (0: never), for `open_seconds`."""

    failures: int = 5
    open_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to call, to be given back with the verdict. `era` tells a call that began before the last change; `probe` is the
    one that tries it out."""

    era: int
    probe: bool = False


class Breaker:
    """One for each provider and process.

    A cause is what a call was made for (a job's idempotency key): however often the same one fails, it counts once, so nobody's
    bad input opens the breaker for all others.
    """

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._state = BreakerState.CLOSED
        self._until = 0.0
        self._era = 0
        self._probing = False
        self._causes: set[Hashable] = set()

    @property
    def failures(self) -> int:
        """Different causes that failed in a row."""
        return len(self._causes)

    def state(self, now: float) -> BreakerState:
        if self._state is BreakerState.OPEN and now >= self._until:
            return BreakerState.HALF_OPEN
        return self._state

    def refuses(self, now: float) -> bool:
        """Whether `admit` would: while it is open, and while the one call that tries it out is under way."""
        return self.state(now) is BreakerState.OPEN or (self._state is BreakerState.HALF_OPEN and self._probing)

    def admit(self, now: float) -> Ticket | None:
        """Leave to call; None for no. When its time is over, the first who asks tries it out for everybody."""
        if self.refuses(now):
            return None
        if self._state is BreakerState.CLOSED:
            return Ticket(self._era)
        if self._state is BreakerState.OPEN:
            self._change(BreakerState.HALF_OPEN)
        self._probing = True
        return Ticket(self._era, probe=True)

    def insist(self) -> Ticket:
        """For a call that must be made whatever the state: an answer closes the breaker, a failure changes nothing."""
        return Ticket(self._era)

    def give_back(self, ticket: Ticket, verdict: Verdict, now: float, cause: Hashable = None) -> BreakerState | None:
        """The state that this led to, None when it changed nothing. A call from before the last change says nothing."""
        if ticket.era != self._era:
            return None
        before = self._state
        if verdict is Verdict.WELL:
            self._causes.clear()
            if before is not BreakerState.CLOSED:
                self._change(BreakerState.CLOSED)
        elif ticket.probe:
            self._probing = False
            if verdict is Verdict.TROUBLED:
                self._open(now)
        elif before is BreakerState.CLOSED and verdict is Verdict.TROUBLED:
            self._fail(cause, now)
        return None if self._state is before else self._state

    def _fail(self, cause: Hashable, now: float) -> None:
        if self._rule.failures == 0:
            return
        self._causes.add(object() if cause is None else cause)
        if len(self._causes) >= self._rule.failures:
            self._open(now)

    def _open(self, now: float) -> None:
        self._change(BreakerState.OPEN)
        self._until = now + self._rule.open_seconds

    def _change(self, state: BreakerState) -> None:
        self._state = state
        self._era += 1
        self._probing = False
