"""The steps of a subscription whose means of payment we charge ourselves: begin, renew, fail, change, cancel, resume.

Each is a function of the course as it is and the time it is; nothing here waits, asks or stores. Whoever was away for long
renews the cycle that is now: time in which nothing was asked for is not charged afterwards.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.subscriptions.calendar import days_later
from madang.core.billing.subscriptions.course import (
    CHANGE_DECLINED,
    ENDED,
    PAYMENT_FAILED,
    SUSPENDED,
    TRIAL_ENDING,
    WATCH,
    Course,
    GiveBack,
    Tell,
)
from madang.core.billing.subscriptions.dunning import DunningPolicy
from madang.core.billing.subscriptions.model import (
    AWAITED,
    Period,
    PeriodKind,
    PeriodStatus,
    SubscriptionStatus,
    Terms,
)
from madang.core.billing.subscriptions.proration import proration
from madang.core.kernel.errors import WrongState
from madang.ports.money import Money

BEGUN_WITHIN: Final = timedelta(hours=24)
"""A subscription that has no means of payment by then is over."""

TRIAL_NOTICE: Final = timedelta(days=3)
"""How long before its end the person is told that a trial becomes a payment."""

_S = SubscriptionStatus
_CHANGEABLE: Final = frozenset({_S.TRIALING, _S.ACTIVE})


def use_method(course: Course, method_id: UUID, now: datetime) -> Course:
    """Charge this means from now on: it begins what waits for one, and pays what is owed. Raises `WrongState`."""
    subscription = course.subscription
    if subscription.is_over:
        raise _wrong(course, "incomplete, trialing, active, past_due or suspended")
    if _is_charging(course) and subscription.status is _S.INCOMPLETE:
        raise WrongState("the first payment is under way", state="charging", expected="incomplete")
    course = course.changed(now, method_id=method_id)
    if subscription.status is _S.INCOMPLETE:
        return _begin(course, now)
    if course.awaited is not None and course.awaited.status is PeriodStatus.DUE:
        return course.charge(course.awaited, now)
    return course


def due(course: Course, policy: DunningPolicy, now: datetime) -> Course:
    """What the time asks for; the same course when it asks for nothing yet."""
    subscription = course.subscription
    if subscription.is_over or subscription.due_at is None or subscription.due_at > now:
        return course
    if _is_charging(course):
        return course.changed(now, due_at=now + WATCH)
    if subscription.status is _S.INCOMPLETE:
        return course.over(_S.ENDED, now, now, "never_begun")
    if subscription.status is _S.PAST_DUE:
        return _retry_or_suspend(course, policy, now)
    if subscription.status is _S.SUSPENDED:
        return _end_unpaid(course, now)
    return _at_the_end_of_the_period(course, now)


def paid(course: Course, period: Period, payment_id: UUID, now: datetime) -> Course:
    """Money arrived: it begins the period that awaits it, and goes back for any other."""
    if period.payment_id == payment_id:
        return course
    if period.status not in AWAITED:
        return course.following(GiveBack(payment_id))
    begun = period.to(PeriodStatus.PAID, now, payment_id=payment_id)
    due_at = begun.ends_at
    course = course.begin(begun) if begun.kind is not PeriodKind.CHANGE else _begin_change(course, begun, now)
    return course.to(
        _S.ACTIVE,
        now,
        terms=begun.terms,
        next_terms=None,
        due_at=due_at,
        past_due_since=None,
        suspended_at=None,
        retries=0,
    )


def declined(course: Course, period: Period, payment_id: UUID, policy: DunningPolicy, now: datetime) -> Course:
    """A try failed for good. Only the last one of the awaited period says anything."""
    awaited = course.awaited
    if awaited is None or awaited.id != period.id or not _is_charging(course) or awaited.tries[-1] != payment_id:
        return course
    subscription = course.subscription
    if awaited.kind is PeriodKind.CHANGE and course.current is not None:
        course = course.wrote(awaited.to(PeriodStatus.VOID, now)).changed(now, due_at=course.current.ends_at)
        return course.following(Tell(CHANGE_DECLINED, awaited))
    if subscription.cancel_at_period_end:
        return course.over(_S.CANCELLED, now, now, "cancelled")
    if subscription.status is _S.INCOMPLETE:
        until = subscription.created_at + BEGUN_WITHIN
        return course.wrote(awaited.to(PeriodStatus.VOID, now)).changed(now, due_at=max(until, now))
    return _owe(course.wrote(awaited.to(PeriodStatus.DUE, now)), policy, now)


def cancel(course: Course, now: datetime, *, at_period_end: bool) -> Course:
    """At the end of what is paid or tried, or now. A period that is not paid has no end to wait for, but for the first one
    while its charge is under way. Raises `WrongState`."""
    if course.subscription.is_over:
        raise _wrong(course, "incomplete, trialing, active, past_due or suspended")
    first_charge = course.status is _S.INCOMPLETE and _is_charging(course)
    if at_period_end and (course.status in _CHANGEABLE or first_charge):
        return course.changed(now, cancel_at_period_end=True)
    return course.over(_S.CANCELLED, now, now, "cancelled")


def resume(course: Course, now: datetime) -> Course:
    """Take the cancellation at the period's end back. Raises `WrongState`."""
    if course.subscription.is_over or not course.subscription.cancel_at_period_end:
        raise _wrong(course, "cancelled at the end of a period that still runs")
    return course.changed(now, cancel_at_period_end=False)


def change(course: Course, terms: Terms, now: datetime, *, at_once: bool) -> Course:
    """Another plan: at once, and what it costs more for the rest of the period is charged; or from the next period on. In a
    trial it costs nothing. Asking for the plan that one has takes back a change that has not come yet. Raises `WrongState`."""
    subscription, current = course.subscription, course.current
    if course.status not in _CHANGEABLE or course.awaited is not None or current is None:
        raise _wrong(course, "trialing or active, with no payment under way")
    if terms.plan_id == subscription.terms.plan_id:
        if subscription.next_terms is None:
            raise WrongState("this is the plan already", state=terms.plan_id, expected="another plan")
        return course.changed(now, next_terms=None)
    if course.status is _S.TRIALING:
        return course.wrote(replace(current, terms=terms, updated_at=now)).changed(now, terms=terms, next_terms=None)
    if not at_once or now >= current.ends_at:
        return course.changed(now, next_terms=terms)
    return _change_at_once(course, current, terms, now)


def change_period(course: Course, current: Period, terms: Terms, amount: Money, status: PeriodStatus, now: datetime) -> Period:
    """The rest of the current period, under other terms."""
    between = max(now, current.starts_at), current.ends_at
    return course.next_period(PeriodKind.CHANGE, current.cycle, terms, between, amount, status, now)


def _change_at_once(course: Course, current: Period, terms: Terms, now: datetime) -> Course:
    calendar = course.subscription.calendar
    whole = calendar.boundary(current.cycle), calendar.boundary(current.cycle + 1)
    cost = proration(course.subscription.terms.price, terms.price, *whole, now)
    if cost.amount > 0:
        return course.charge(change_period(course, current, terms, cost, PeriodStatus.DUE, now), now)
    free = change_period(course, current, terms, cost, PeriodStatus.FREE, now)
    return _begin_change(course, free, now).changed(now, terms=terms, next_terms=None, due_at=free.ends_at)


def _begin_change(course: Course, period: Period, now: datetime) -> Course:
    """The period before it ends where it begins."""
    if course.current is None:
        return course.begin(period)
    cut = replace(course.current, ends_at=period.starts_at, updated_at=now)
    return course.wrote_past(cut).begin(period)


def _begin(course: Course, now: datetime) -> Course:
    subscription = course.subscription
    if subscription.trial_days:
        ends_at = days_later(now, subscription.trial_days, subscription.calendar.zone)
        nothing = Money.zero(subscription.terms.price.currency)
        trial = course.next_period(PeriodKind.TRIAL, -1, subscription.terms, (now, ends_at), nothing, PeriodStatus.FREE, now)
        return course.begin(trial).to(_S.TRIALING, now, anchor=ends_at, due_at=max(now, ends_at - TRIAL_NOTICE))
    return _charge_cycle(course.changed(now, anchor=now), 0, now)


def _at_the_end_of_the_period(course: Course, now: datetime) -> Course:
    current = course.current
    if current is None:
        raise ValueError(f"subscription {course.subscription.id} is {course.status} without a period")
    if current.ends_at > now:
        waiting = course.changed(now, due_at=current.ends_at)
        ending = current.kind is PeriodKind.TRIAL and not course.subscription.cancel_at_period_end
        return waiting.following(Tell(TRIAL_ENDING, current, current.ends_at)) if ending else waiting
    if course.subscription.cancel_at_period_end:
        return course.over(_S.CANCELLED, current.ends_at, now, "cancelled")
    return _charge_cycle(course, max(current.cycle + 1, course.subscription.calendar.cycle_at(now)), now)


def _charge_cycle(course: Course, cycle: int, now: datetime) -> Course:
    subscription = course.subscription
    terms, calendar = subscription.next_terms or subscription.terms, subscription.calendar
    between = calendar.boundary(cycle), calendar.boundary(cycle + 1)
    period = course.next_period(PeriodKind.REGULAR, cycle, terms, between, terms.price, PeriodStatus.DUE, now)
    return course.charge(period, now)


def _owe(course: Course, policy: DunningPolicy, now: datetime) -> Course:
    subscription, awaited = course.subscription, course.awaited
    if awaited is None:
        return course
    if subscription.status is _S.SUSPENDED and subscription.suspended_at is not None:
        ends_at = max(policy.end_of_suspension(subscription.suspended_at), now)
        return course.changed(now, due_at=ends_at).following(Tell(PAYMENT_FAILED, awaited, ends_at))
    since = subscription.past_due_since or now
    next_step = policy.next_step(since, subscription.retries, now)
    course = course.to(_S.PAST_DUE, now, past_due_since=since, due_at=next_step)
    return course.following(Tell(PAYMENT_FAILED, awaited, next_step))


def _retry_or_suspend(course: Course, policy: DunningPolicy, now: datetime) -> Course:
    awaited = course.awaited
    if awaited is None:
        raise ValueError(f"subscription {course.subscription.id} is past due, and nothing is owed")
    made = course.subscription.retries
    if policy.retries_left(made):
        return course.changed(now, retries=made + 1).charge(awaited, now)
    ends_at = policy.end_of_suspension(now)
    return course.to(_S.SUSPENDED, now, suspended_at=now, due_at=ends_at).following(Tell(SUSPENDED, awaited, ends_at))


def _end_unpaid(course: Course, now: datetime) -> Course:
    owed = course.awaited
    course = course.over(_S.ENDED, now, now, "unpaid")
    return course if owed is None else course.following(Tell(ENDED, owed))


def _is_charging(course: Course) -> bool:
    return course.awaited is not None and course.awaited.status is PeriodStatus.CHARGING


def _wrong(course: Course, expected: str) -> WrongState:
    status = course.status.value
    return WrongState(f"a subscription that is {status} does not allow it", state=status, expected=expected)
