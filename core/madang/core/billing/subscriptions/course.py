"""A subscription with the periods that matter now, and what must follow a step of it; nothing here asks or stores."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from madang.core.billing.subscriptions.model import (
    BEGUN,
    Period,
    PeriodKind,
    PeriodStatus,
    Subscription,
    SubscriptionStatus,
    Terms,
)
from madang.core.kernel.ids import new_id
from madang.ports.money import Money

TRIAL_ENDING: Final = "billing.trial_ending"
PAYMENT_FAILED: Final = "billing.payment_failed"
SUSPENDED: Final = "billing.subscription_suspended"
ENDED: Final = "billing.subscription_ended"
CHANGE_DECLINED: Final = "billing.plan_change_failed"
"""The kinds of messages to the subscriber."""

WATCH: Final = timedelta(hours=6)
"""How long a charge without outcome is left alone; whoever charged it looks it up meanwhile."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Charge this period once, as this payment."""

    period: Period
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class Began:
    """A paid or free period began."""

    period: Period


@dataclass(frozen=True, slots=True)
class Tell:
    """Write to the subscriber; `at` is when something happens next, where something does."""

    kind: str
    period: Period
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Money that came for a period that no longer wants it, or has been paid already."""

    payment_id: UUID


@dataclass(frozen=True, slots=True)
class AskProvider:
    """Ask what became of a hosted subscription."""


@dataclass(frozen=True, slots=True)
class CancelAtProvider:
    at_period_end: bool
    word: ClassVar[str] = "cancel"


@dataclass(frozen=True, slots=True)
class ResumeAtProvider:
    word: ClassVar[str] = "resume"


@dataclass(frozen=True, slots=True)
class ChangeAtProvider:
    """`prorate` settles the running period; without it the new terms hold from the next one on."""

    terms: Terms
    prorate: bool
    word: ClassVar[str] = "change"


Consequence = Charge | Began | Tell | GiveBack | AskProvider | CancelAtProvider | ResumeAtProvider | ChangeAtProvider


@dataclass(frozen=True, slots=True)
class Course:
    """`current` is the last period in time that began, `awaited` the one that is to be paid, `last_number` counts all of them.
    `periods` are those that this step wrote, and `consequences` what follows with its commit."""

    subscription: Subscription
    current: Period | None = None
    awaited: Period | None = None
    last_number: int = 0
    periods: tuple[Period, ...] = ()
    consequences: tuple[Consequence, ...] = ()

    @property
    def status(self) -> SubscriptionStatus:
        return self.subscription.status

    def with_subscription(self, subscription: Subscription) -> Self:
        return replace(self, subscription=subscription)

    def changed(self, now: datetime, **changes: Any) -> Self:
        return replace(self, subscription=replace(self.subscription, updated_at=now, **changes))

    def to(self, status: SubscriptionStatus, now: datetime, **changes: Any) -> Self:
        return replace(self, subscription=self.subscription.to(status, now, **changes))

    def wrote(self, period: Period) -> Self:
        """With this period in its place; one that is neither awaited nor begun is in none any more."""
        current = period if period.status in BEGUN else self.current
        awaited = None if self.awaited is not None and self.awaited.id == period.id else self.awaited
        if period.status in (PeriodStatus.DUE, PeriodStatus.CHARGING):
            awaited = period
        others = tuple(one for one in self.periods if one.id != period.id)
        number = max(self.last_number, period.number)
        return replace(self, current=current, awaited=awaited, last_number=number, periods=(*others, period))

    def wrote_past(self, period: Period) -> Self:
        """With a period that is over rewritten; `current` stays."""
        others = tuple(one for one in self.periods if one.id != period.id)
        return replace(self, last_number=max(self.last_number, period.number), periods=(*others, period))

    def following(self, *consequences: Consequence) -> Self:
        return replace(self, consequences=(*self.consequences, *consequences))

    def now(self, period: Period | None) -> Period | None:
        """The period as this step has left it."""
        return next((one for one in self.periods if period is not None and one.id == period.id), period)

    def keeping_money(self) -> Self:
        """Nothing is given back by this step."""
        return replace(self, consequences=tuple(each for each in self.consequences if not isinstance(each, GiveBack)))

    def next_period(
        self,
        kind: PeriodKind,
        cycle: int,
        terms: Terms,
        between: tuple[datetime, datetime],
        amount: Money,
        status: PeriodStatus,
        now: datetime,
    ) -> Period:
        starts_at, ends_at = between
        return Period(
            new_id(),
            self.subscription.id,
            self.last_number + 1,
            cycle,
            kind,
            terms,
            starts_at,
            ends_at,
            amount,
            status,
            now,
            now,
        )

    def charge(self, period: Period, now: datetime) -> Self:
        """Try to have it paid by a payment of its own; no second one while this has no outcome."""
        payment_id = new_id()
        tried = period.to(PeriodStatus.CHARGING, now, tries=(*period.tries, payment_id))
        return self.wrote(tried).changed(now, due_at=now + WATCH).following(Charge(tried, payment_id))

    def begin(self, period: Period) -> Self:
        return self.wrote(period).following(Began(period))

    def begin_past(self, period: Period) -> Self:
        """A period before `current` counts after all."""
        return self.wrote_past(period).following(Began(period))

    def over(self, status: SubscriptionStatus, at: datetime, now: datetime, reason: str) -> Self:
        """For good. What is awaited is given up; money that still comes for it goes back."""
        ended = self.to(status, now, due_at=None, ended_at=at, end_reason=reason, next_terms=None)
        if ended.awaited is None:
            return ended
        given_up = PeriodStatus.UNPAID if status is SubscriptionStatus.ENDED else PeriodStatus.VOID
        return ended.wrote(ended.awaited.to(given_up, now))
