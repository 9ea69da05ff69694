"""A subscription that its provider renews, at its edges: what it is asked, when, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from madang.core.billing.subscriptions import hosted_steps as steps
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
from madang.core.billing.subscriptions.hosted_charges import Charged, charged
from madang.core.billing.subscriptions.hosted_steps import Hosting
from madang.core.billing.subscriptions.model import PeriodKind, PeriodStatus, SubscriptionKind
from madang.core.kernel.errors import WrongState
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from madang.ports.payment import RemoteSubscriptionStatus, SubscriptionSnapshot
from unit.billing.subscription_in_memory import BASIC, PREMIUM, START, S, begun

R = RemoteSubscriptionStatus
KEEPS, KEPT_HERE = Hosting(cancels=True), Hosting(cancels=False)
MONTH, HOUR = timedelta(days=30), timedelta(hours=1)
END = START + MONTH


def told(status: RemoteSubscriptionStatus = R.ACTIVE, month: int = 0, **changes: object) -> SubscriptionSnapshot:
    snapshot = SubscriptionSnapshot("sub_1", status, "price_1", START + month * MONTH, START + (month + 1) * MONTH)
    return replace(snapshot, **changes)  # type: ignore[arg-type]


def stored(course: Course) -> Course:
    """As the next step finds it."""
    return replace(course, periods=(), consequences=())


def incomplete() -> Course:
    return Course(replace(begun(), kind=SubscriptionKind.HOSTED, reference="sub_1"))


def followed(course: Course, *words: SubscriptionSnapshot) -> Course:
    for word in words:
        course = stored(steps.follow(course, word, KEEPS, START))
    return course


def active() -> Course:
    charge = Charged(new_id(), BASIC.price)
    course = charged(followed(incomplete(), told()), charge, (), START)
    return stored(steps.paid(course, course.awaited, charge, KEEPS, START))


def trialing() -> Course:
    return followed(incomplete(), told(R.TRIALING, trial_ends_at=START + MONTH / 2))


def test_a_trial_is_free_to_the_end_that_the_provider_names_and_the_first_cycle_comes_after_it() -> None:
    trial = trialing()
    assert trial.status is S.TRIALING
    assert trial.current is not None
    assert (trial.current.kind, trial.current.status, trial.current.cycle) == (PeriodKind.TRIAL, PeriodStatus.FREE, -1)
    assert (trial.current.ends_at, trial.current.amount) == (START + MONTH / 2, Money.zero("KRW"))
    first = followed(trial, told(current_period_start=START + MONTH / 2, current_period_end=START + 3 * MONTH / 2)).awaited
    assert first is not None
    assert (first.number, first.cycle, first.starts_at, first.amount) == (2, 0, START + MONTH / 2, BASIC.price)
    unnamed = followed(incomplete(), told(R.TRIALING)).current
    assert unnamed is not None
    assert unnamed.ends_at == END


def test_the_next_period_begins_where_the_last_one_ended_and_what_nobody_paid_is_given_up() -> None:
    second = steps.follow(active(), told(month=1, current_period_start=END + HOUR), KEEPS, END).awaited
    assert second is not None
    assert (second.cycle, second.starts_at, second.ends_at) == (1, END, END + MONTH)
    gap = steps.follow(active(), told(month=1, current_period_start=END + timedelta(days=2)), KEEPS, END).awaited
    assert gap is not None
    assert gap.starts_at == END + timedelta(days=2)
    overlapping = steps.follow(active(), told(month=1, current_period_start=END - timedelta(days=9)), KEEPS, END).awaited
    assert overlapping is not None
    assert overlapping.starts_at == END
    unpaid = followed(active(), told(month=1))
    third = steps.follow(unpaid, told(month=2), KEEPS, END + MONTH)
    assert [(period.number, period.status) for period in third.periods] == [(2, PeriodStatus.UNPAID), (3, PeriodStatus.DUE)]
    assert third.awaited is not None
    assert third.awaited.cycle == 2


def test_a_word_without_dates_or_of_what_is_known_begins_no_period() -> None:
    assert steps.follow(active(), told(current_period_end=None), KEEPS, START).periods == ()
    assert steps.follow(active(), told(current_period_end=END + 23 * HOUR), KEEPS, START).periods == ()
    assert steps.follow(active(), told(current_period_end=END + 24 * HOUR), KEEPS, START).awaited is not None


def test_what_is_pending_says_nothing_and_a_word_without_a_reference_keeps_the_known_one() -> None:
    course = incomplete()
    assert steps.follow(course, told(R.PENDING, reference="sub_2"), KEEPS, START) is course
    assert steps.follow(course, told(reference=""), KEEPS, START).subscription.reference == "sub_1"
    assert steps.follow(course, told(reference="sub_2"), KEEPS, START).subscription.reference == "sub_2"


@pytest.mark.parametrize(
    ("word", "status", "kind"), [(R.PAST_DUE, S.PAST_DUE, PAYMENT_FAILED), (R.PAUSED, S.SUSPENDED, SUSPENDED)]
)
def test_who_does_not_pay_is_told_once_and_asked_about_every_six_hours(
    word: RemoteSubscriptionStatus, status: S, kind: str
) -> None:
    course = steps.follow(active(), told(word, month=1), KEEPS, END)
    assert course.awaited is not None
    assert (course.status, course.consequences) == (status, (Tell(kind, course.awaited),))
    assert course.subscription.due_at == END + 6 * HOUR
    assert steps.follow(stored(course), told(word, month=1), KEEPS, END).consequences == ()


@pytest.mark.parametrize("word", [R.PAST_DUE, R.PAUSED])
def test_what_ends_while_money_is_owed_ends_unpaid_and_its_owner_is_told(word: RemoteSubscriptionStatus) -> None:
    owing = followed(active(), told(word, month=1))
    over = steps.follow(owing, told(R.CANCELLED, ended_at=END + HOUR), KEEPS, END + 2 * HOUR)
    subscription = over.subscription
    assert (over.status, subscription.ended_at, subscription.end_reason) == (S.ENDED, END + HOUR, "unpaid")
    assert owing.awaited is not None
    assert over.consequences == (Tell(ENDED, owing.awaited),)
    assert [period.status for period in over.periods] == [PeriodStatus.UNPAID]
    without_a_period = replace(owing, awaited=None)
    assert steps.follow(without_a_period, told(R.CANCELLED), KEEPS, END).consequences == (Tell(ENDED, owing.current),)  # type: ignore[arg-type]


def test_what_the_provider_ends_is_cancelled_at_once_but_for_what_was_to_run_out() -> None:
    over = steps.follow(active(), told(R.CANCELLED), KEEPS, START + HOUR)
    assert (over.status, over.subscription.ended_at, over.consequences) == (S.CANCELLED, START + HOUR, ())
    assert over.subscription.end_reason == "cancelled"
    wished = stored(steps.answered(steps.cancel(active(), KEEPS, START, at_period_end=True), START))
    runs = steps.follow(wished, told(R.CANCELLED), KEEPS, START + HOUR)
    assert (runs.status, runs.subscription.due_at) == (S.ACTIVE, END)
    assert steps.follow(wished, told(R.CANCELLED), KEEPS, END).status is S.CANCELLED


def test_a_try_that_failed_leaves_the_period_due_and_an_older_one_says_nothing() -> None:
    course, last = followed(active(), told(month=1)), Charged(new_id(), BASIC.price)
    assert course.awaited is not None
    assert steps.declined(course, course.awaited, last.payment_id, END) is course
    tried = stored(charged(course, last, (), END))
    assert tried.awaited is not None
    assert tried.awaited.status is PeriodStatus.CHARGING
    assert steps.declined(tried, tried.awaited, new_id(), END) is tried
    assert steps.declined(tried, replace(tried.awaited, id=new_id()), last.payment_id, END) is tried
    failed = steps.declined(tried, tried.awaited, last.payment_id, END)
    assert failed.awaited is not None
    assert failed.awaited.status is PeriodStatus.DUE
    assert steps.declined(active(), tried.awaited, last.payment_id, END).periods == ()


def test_a_cancellation_and_its_taking_back_are_asked_of_a_provider_that_keeps_them_one_at_a_time() -> None:
    asked = steps.cancel(active(), KEEPS, START, at_period_end=True)
    assert (asked.consequences, asked.subscription.asking) == ((CancelAtProvider(True),), "cancel")
    with pytest.raises(WrongState) as busy:
        steps.resume(asked, KEEPS, START)
    assert (busy.value.params["state"], busy.value.params["expected"]) == ("cancel", "nothing under way")
    back = steps.resume(stored(steps.answered(asked, START)), KEEPS, START)
    assert (back.consequences, back.subscription.asking) == ((ResumeAtProvider(),), "resume")
    at_once = steps.cancel(active(), KEEPS, START, at_period_end=False)
    assert (at_once.status, at_once.consequences) == (S.CANCELLED, (CancelAtProvider(False),))
    assert (at_once.subscription.end_reason, at_once.subscription.ended_at) == ("cancelled", START)
    owing = steps.cancel(followed(active(), told(R.PAST_DUE, month=1)), KEEPS, END, at_period_end=True)
    assert (owing.status, owing.consequences) == (S.CANCELLED, (CancelAtProvider(False),))


def test_a_change_is_asked_at_once_or_kept_and_the_plan_that_one_has_takes_it_back() -> None:
    at_once = steps.change(active(), PREMIUM, KEEPS, START, at_once=True)
    assert (at_once.consequences, at_once.subscription.asking) == ((ChangeAtProvider(PREMIUM, True),), "change")
    assert steps.change(trialing(), PREMIUM, KEEPS, START, at_once=True).consequences == (ChangeAtProvider(PREMIUM, False),)
    kept = stored(steps.change(active(), PREMIUM, KEEPS, START, at_once=False))
    assert (kept.subscription.next_terms, kept.subscription.due_at) == (PREMIUM, END - 2 * HOUR)
    back = steps.change(kept, BASIC, KEEPS, START, at_once=False)
    assert (back.subscription.next_terms, back.subscription.due_at) == (None, END + HOUR)
    with pytest.raises(WrongState) as same:
        steps.change(active(), BASIC, KEEPS, START, at_once=True)
    assert same.value.params["state"] == "basic"


def test_a_change_that_is_kept_is_asked_for_once_and_only_before_the_end() -> None:
    kept = stored(steps.change(active(), PREMIUM, KEEPS, START, at_once=False))
    early = END - 2 * HOUR
    assert steps.due(kept, KEEPS, early - HOUR) is kept
    asked = steps.due(kept, KEEPS, early)
    assert (asked.consequences, asked.subscription.due_at) == ((ChangeAtProvider(PREMIUM, False), AskProvider()), END + HOUR)
    asked_again = stored(asked).changed(early, due_at=early)
    assert steps.due(asked_again, KEEPS, early).consequences == (AskProvider(),)
    assert steps.due(kept, KEEPS, END).consequences == (AskProvider(),)


@pytest.mark.parametrize(
    "course", [followed(active(), told(month=1)), followed(active(), told(R.PAST_DUE, month=1)), incomplete()]
)
def test_nothing_is_changed_while_a_payment_is_awaited_or_nothing_runs(course: Course) -> None:
    with pytest.raises(WrongState):
        steps.change(course, PREMIUM, KEEPS, START, at_once=True)


def test_what_is_over_takes_no_wish_and_is_due_no_more() -> None:
    over = stored(steps.cancel(active(), KEEPS, START, at_period_end=False))
    for wish in (
        lambda: steps.cancel(over, KEEPS, START, at_period_end=True),
        lambda: steps.resume(over.changed(START, cancel_at_period_end=True), KEEPS, START),
        lambda: steps.resume(active(), KEEPS, START),
    ):
        with pytest.raises(WrongState):
            wish()
    late = over.changed(START, due_at=START)
    assert steps.due(late, KEEPS, END) is late
    assert steps.changed(over, PREMIUM, START, prorated=True) is over
    assert steps.due(active(), KEEPS, END).consequences == ()


def test_what_the_provider_changed_holds_at_once_in_a_trial_and_else_from_the_next_period_on() -> None:
    trial = steps.changed(trialing(), PREMIUM, START, prorated=False)
    assert trial.current is not None
    assert (trial.current.terms, trial.subscription.terms, trial.subscription.next_terms) == (PREMIUM, PREMIUM, None)
    assert [period.kind for period in trial.periods] == [PeriodKind.TRIAL]
    later = steps.changed(active(), PREMIUM, START, prorated=False)
    assert (later.subscription.terms, later.subscription.next_terms, later.periods) == (BASIC, PREMIUM, ())
    renewed = followed(stored(later), told(month=1)).awaited
    assert renewed is not None
    assert (renewed.terms, renewed.amount) == (PREMIUM, PREMIUM.price)
    second, charge = followed(stored(later), told(month=1)), Charged(new_id(), PREMIUM.price)
    dearer = steps.paid(charged(second, charge, (), END), second.awaited, charge, KEEPS, END)
    assert (dearer.subscription.terms, dearer.subscription.next_terms) == (PREMIUM, None)


def test_a_cancellation_that_is_kept_here_is_made_at_the_end_and_counts_from_it() -> None:
    kept = stored(steps.cancel(active(), KEPT_HERE, START, at_period_end=True))
    assert kept.consequences == ()
    late = steps.due(kept, KEPT_HERE, END + HOUR)
    assert (late.status, late.subscription.ended_at, late.consequences) == (S.CANCELLED, END, (CancelAtProvider(False),))
    in_time = steps.due(kept, KEPT_HERE, END - 2 * HOUR)
    assert (in_time.status, in_time.subscription.due_at) == (S.ACTIVE, END)
    almost = END - 2 * HOUR - timedelta(seconds=1)
    assert steps.resume(kept, KEPT_HERE, almost).subscription.due_at == END + HOUR


def test_one_that_never_begins_ends_after_three_days_and_is_asked_about_meanwhile() -> None:
    waiting = incomplete().changed(START, due_at=START)
    asked = steps.due(waiting, KEEPS, START)
    assert (asked.consequences, asked.subscription.due_at) == ((AskProvider(),), START + 6 * HOUR)
    over = steps.due(waiting, KEEPS, START + 72 * HOUR)
    assert (over.status, over.subscription.end_reason) == (S.ENDED, "never_begun")
    assert steps.due(waiting, KEEPS, START + 72 * HOUR - timedelta(seconds=1)).status is S.INCOMPLETE
