"""How a process stands with each provider, as it tells all others."""

from dataclasses import dataclass

from madang.core.operations.breaker import BreakerState


@dataclass(frozen=True, slots=True)
class ProviderStanding:
    """Of one process. `failures`: different causes that failed in a row; `paused_seconds`: for how much longer the provider
    wants to be left alone; `turned_away`: calls that were refused without asking it, since the process began."""

    kind: str
    provider: str
    breaker: BreakerState
    failures: int = 0
    paused_seconds: float = 0.0
    busy: int = 0
    waiting: int = 0
    places: int = 0
    turned_away: int = 0


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """`why` it opened: the kind of the last failure."""

    kind: str
    provider: str
    state: BreakerState
    why: str = ""
