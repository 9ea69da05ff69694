"""What a provider that renews by itself says, and what it cannot keep by itself: followed, believed, and done in time."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.core.billing.subscriptions import hosted_charges
from madang.core.billing.subscriptions import hosted_steps as steps
from madang.core.billing.subscriptions.course import AskProvider, CancelAtProvider, ChangeAtProvider, Course, GiveBack
from madang.core.billing.subscriptions.hosted_charges import Charged, NotYet, Unbelieved
from madang.core.billing.subscriptions.hosted_steps import Hosting
from madang.core.billing.subscriptions.model import BEGUN, PeriodStatus, SubscriptionKind, SubscriptionStatus
from madang.core.kernel.errors import WrongState
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from madang.ports.payment import RemoteSubscriptionStatus, SubscriptionSnapshot
from unit.billing.subscription_in_memory import BASIC, PREMIUM, START, begun

R, S = RemoteSubscriptionStatus, SubscriptionStatus
KEEPS, KEPT_HERE = Hosting(cancels=True), Hosting(cancels=False)
MONTH = timedelta(days=30)
END = START + MONTH


def told(status: RemoteSubscriptionStatus = R.ACTIVE, month: int = 0, **changes: object) -> SubscriptionSnapshot:
    snapshot = SubscriptionSnapshot("sub_1", status, "price_1", START + month * MONTH, START + (month + 1) * MONTH)
    return replace(snapshot, **changes)  # type: ignore[arg-type]


def settled(course: Course) -> Course:
    """As the next step finds it."""
    return replace(course, periods=(), consequences=())


def incomplete() -> Course:
    return Course(replace(begun(), kind=SubscriptionKind.HOSTED, reference="sub_1"))


def charged(course: Course, amount: Money = BASIC.price, now: datetime = START) -> Course:
    payment_id = new_id()
    charge = Charged(payment_id, amount)
    course = hosted_charges.charged(course, charge, (), now)
    period = course.awaited or course.current
    return settled(steps.paid(course, period, charge, KEEPS, now))


def charge_of(amount: Money) -> Charged:
    return Charged(new_id(), amount)


def active(hosting: Hosting = KEEPS) -> Course:
    return charged(settled(steps.follow(incomplete(), told(), hosting, START)))


def test_a_period_counts_as_paid_when_its_charge_was_seen_and_not_before() -> None:
    followed = steps.follow(incomplete(), told(), KEEPS, START)
    assert (followed.status, followed.current) == (S.ACTIVE, None)
    assert followed.awaited is not None
    assert followed.awaited.status is PeriodStatus.DUE
    paid = charged(settled(followed))
    assert paid.current is not None
    assert (paid.current.status, paid.awaited) == (PeriodStatus.PAID, None)


@pytest.mark.parametrize("amount", [Money(1, "KRW"), Money(30_001, "KRW"), Money(30_000, "USD")])
def test_another_amount_than_the_price_is_not_believed(amount: Money) -> None:
    followed = settled(steps.follow(active(), told(month=1), KEEPS, END))
    with pytest.raises(Unbelieved) as doubted:
        hosted_charges.charged(followed, charge_of(amount), (), END)
    assert doubted.value.expected == BASIC.price


def test_a_charge_for_a_period_that_is_not_told_yet_waits() -> None:
    with pytest.raises(NotYet):
        hosted_charges.charged(active(), charge_of(BASIC.price), (), END)


def test_a_change_is_settled_by_what_it_costs_and_never_by_more_than_the_new_price() -> None:
    half = START + MONTH / 2
    course = settled(steps.changed(active(), PREMIUM, half, prorated=True))
    assert course.current is not None
    assert (course.current.amount, course.current.starts_at, course.subscription.terms) == (Money(0, "KRW"), half, PREMIUM)
    with pytest.raises(Unbelieved):
        hosted_charges.charged(course, charge_of(Money(50_001, "KRW")), (), half)
    paid = charged(course, Money(10_000, "KRW"), half)
    assert paid.current is not None
    assert (paid.current.status, paid.current.amount) == (PeriodStatus.PAID, Money(10_000, "KRW"))


def test_what_a_change_costs_waits_while_the_provider_has_not_answered_to_the_change() -> None:
    """Its notice may come before the answer: the worker that asked died, and another took the notice up."""
    asked = settled(steps.change(active(), PREMIUM, KEEPS, START, at_once=True))
    with pytest.raises(NotYet):
        hosted_charges.charged(asked, charge_of(Money(1, "KRW")), (), START)
    with pytest.raises(Unbelieved):
        hosted_charges.charged(settled(steps.answered(asked, START)), charge_of(Money(1, "KRW")), (), START)
    over = settled(steps.cancel(asked, KEEPS, START, at_period_end=False))
    with pytest.raises(Unbelieved):
        hosted_charges.charged(over, charge_of(Money(1, "KRW")), (), START)


def test_a_second_charge_for_a_paid_period_goes_back() -> None:
    followed = settled(steps.follow(active(), told(month=1), KEEPS, END))
    first, second = charge_of(BASIC.price), charge_of(BASIC.price)
    both = hosted_charges.charged(hosted_charges.charged(followed, first, (), END), second, (), END)
    period = both.awaited
    once = settled(steps.paid(both, period, first, KEEPS, END))
    twice = steps.paid(once, once.current, second, KEEPS, END)
    assert twice.consequences == (GiveBack(second.payment_id),)


def test_a_cancellation_that_the_provider_cannot_take_back_is_kept_until_just_before_the_end() -> None:
    course = settled(steps.cancel(active(KEPT_HERE), KEPT_HERE, START, at_period_end=True))
    assert (course.status, course.subscription.due_at) == (S.ACTIVE, END - steps.BEFORE_THE_END)
    resumed = steps.resume(course, KEPT_HERE, START)
    assert (resumed.consequences, resumed.subscription.cancel_at_period_end) == ((), False)
    close = END - steps.BEFORE_THE_END
    asked = steps.due(course, KEPT_HERE, close)
    assert asked.consequences == (CancelAtProvider(False),)
    with pytest.raises(WrongState):
        steps.resume(settled(asked), KEPT_HERE, close)
    told_so = settled(steps.follow(settled(asked), told(R.CANCELLED, ended_at=close), KEPT_HERE, close))
    assert (told_so.status, told_so.subscription.due_at) == (S.ACTIVE, END)
    over = steps.due(told_so, KEPT_HERE, END)
    assert (over.status, over.subscription.ended_at) == (S.CANCELLED, END)


def test_what_the_person_does_at_the_provider_is_followed() -> None:
    cancelled = settled(steps.follow(active(), told(cancel_at_period_end=True), KEEPS, START))
    assert cancelled.subscription.cancel_at_period_end is True
    assert steps.follow(cancelled, told(), KEEPS, START).subscription.cancel_at_period_end is False


def test_an_older_word_does_not_undo_what_the_provider_is_being_asked() -> None:
    asking = settled(steps.cancel(active(), KEEPS, START, at_period_end=True))
    followed = steps.follow(asking, told(), KEEPS, START)
    assert followed.subscription.cancel_at_period_end is True
    with pytest.raises(WrongState):
        steps.resume(settled(followed), KEEPS, START)
    assert steps.resume(steps.answered(followed, START), KEEPS, START).subscription.cancel_at_period_end is False


def test_one_that_is_over_and_lives_on_at_the_provider_is_cancelled_there() -> None:
    over = settled(steps.cancel(active(), KEEPS, START, at_period_end=False))
    assert steps.follow(over, told(), KEEPS, START).consequences == (CancelAtProvider(False),)
    assert steps.follow(over, told(R.CANCELLED), KEEPS, START).consequences == ()


def test_one_that_is_over_and_only_runs_out_at_the_provider_is_not_told_again() -> None:
    over = settled(steps.cancel(active(), KEEPS, START, at_period_end=False))
    assert steps.follow(over, told(cancel_at_period_end=True), KEEPS, START).consequences == ()
    owing = steps.follow(over, told(R.PAST_DUE, cancel_at_period_end=True), KEEPS, START)
    assert owing.consequences == (CancelAtProvider(False),)


def test_the_provider_is_asked_when_a_period_ends_and_told_of_a_lower_plan_before() -> None:
    course = active()
    assert course.subscription.due_at == END + steps.ASK_AFTER_THE_END
    assert steps.due(course, KEEPS, END + steps.ASK_AFTER_THE_END).consequences == (AskProvider(),)
    lower = settled(steps.change(course, PREMIUM, KEEPS, START, at_once=False))
    asked = steps.due(lower, KEEPS, END - steps.BEFORE_THE_END)
    assert asked.consequences[0] == ChangeAtProvider(PREMIUM, False)


def test_a_first_payment_that_failed_leaves_it_incomplete_and_it_ends_after_days() -> None:
    waiting = settled(steps.follow(incomplete(), told(R.PAST_DUE), KEEPS, START))
    assert waiting.status is S.INCOMPLETE
    later = START + steps.BEGUN_WITHIN
    over = steps.due(waiting, KEEPS, later)
    assert (over.status, over.consequences) == (S.ENDED, (CancelAtProvider(False),))


@pytest.mark.parametrize("hosting", [KEEPS, Hosting(cancels=False)])
def test_a_cancellation_before_the_first_word_is_decided_by_it(hosting: Hosting) -> None:
    asked = steps.cancel(incomplete(), hosting, START, at_period_end=True)
    assert (asked.status, asked.consequences) == (S.INCOMPLETE, (AskProvider(),))
    asked = settled(asked)
    for word in (R.PENDING, R.PAST_DUE, R.PAUSED):
        nothing_paid = steps.follow(asked, told(word), hosting, START)
        assert (nothing_paid.status, nothing_paid.consequences[-1]) == (S.CANCELLED, CancelAtProvider(False))
    begun_there = steps.follow(asked, told(), hosting, START)
    assert (begun_there.status, begun_there.subscription.cancel_at_period_end) == (S.ACTIVE, True)
    assert (CancelAtProvider(True) in begun_there.consequences) is hosting.cancels
    cancelled_there = steps.follow(asked, told(cancel_at_period_end=True), hosting, START)
    assert (cancelled_there.status, cancelled_there.subscription.cancel_at_period_end) == (S.ACTIVE, True)
    assert steps.follow(asked, told(R.CANCELLED), hosting, START).status is S.CANCELLED


def test_a_cancellation_before_the_first_word_can_be_taken_back_and_done_at_once() -> None:
    asked = settled(steps.cancel(incomplete(), KEEPS, START, at_period_end=True))
    kept = steps.resume(asked, KEEPS, START)
    assert (kept.status, kept.subscription.cancel_at_period_end, kept.consequences) == (S.INCOMPLETE, False, ())
    assert steps.cancel(asked, KEEPS, START, at_period_end=False).status is S.CANCELLED
    never_opened = Course(replace(incomplete().subscription, reference=None))
    assert steps.cancel(never_opened, KEEPS, START, at_period_end=True).status is S.CANCELLED


words = st.builds(told, st.sampled_from(R), st.integers(0, 5))


@settings(max_examples=80)
@given(st.lists(words, max_size=12))
def test_whatever_is_said_in_whatever_order_periods_do_not_overlap_and_over_is_over(
    said: list[SubscriptionSnapshot],
) -> None:
    course, over, begun_periods = incomplete(), None, {}
    for number, word in enumerate(said):
        now = START + timedelta(hours=number)
        course = steps.follow(course, word, KEEPS, now)
        begun_periods |= {period.id: period for period in course.periods if period.status in BEGUN}
        if course.awaited is not None:
            course = steps.paid(course, course.awaited, charge_of(course.awaited.amount), KEEPS, now)
            begun_periods |= {period.id: period for period in course.periods if period.status in BEGUN}
        course = settled(course)
        over = over or (course.subscription if course.subscription.is_over else None)
        assert over is None or course.subscription == over
    in_order = sorted(begun_periods.values(), key=lambda period: period.number)
    assert all(one.ends_at <= other.starts_at for one, other in pairwise(in_order))
