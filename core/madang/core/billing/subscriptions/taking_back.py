"""What becomes of a subscription when money for it went back. Nothing here waits, asks or stores."""

from datetime import datetime
from typing import Final
from uuid import UUID

from madang.core.billing.subscriptions import hosted_steps, stored_method_steps
from madang.core.billing.subscriptions.course import CancelAtProvider, Course
from madang.core.billing.subscriptions.hosted_steps import Hosting
from madang.core.billing.subscriptions.model import AWAITED, Period, PeriodKind, SubscriptionKind, SubscriptionStatus

REFUNDED: Final = "refunded"
CHARGED_BACK: Final = "charged_back"
"""Why such a subscription ended."""


def refunded(course: Course, period: Period | None, payment_id: UUID, now: datetime) -> Course:
    """A payment went back in full: a subscription whose running cycle it paid for ends at once. The difference that a change of
    plan cost, an earlier cycle's price, and money that paid for no period end nothing."""
    if course.subscription.is_over or period is None or not paid_for_what_runs(course, period, payment_id):
        return course
    return _ended(course, REFUNDED, now)


def charged_back(course: Course, period: Period | None, payment_id: UUID, hosting: Hosting, now: datetime) -> Course:
    """A bank took money of a payment: the subscription ends at once, or, if it was for an earlier cycle, with what is paid."""
    if course.subscription.is_over or period is None or not _paid_for(period, payment_id):
        return course
    if _runs(course, period):
        return _ended(course, CHARGED_BACK, now)
    return _charged_no_more(course, hosting, now)


def paid_for_what_runs(course: Course, period: Period, payment_id: UUID) -> bool:
    """Whether this is the price of the running cycle, and not the difference that a change of plan cost within it."""
    return period.kind is not PeriodKind.CHANGE and _runs(course, period) and _paid_for(period, payment_id)


def _runs(course: Course, period: Period) -> bool:
    """No later cycle has begun."""
    return course.current is None or period.cycle >= course.current.cycle


def _paid_for(period: Period, payment_id: UUID) -> bool:
    """Also when the money was gone before anybody counted the period as paid."""
    return period.payment_id == payment_id or (period.status in AWAITED and period.tries[-1:] == (payment_id,))


def _ended(course: Course, reason: str, now: datetime) -> Course:
    ended = course.over(SubscriptionStatus.ENDED, now, now, reason)
    return ended.following(CancelAtProvider(False)) if _is_hosted(course) else ended


def _charged_no_more(course: Course, hosting: Hosting, now: datetime) -> Course:
    """At the period's end; at once where the provider is being asked something else, which cannot wait."""
    if course.subscription.cancel_at_period_end:
        return course
    if not _is_hosted(course):
        return stored_method_steps.cancel(course, now, at_period_end=True)
    if course.subscription.asking is not None:
        return _ended(course, CHARGED_BACK, now)
    return hosted_steps.cancel(course, hosting, now, at_period_end=True)


def _is_hosted(course: Course) -> bool:
    return course.subscription.kind is SubscriptionKind.HOSTED
