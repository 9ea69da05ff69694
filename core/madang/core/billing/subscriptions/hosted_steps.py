"""The steps of a subscription that its provider renews: follow what it says, believe what it charged, keep what it cannot.

A provider's word moves the status; a period counts as paid only when the charge for it was seen, and was for our price. What a
provider cannot do at the end of a period (cancel so that it can be taken back, change to a lower plan) is kept here, and done
shortly before that end.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.subscriptions.course import (
    ENDED,
    PAYMENT_FAILED,
    SUSPENDED,
    AskProvider,
    CancelAtProvider,
    ChangeAtProvider,
    Course,
    ResumeAtProvider,
    Tell,
)
from madang.core.billing.subscriptions.hosted_charges import NEAR, Charged, settled
from madang.core.billing.subscriptions.model import (
    SUBSCRIPTION_TRANSITIONS,
    Period,
    PeriodKind,
    PeriodStatus,
    SubscriptionStatus,
    Terms,
)
from madang.core.billing.subscriptions.stored_method_steps import change_period
from madang.core.kernel.errors import WrongState
from madang.ports.money import Money
from madang.ports.payment import RemoteSubscriptionStatus, SubscriptionSnapshot

BEFORE_THE_END: Final = timedelta(hours=2)
"""How long before the end of a period the provider is told what it cannot keep by itself."""
ASK_AFTER_THE_END: Final = timedelta(hours=1)
ASK_AGAIN: Final = timedelta(hours=6)
BEGUN_WITHIN: Final = timedelta(hours=72)


_S = SubscriptionStatus
_FOLLOWED: Final = {
    RemoteSubscriptionStatus.TRIALING: _S.TRIALING,
    RemoteSubscriptionStatus.ACTIVE: _S.ACTIVE,
    RemoteSubscriptionStatus.PAST_DUE: _S.PAST_DUE,
    RemoteSubscriptionStatus.PAUSED: _S.SUSPENDED,
}


_BEGUN_THERE: Final = frozenset(
    {RemoteSubscriptionStatus.TRIALING, RemoteSubscriptionStatus.ACTIVE, RemoteSubscriptionStatus.CANCELLED}
)


@dataclass(frozen=True, slots=True)
class Hosting:
    """What the provider keeps by itself: `cancels` at a period's end, and takes that back."""

    cancels: bool


def follow(course: Course, told: SubscriptionSnapshot, hosting: Hosting, now: datetime) -> Course:
    """The course after the provider's word. What is over stays over, and is cancelled there, too; one that only runs out there
    is not told again, for its answer would be a notice that asks for the next. Who cancelled before we had heard anything keeps
    what was begun there, to its end."""
    wished = course.status is _S.INCOMPLETE and course.subscription.cancel_at_period_end
    if wished and told.status not in _BEGUN_THERE:
        return course.over(_S.CANCELLED, now, now, "cancelled").following(CancelAtProvider(False))
    if told.status is RemoteSubscriptionStatus.PENDING:
        return course
    if course.subscription.is_over:
        return course if _charges_no_more(told) else course.following(CancelAtProvider(False))
    course = course.changed(now, reference=told.reference or course.subscription.reference)
    if told.status is RemoteSubscriptionStatus.CANCELLED:
        return _ended(course, told, now)
    status = _FOLLOWED[told.status]
    before = course.status
    course = _periods_of(course, told, now)
    if status in SUBSCRIPTION_TRANSITIONS[before]:
        course = _tell(course.to(status, now), status)
    if hosting.cancels and wished and not told.cancel_at_period_end:
        course = _ask(course, CancelAtProvider(True), now)
    elif hosting.cancels and course.subscription.asking is None:
        course = course.changed(now, cancel_at_period_end=told.cancel_at_period_end)
    return _asked_next(course, hosting, now)


def paid(course: Course, period: Period | None, charge: Charged, hosting: Hosting, now: datetime) -> Course:
    """Money arrived: it begins the period that awaits it, or is settled by what it was for."""
    if (done := settled(course, period, charge, now)) is not None or period is None:
        return done or course
    begun = period.to(PeriodStatus.PAID, now, payment_id=charge.payment_id)
    course = course.begin(begun).to(_S.ACTIVE, now, terms=begun.terms, next_terms=None)
    return _asked_next(course, hosting, now)


def declined(course: Course, period: Period, payment_id: UUID, now: datetime) -> Course:
    """A try of the provider's failed; when it tries again is its own affair."""
    awaited = course.awaited
    if awaited is None or awaited.id != period.id or awaited.status is PeriodStatus.DUE or awaited.tries[-1] != payment_id:
        return course
    return course.wrote(awaited.to(PeriodStatus.DUE, now))


def due(course: Course, hosting: Hosting, now: datetime) -> Course:
    """What the time asks for."""
    subscription, current = course.subscription, course.current
    if subscription.is_over or subscription.due_at is None or subscription.due_at > now:
        return course
    if subscription.status is _S.INCOMPLETE and now >= subscription.created_at + BEGUN_WITHIN:
        return course.over(_S.ENDED, now, now, "never_begun").following(CancelAtProvider(False))
    if current is not None and now >= current.ends_at - BEFORE_THE_END:
        if _is_cancelled_here(course, hosting):
            return _cancelled_here(course, current, now)
        if subscription.next_terms is not None and now < current.ends_at and subscription.asking is None:
            course = _ask(course, ChangeAtProvider(subscription.next_terms, False), now)
    return course.following(AskProvider()).changed(now, due_at=_next_question(course, now))


def cancel(course: Course, hosting: Hosting, now: datetime, *, at_period_end: bool) -> Course:
    """One of which we have heard nothing yet may be paid for there already: its provider is asked first. Raises `WrongState`
    for one that is over."""
    subscription = course.subscription
    if subscription.is_over:
        raise _wrong(course, "incomplete, trialing, active, past_due or suspended")
    if at_period_end and subscription.status is _S.INCOMPLETE and subscription.reference is not None:
        return course.changed(now, cancel_at_period_end=True).following(AskProvider())
    if at_period_end and subscription.status in (_S.TRIALING, _S.ACTIVE):
        kept = course.changed(now, cancel_at_period_end=True)
        return _ask(kept, CancelAtProvider(True), now) if hosting.cancels else _asked_next(kept, hosting, now)
    return course.over(_S.CANCELLED, now, now, "cancelled").following(CancelAtProvider(False))


def resume(course: Course, hosting: Hosting, now: datetime) -> Course:
    """Raises `WrongState` unless it was cancelled at the end of a period that still runs."""
    if course.subscription.is_over or not course.subscription.cancel_at_period_end:
        raise _wrong(course, "cancelled at the end of a period that still runs")
    current = course.current
    if not hosting.cancels and current is not None and now >= current.ends_at - BEFORE_THE_END:
        raise _wrong(course, "cancelled at the end of a period that is not about to end")
    kept = course.changed(now, cancel_at_period_end=False)
    if course.status is _S.INCOMPLETE:
        return kept
    return _ask(kept, ResumeAtProvider(), now) if hosting.cancels else _asked_next(kept, hosting, now)


def change(course: Course, terms: Terms, hosting: Hosting, now: datetime, *, at_once: bool) -> Course:
    """Ask the provider for it, at once; or keep it until the period's end. Raises `WrongState`."""
    subscription = course.subscription
    if subscription.status not in (_S.TRIALING, _S.ACTIVE) or course.awaited is not None or course.current is None:
        raise _wrong(course, "trialing or active, with no payment under way")
    if terms.plan_id == subscription.terms.plan_id:
        if subscription.next_terms is None:
            raise WrongState("this is the plan already", state=terms.plan_id, expected="another plan")
        return _asked_next(course.changed(now, next_terms=None), hosting, now)
    if at_once:
        return _ask(course, ChangeAtProvider(terms, subscription.status is _S.ACTIVE), now)
    return _asked_next(course.changed(now, next_terms=terms), hosting, now)


def changed(course: Course, terms: Terms, now: datetime, *, prorated: bool) -> Course:
    """The provider did it. With `prorated` the rest of the period is a period of its own, which a charge may yet settle; else
    the terms hold from the next period on, or for a trial."""
    current = course.current
    if current is None or course.subscription.is_over:
        return course
    if course.status is _S.TRIALING:
        moved = course.wrote(replace(current, terms=terms, updated_at=now))
        return moved.changed(now, terms=terms, next_terms=None)
    if not prorated:
        return course.changed(now, next_terms=terms)
    rest = change_period(course, current, terms, Money.zero(terms.price.currency), PeriodStatus.FREE, now)
    cut = replace(current, ends_at=rest.starts_at, updated_at=now)
    return course.wrote_past(cut).begin(rest).changed(now, terms=terms, next_terms=None)


def _charges_no_more(told: SubscriptionSnapshot) -> bool:
    runs_out = told.cancel_at_period_end and told.status in (RemoteSubscriptionStatus.TRIALING, RemoteSubscriptionStatus.ACTIVE)
    return runs_out or told.status is RemoteSubscriptionStatus.CANCELLED


def _is_cancelled_here(course: Course, hosting: Hosting) -> bool:
    return course.subscription.cancel_at_period_end and not hosting.cancels


def _cancelled_here(course: Course, current: Period, now: datetime) -> Course:
    if now >= current.ends_at:
        return course.over(_S.CANCELLED, current.ends_at, now, "cancelled").following(CancelAtProvider(False))
    return course.changed(now, due_at=current.ends_at).following(CancelAtProvider(False))


def _ended(course: Course, told: SubscriptionSnapshot, now: datetime) -> Course:
    """What is paid for, or tried, still works to its end where that was the wish."""
    at, current = told.ended_at or now, course.current
    wished = course.subscription.cancel_at_period_end and course.status in (_S.TRIALING, _S.ACTIVE)
    if wished and current is not None and current.ends_at > now:
        return course.changed(now, due_at=current.ends_at)
    if course.status not in (_S.PAST_DUE, _S.SUSPENDED):
        return course.over(_S.CANCELLED, at, now, "cancelled")
    owed = course.awaited or course.current
    course = course.over(_S.ENDED, at, now, "unpaid")
    return course if owed is None else course.following(Tell(ENDED, owed))


def _periods_of(course: Course, told: SubscriptionSnapshot, now: datetime) -> Course:
    """A period that the provider is in and we are not yet, is ours from now on: free in a trial, else awaiting its charge."""
    starts_at, ends_at = told.current_period_start or now, told.current_period_end
    if told.status is RemoteSubscriptionStatus.TRIALING:
        ends_at = told.trial_ends_at or ends_at
    last = course.awaited or course.current
    if ends_at is None or (last is not None and ends_at < last.ends_at + NEAR):
        return course
    if course.awaited is not None:
        course = course.wrote(course.awaited.to(PeriodStatus.UNPAID, now))
    if last is not None:
        starts_at = last.ends_at if abs(starts_at - last.ends_at) < NEAR else max(starts_at, last.ends_at)
    subscription = course.subscription
    terms, nothing = subscription.next_terms or subscription.terms, Money.zero(subscription.terms.price.currency)
    if told.status is RemoteSubscriptionStatus.TRIALING:
        return course.begin(
            course.next_period(PeriodKind.TRIAL, -1, terms, (starts_at, ends_at), nothing, PeriodStatus.FREE, now)
        )
    cycle = max(0, last.cycle + 1) if last is not None else 0
    return course.wrote(
        course.next_period(PeriodKind.REGULAR, cycle, terms, (starts_at, ends_at), terms.price, PeriodStatus.DUE, now)
    )


def _tell(course: Course, status: SubscriptionStatus) -> Course:
    kind = {_S.PAST_DUE: PAYMENT_FAILED, _S.SUSPENDED: SUSPENDED}.get(status)
    about = course.awaited or course.current
    return course if kind is None or about is None else course.following(Tell(kind, about))


def _asked_next(course: Course, hosting: Hosting, now: datetime) -> Course:
    subscription, current = course.subscription, course.current
    keeps = subscription.next_terms is not None or _is_cancelled_here(course, hosting)
    if current is not None and keeps and course.awaited is None:
        return course.changed(now, due_at=max(current.ends_at - BEFORE_THE_END, now))
    return course.changed(now, due_at=_next_question(course, now))


def _next_question(course: Course, now: datetime) -> datetime:
    current = course.current
    if current is None or course.awaited is not None or course.status not in (_S.TRIALING, _S.ACTIVE):
        return now + ASK_AGAIN
    return max(current.ends_at + ASK_AFTER_THE_END, now + ASK_AFTER_THE_END)


def answered(course: Course, now: datetime) -> Course:
    """What the provider was asked to do has an answer."""
    return course.changed(now, asking=None)


def _ask(course: Course, asked: CancelAtProvider | ResumeAtProvider | ChangeAtProvider, now: datetime) -> Course:
    """One thing at a time, so that nothing overtakes another. Raises `WrongState`."""
    under_way = course.subscription.asking
    if under_way is not None:
        raise WrongState("the provider is being asked", state=under_way, expected="nothing under way")
    return course.changed(now, asking=asked.word).following(asked)


def _wrong(course: Course, expected: str) -> WrongState:
    status = course.status.value
    return WrongState(f"a subscription that is {status} does not allow it", state=status, expected=expected)
