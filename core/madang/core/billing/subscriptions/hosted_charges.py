"""Which period of a hosted subscription a charge is for: by what the provider says of it, and never by when we heard of it.

An invoice may be paid after the next period began, and its notice may be lost until then. What was charged for a period in
which the subscription ran counts for that one; what came twice, or for a time after the end, goes back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.subscriptions.course import ChangeAtProvider, Course, GiveBack
from madang.core.billing.subscriptions.model import (
    AWAITED,
    RUNNING,
    Period,
    PeriodKind,
    PeriodStatus,
    Subscription,
    Terms,
)
from madang.ports.money import Money
from madang.ports.payment import ChargedFor, ChargeReason

NEAR: Final = timedelta(days=1)
"""Times of one boundary that differ by less are the same boundary, and so are charges and periods."""


@dataclass(frozen=True, slots=True)
class Charged:
    """What the provider took, or tried to, and the payment that it becomes here. `paid_at` is None for what did not arrive."""

    payment_id: UUID
    amount: Money
    charged_for: ChargedFor | None = None
    paid_at: datetime | None = None


class Unbelieved(Exception):
    """The provider charged another amount than ours, `expected`: nothing is counted, the operator is told."""

    def __init__(self, message: str, expected: Money) -> None:
        super().__init__(message)
        self.expected = expected


class NotYet(Exception):
    """A charge came before the period that it is for: ask again."""


def charged(course: Course, charge: Charged, known: Sequence[Period], now: datetime) -> Course:
    """The course with the charge as a try of the period that it is for; `known` are all periods as they are stored. Raises
    `Unbelieved`, and `NotYet`, also while a change is under way that it may be the price of."""
    told = charge.charged_for
    if told is not None and told.reason is ChargeReason.CHANGE:
        return _settles_a_change(course, charge, told, _now_known(course, known), now)
    if told is None or told.starts_at is None:
        return _by_arrival(course, charge, now)
    return _of_period(course, charge, told.starts_at, told.ends_at, _now_known(course, known), now)


def awaits(course: Course, charge: Charged) -> bool:
    """Whether it is for the period that awaits its money."""
    awaited, told = course.awaited, charge.charged_for
    if awaited is None or awaited.amount != charge.amount or (told is not None and told.reason is ChargeReason.CHANGE):
        return False
    return told is None or told.starts_at is None or _is_at(awaited, told.starts_at, told.ends_at)


def settled(course: Course, period: Period | None, charge: Charged, now: datetime) -> Course | None:
    """Money arrived that begins nothing: it settles a change, is for a period that we heard of too late, or goes back. None
    where it begins the period that awaits it."""
    if period is not None and period.payment_id == charge.payment_id:
        return course
    if period is not None and awaits_settlement(period):
        paid = period.to(PeriodStatus.PAID, now, amount=charge.amount, payment_id=charge.payment_id)
        return course.wrote(paid) if course.current and course.current.id == period.id else course.wrote_past(paid)
    if period is not None and period.status in AWAITED:
        return None
    if period is None or not _ran(course.subscription, period, charge):
        return course.following(GiveBack(charge.payment_id))
    late = period.to(PeriodStatus.PAID, now, payment_id=charge.payment_id)
    runs = late.ends_at > now and course.status in RUNNING
    return course.begin_past(late) if runs else course.wrote_past(late)


def awaits_settlement(period: Period) -> bool:
    return period.kind is PeriodKind.CHANGE and period.status is PeriodStatus.FREE


def _ran(subscription: Subscription, period: Period, charge: Charged) -> bool:
    """Whether a period that was given up was one in which the subscription ran: before its end, and paid before its end."""
    if period.status is PeriodStatus.UNPAID and not subscription.is_over:
        return True
    if period.status not in (PeriodStatus.UNPAID, PeriodStatus.VOID) or not _ran_then(subscription, period.starts_at):
        return False
    return charge.paid_at is not None and subscription.ended_at is not None and charge.paid_at <= subscription.ended_at


def _settles_a_change(course: Course, charge: Charged, told: ChargedFor, known: Sequence[Period], now: datetime) -> Course:
    """Of several that were not settled, the one that began when the provider says."""
    waiting = [period for period in known if awaits_settlement(period)]
    if not waiting:
        raise _doubt(course, charge)
    at = told.starts_at
    change = waiting[-1] if at is None else min(waiting, key=lambda period: abs(period.starts_at - at))
    return _tried_as_change(course, change, charge, now)


def _by_arrival(course: Course, charge: Charged, now: datetime) -> Course:
    """The provider does not tell the period: the one that awaits this amount, or a change that is not settled."""
    awaited, current = course.awaited, course.current
    if awaited is not None and charge.amount == awaited.amount:
        return course.wrote(_tried(awaited, charge, now))
    says_nothing = charge.charged_for is None
    if current is not None and says_nothing and awaits_settlement(current) and charge.amount != current.terms.price:
        return _tried_as_change(course, current, charge, now)
    if charge.amount == course.subscription.terms.price and awaited is None:
        if course.subscription.is_over:
            return course
        raise _early(course)
    raise _doubt(course, charge)


def _of_period(
    course: Course,
    charge: Charged,
    starts_at: datetime,
    ends_at: datetime | None,
    known: Sequence[Period],
    now: datetime,
) -> Course:
    regular = [period for period in known if period.kind is PeriodKind.REGULAR]
    named = next((period for period in regular if _is_at(period, starts_at, ends_at)), None)
    if named is None:
        if not known or (_is_later(known, starts_at) and not _ran_then(course.subscription, starts_at)):
            return _after_all(course)
        named = _unheard(course, starts_at, ends_at, known, now)
    if charge.amount != named.amount:
        raise Unbelieved(_words(course, named.amount, charge.amount), named.amount)
    tried = _tried(named, charge, now)
    return course.wrote(tried) if named.status in AWAITED else course.wrote_past(tried)


def _is_later(known: Sequence[Period], starts_at: datetime) -> bool:
    return starts_at > max(period.ends_at for period in known) - NEAR


def _ran_then(subscription: Subscription, moment: datetime) -> bool:
    """It is over by now, and was not then."""
    return subscription.ended_at is not None and moment < subscription.ended_at


def _after_all(course: Course) -> Course:
    """It is for a time after all that we know."""
    if course.subscription.is_over:
        return course
    raise _early(course)


def _unheard(course: Course, starts_at: datetime, ends_at: datetime | None, known: Sequence[Period], now: datetime) -> Period:
    """A period that was over, or replaced by the next one, before the provider told of it: only its charge tells. Its cycle is
    less than that of the period after it, whose number was given before."""
    before = [period for period in known if period.starts_at <= starts_at]
    after = [period for period in known if period.starts_at > starts_at]
    terms: Terms = (before[-1] if before else after[0]).terms
    begins = max([starts_at, *(period.ends_at for period in before)])
    ends = min([ends_at or begins, *(period.starts_at for period in after)])
    between = begins, max(begins, ends)
    cycle = before[-1].cycle + (not after) if before else after[0].cycle - 1
    return course.next_period(PeriodKind.REGULAR, cycle, terms, between, terms.price, PeriodStatus.UNPAID, now)


def _tried(period: Period, charge: Charged, now: datetime) -> Period:
    status = PeriodStatus.CHARGING if period.status in AWAITED else period.status
    return replace(period, status=status, tries=(*period.tries, charge.payment_id), updated_at=now)


def _tried_as_change(course: Course, change: Period, charge: Charged, now: datetime) -> Course:
    price = change.terms.price
    if charge.amount.currency != price.currency or charge.amount > price:
        raise Unbelieved(_words(course, price, charge.amount), price)
    tried = _tried(change, charge, now)
    return course.wrote(tried) if course.current is not None and course.current.id == change.id else course.wrote_past(tried)


def _is_at(period: Period, starts_at: datetime, ends_at: datetime | None) -> bool:
    """By either boundary: a change of plan cuts a period, and a provider may have moved its beginning."""
    return abs(period.starts_at - starts_at) < NEAR or (ends_at is not None and abs(period.ends_at - ends_at) < NEAR)


def _now_known(course: Course, known: Iterable[Period]) -> Sequence[Period]:
    """In the order of time, with what this step has written."""
    by_id = {period.id: period for period in (*known, *course.periods)}
    return sorted(by_id.values(), key=lambda period: (period.starts_at, period.number))


def _early(course: Course) -> NotYet:
    return NotYet(f"subscription {course.subscription.id}: a charge for a period that the provider does not tell of yet")


def _doubt(course: Course, charge: Charged) -> Exception:
    subscription = course.subscription
    if subscription.asking == ChangeAtProvider.word and not subscription.is_over:
        return NotYet(f"subscription {subscription.id}: a charge while the provider has not answered to a change")
    expected = course.awaited.amount if course.awaited is not None else subscription.terms.price
    return Unbelieved(_words(course, expected, charge.amount), expected)


def _words(course: Course, expected: Money, told: Money) -> str:
    return f"subscription {course.subscription.id}: ours is {expected}, the provider charged {told}"
