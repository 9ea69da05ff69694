"""What calls of providers used and cost: a row for each call that may cost something, summed by day when it is old.

The other calls are counted and timed in the measurements alone: looks, and everything of storage, are too many for rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from madang.core.kernel.messages import Delivery, RetryPolicy, Topic
from madang.core.kernel.schedules import Recurring
from madang.core.operations.prices import Usage
from madang.ports.money import Cost

RETAIN: Final = "operations.sum_up_calls"
_AT_ONCE: Final = 5000


class Charge(StrEnum):
    """Whether there is something to pay: `PENDING` is told when the prediction has ended; `UNKNOWN` has no price, or nobody
    knows whether it was done."""

    NONE = "none"
    KNOWN = "known"
    PENDING = "pending"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MeteredCall:
    """One call. `outcome` is as in `CallName`; `reference`, a hash of a prediction's id, finds it again when
    its cost is told later.

    `product` and `subject` (`portrait:<id>`) say what it was for. Nothing in it names a person.
    """

    id: UUID
    at: datetime
    kind: str
    provider: str
    operation: str
    outcome: str
    seconds: float
    usage: Usage
    charge: Charge
    cost: Cost | None = None
    reference: str | None = None
    product: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a prediction cost that was bought before. Told again, it changes nothing."""

    kind: str
    provider: str
    reference: str
    usage: Usage
    charge: Charge
    cost: Cost | None = None


class Grouping(StrEnum):
    """By what costs are summed."""

    DAY = "day"
    KIND = "kind"
    PROVIDER = "provider"
    MODEL = "model"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class Spending:
    """Calls together. `unpriced`: calls whose cost nobody knows, which no cost below holds. `group` has a value for each
    grouping asked for, None where the calls do not say."""

    group: Mapping[Grouping, str | date | None]
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    unpriced: int
    costs: Sequence[Cost]


@dataclass(frozen=True, slots=True)
class SpentOn:
    """Ever: what the metrics show of one model."""

    kind: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    unpriced: int
    costs: Sequence[Cost]


class MeteringRepository(Protocol):
    async def sum_up(self, older_than: timedelta, *, limit: int) -> int:
        """Replace rows by sums of their day; how many."""
        ...

    async def forget_standings(self) -> None:
        """Those of processes that were killed an hour ago, and breakers' changes of a week ago."""
        ...


class MeteringUnitOfWork(Protocol):
    @property
    def metering(self) -> MeteringRepository: ...


class MeteringRetention:
    """Single calls are kept for `kept`; the sums of each day stay."""

    def __init__(self, kept: timedelta) -> None:
        self._kept = kept

    def recurring(self) -> Sequence[Recurring]:
        topic = Topic(RETAIN, retry=RetryPolicy((5, 60, 600)), time_limit=300.0)
        return (Recurring(topic, timedelta(hours=1), self.sum_up),)

    async def sum_up(self, delivery: Delivery[MeteringUnitOfWork]) -> None:
        summed = _AT_ONCE
        while summed >= _AT_ONCE:
            async with delivery.step() as uow:
                summed = await uow.metering.sum_up(self._kept, limit=_AT_ONCE)
                await uow.metering.forget_standings()
