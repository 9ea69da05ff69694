"""Subscriptions and their periods: the states and the one table of allowed transitions.

A subscription runs in one of two ways. `STORED_METHOD`: we keep a means of payment and charge it when a period is due.
`HOSTED`: the provider renews by itself, and we follow what it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from madang.core.billing.subscriptions.calendar import BillingCalendar
from madang.core.kernel.errors import WrongState
from madang.ports.money import Money


class SubscriptionKind(StrEnum):
    STORED_METHOD = "stored_method"
    HOSTED = "hosted"


class SubscriptionStatus(StrEnum):
    """`INCOMPLETE` waits for a means of payment or for the first payment. `PAST_DUE` is in its grace: what was bought still
    works. `SUSPENDED` does not work until it is paid. `CANCELLED` by wish and `ENDED` for want of payment are over for good."""

    INCOMPLETE = "incomplete"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    ENDED = "ended"


_S = SubscriptionStatus

SUBSCRIPTION_TRANSITIONS: Final[Mapping[SubscriptionStatus, frozenset[SubscriptionStatus]]] = MappingProxyType(
    {
        _S.INCOMPLETE: frozenset({_S.TRIALING, _S.ACTIVE, _S.CANCELLED, _S.ENDED}),
        _S.TRIALING: frozenset({_S.ACTIVE, _S.PAST_DUE, _S.SUSPENDED, _S.CANCELLED, _S.ENDED}),
        _S.ACTIVE: frozenset({_S.PAST_DUE, _S.SUSPENDED, _S.CANCELLED, _S.ENDED}),
        _S.PAST_DUE: frozenset({_S.ACTIVE, _S.SUSPENDED, _S.CANCELLED, _S.ENDED}),
        _S.SUSPENDED: frozenset({_S.ACTIVE, _S.PAST_DUE, _S.CANCELLED, _S.ENDED}),
        _S.CANCELLED: frozenset(),
        _S.ENDED: frozenset(),
    }
)
"""From each status, those that may follow."""

RUNNING: Final = frozenset({_S.TRIALING, _S.ACTIVE, _S.PAST_DUE})
"""What was bought works."""
OVER: Final = frozenset({_S.CANCELLED, _S.ENDED})


class PeriodKind(StrEnum):
    """`CHANGE` is the rest of a period after a change of plan."""

    TRIAL = "trial"
    REGULAR = "regular"
    CHANGE = "change"


class PeriodStatus(StrEnum):
    """`DUE` waits for its (next) try to be paid, `CHARGING` for the outcome of one. `FREE` costs nothing. `UNPAID` was given
    up, `VOID` is no longer wanted."""

    DUE = "due"
    CHARGING = "charging"
    PAID = "paid"
    FREE = "free"
    UNPAID = "unpaid"
    VOID = "void"


_P = PeriodStatus

PERIOD_TRANSITIONS: Final[Mapping[PeriodStatus, frozenset[PeriodStatus]]] = MappingProxyType(
    {
        _P.DUE: frozenset({_P.CHARGING, _P.PAID, _P.UNPAID, _P.VOID}),
        _P.CHARGING: frozenset({_P.DUE, _P.PAID, _P.UNPAID, _P.VOID}),
        _P.FREE: frozenset({_P.PAID}),
        _P.PAID: frozenset(),
        _P.UNPAID: frozenset({_P.PAID}),
        _P.VOID: frozenset({_P.PAID}),
    }
)
"""From each status of a period, those that may follow. A free one is paid where a provider settles a change afterwards, and one
that was given up where it turns out that the provider had been paid for it."""

AWAITED: Final = frozenset({_P.DUE, _P.CHARGING})
"""Money is to come: of one subscription never two at once."""
BEGUN: Final = frozenset({_P.PAID, _P.FREE})


@dataclass(frozen=True, slots=True)
class Terms:
    """What a subscriber has: a plan at a price for each period. Kept on the rows: a later catalogue changes nobody's."""

    plan_id: str
    price: Money
    credits: int = 0
    price_reference: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """One period, `number` counted from 1 within its subscription, as we heard of them; `cycle` is the calendar's. `amount` is
    what it costs itself, `terms.price` what a whole one would. `tries` are the payments that were to pay it, `payment_id` the
    one that did."""

    id: UUID
    subscription_id: UUID
    number: int
    cycle: int
    kind: PeriodKind
    terms: Terms
    starts_at: datetime
    ends_at: datetime
    amount: Money
    status: PeriodStatus
    created_at: datetime
    updated_at: datetime
    tries: Sequence[UUID] = ()
    payment_id: UUID | None = None

    def to(self, status: PeriodStatus, now: datetime, **changes: Any) -> Self:
        if status not in PERIOD_TRANSITIONS[self.status]:
            raise WrongState(f"a {self.status} period does not become {status}", state=self.status, expected=status)
        return replace(self, status=status, updated_at=now, **changes)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One person's plan of one product. `due_at` is when something must happen next; `next_terms` those from the next period
    on. `reference` is the provider's own id of a hosted one, `asking` what its provider is being asked to do now. What
    is due could not be done since `stuck_since`."""

    id: UUID
    user_id: UUID
    product: str
    kind: SubscriptionKind
    provider: str
    status: SubscriptionStatus
    terms: Terms
    interval_months: int
    anchor: datetime
    zone: str
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None = None
    trial_days: int = 0
    next_terms: Terms | None = None
    cancel_at_period_end: bool = False
    method_id: UUID | None = None
    reference: str | None = None
    checkout_url: str | None = None
    client_params: Mapping[str, Any] | None = None
    past_due_since: datetime | None = None
    suspended_at: datetime | None = None
    retries: int = 0
    asking: str | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    country: str | None = None
    locale: str = "ko"
    client_reference: str | None = None
    stuck_since: datetime | None = None

    @property
    def subject(self) -> str:
        return subscription_subject(self.id)

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def calendar(self) -> BillingCalendar:
        return BillingCalendar(self.anchor, self.interval_months, ZoneInfo(self.zone))

    def to(self, status: SubscriptionStatus, now: datetime, **changes: Any) -> Self:
        """Raises `WrongState` for what the table does not allow."""
        if status is self.status:
            return replace(self, updated_at=now, **changes)
        if status not in SUBSCRIPTION_TRANSITIONS[self.status]:
            raise WrongState(f"a subscription that is {self.status} cannot become {status}", state=self.status, expected=status)
        return replace(self, status=status, updated_at=now, **changes)


def subscription_subject(subscription_id: UUID) -> str:
    return f"subscription:{subscription_id}"


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A means of payment that a provider keeps for us; `token` charges it and is sealed. `label` is for its owner."""

    id: UUID
    user_id: UUID
    provider: str
    customer_id: str
    label: str
    created_at: datetime
    token: bytes = b""


METHOD_TOKEN: Final = "payment_methods.token"  # noqa: S105 – the purpose under which a token is sealed, no token
