"""How processes stand with providers: each tells all others."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from madang.core.kernel.ids import new_id
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


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A `BreakerChange` and when it was."""

    at: datetime
    kind: str
    provider: str
    state: BreakerState
    why: str = ""
    id: UUID = field(default_factory=new_id, compare=False)


@dataclass(frozen=True, slots=True)
class StandingOfProcess:
    """`process_kind` is `api` or `worker`."""

    process_id: str
    process_kind: str
    standing: ProviderStanding


@dataclass(frozen=True, slots=True)
class CheckedProvider:
    """What a provider answered when somebody wanted to know. `detail` is a line for an operator, without secrets."""

    kind: str
    provider: str
    at: datetime
    reachable: bool
    detail: str = ""
    latency_ms: int = 0
