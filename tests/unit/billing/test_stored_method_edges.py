"""A subscription that we charge, at its edges: to the second, what follows with a step, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from madang.core.billing.subscriptions import stored_method_steps as steps
from madang.core.billing.subscriptions.course import (
    CHANGE_DECLINED,
    ENDED,
    PAYMENT_FAILED,
    SUSPENDED,
    TRIAL_ENDING,
    Charge,
    Consequence,
    Course,
    GiveBack,
    Tell,
)
from madang.core.billing.subscriptions.model import PeriodKind, PeriodStatus, Terms
from madang.core.kernel.errors import WrongState
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from unit.billing.subscription_in_memory import BASIC, POLICY, PREMIUM, START, Life, S, paid_for

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MINI = Terms("mini", Money(10_000, "KRW"))


def told(consequences: tuple[Consequence, ...]) -> list[tuple[str, object]]:
    return [(each.kind, each.at) for each in consequences if isinstance(each, Tell)]


def declined(life: Life) -> Course:
    payment_id = life.asked.pop(0)
    return steps.declined(life.course, life.periods[life.charged[payment_id]], payment_id, POLICY, life.now)


def owing() -> Life:
    """The first renewal was declined."""
    life = paid_for()
    life.until_due()
    life.decline()
    return life


def suspended() -> Life:
    life = owing()
    while life.status is S.PAST_DUE:
        life.until_due()
        if life.asked:
            life.decline()
    return life


def test_a_first_payment_that_is_declined_leaves_the_rest_of_a_day_for_another_means() -> None:
    life = Life()
    life.use_method()
    with pytest.raises(WrongState) as under_way:
        life.use_method()
    assert (under_way.value.params["state"], under_way.value.params["expected"]) == ("charging", "incomplete")
    waiting = declined(life)
    assert [period.status for period in waiting.periods] == [PeriodStatus.VOID]
    assert (waiting.status, waiting.awaited, waiting.subscription.due_at) == (S.INCOMPLETE, None, START + DAY)
    late = Life()
    late.use_method()
    late.now = START + 2 * DAY
    assert declined(late).subscription.due_at == START + 2 * DAY


def test_while_a_charge_has_no_outcome_nothing_is_charged_and_it_is_looked_at_after_six_hours() -> None:
    life = paid_for()
    life.until_due()
    assert life.course.subscription.due_at == life.now + 6 * HOUR
    life.now += 6 * HOUR
    watched = steps.due(life.course, POLICY, life.now)
    assert (watched.consequences, watched.subscription.due_at) == ((), life.now + 6 * HOUR)
    method_id = new_id()
    changed = steps.use_method(life.course, method_id, life.now)
    assert (changed.consequences, changed.subscription.method_id) == ((), method_id)


def test_nothing_is_due_before_its_time_nor_of_what_is_over() -> None:
    life = paid_for()
    ends_at = life.current.ends_at
    assert steps.due(life.course, POLICY, ends_at - timedelta(seconds=1)) is life.course
    over = steps.cancel(life.course, START, at_period_end=False)
    assert (over.subscription.due_at, over.subscription.end_reason, over.subscription.ended_at) == (None, "cancelled", START)
    late = over.changed(START, due_at=START)
    assert steps.due(late, POLICY, ends_at) is late
    timeless = life.course.changed(START, due_at=None)
    assert steps.due(timeless, POLICY, ends_at) is timeless


def test_the_end_of_a_trial_is_told_three_days_before_with_its_day_and_not_to_who_leaves() -> None:
    life = Life(trial_days=14)
    life.use_method()
    end = START + 14 * DAY
    assert (life.course.subscription.due_at, life.course.subscription.anchor) == (end - 3 * DAY, end)
    assert (life.current.cycle, life.current.amount, life.current.status) == (-1, Money.zero("KRW"), PeriodStatus.FREE)
    course = steps.due(life.course, POLICY, end - 3 * DAY)
    assert (told(course.consequences), course.subscription.due_at) == ([(TRIAL_ENDING, end)], end)
    leaving = steps.cancel(life.course, START, at_period_end=True)
    assert told(steps.due(leaving, POLICY, end - 3 * DAY).consequences) == []
    short = Life(trial_days=2)
    short.use_method()
    assert short.course.subscription.due_at == START


def test_who_owes_is_told_the_day_of_the_next_try_of_the_suspension_and_of_the_end() -> None:
    life = paid_for()
    life.until_due()
    since = life.now
    first = declined(life)
    assert (told(first.consequences), first.subscription.past_due_since) == ([(PAYMENT_FAILED, since + DAY)], since)
    life = owing()
    since = life.now
    while life.course.subscription.retries < 4:
        life.until_due()
        last = declined(life)
        life.took_step(last)
    assert told(last.consequences) == [(PAYMENT_FAILED, since + 10 * DAY)]
    asleep = steps.due(life.course, POLICY, since + 10 * DAY)
    assert (asleep.status, asleep.subscription.suspended_at) == (S.SUSPENDED, since + 10 * DAY)
    assert (told(asleep.consequences), asleep.subscription.due_at) == ([(SUSPENDED, since + 24 * DAY)], since + 24 * DAY)
    over = steps.due(replace(asleep, periods=(), consequences=()), POLICY, since + 24 * DAY)
    assert (told(over.consequences), over.subscription.end_reason) == ([(ENDED, None)], "unpaid")
    assert [period.status for period in over.periods] == [PeriodStatus.UNPAID]


def test_another_try_that_fails_in_the_suspension_moves_nothing() -> None:
    life = suspended()
    until = life.course.subscription.due_at
    assert until is not None
    life.now += DAY
    life.use_method()
    failed = declined(life)
    assert (failed.status, told(failed.consequences), failed.subscription.due_at) == (
        S.SUSPENDED,
        [(PAYMENT_FAILED, until)],
        until,
    )


def test_who_pays_in_the_suspension_owes_nothing_and_begins_as_new() -> None:
    life = suspended()
    life.use_method()
    life.pay()
    subscription = life.course.subscription
    assert (life.status, subscription.suspended_at, subscription.past_due_since, subscription.retries) == (
        S.ACTIVE,
        None,
        None,
        0,
    )


def test_who_leaves_at_the_end_and_is_declined_is_out_and_is_asked_no_more() -> None:
    life = paid_for()
    life.until_due()
    life.took_step(life.course.changed(life.now, cancel_at_period_end=True))
    over = declined(life)
    assert (over.status, over.subscription.end_reason, told(over.consequences)) == (S.CANCELLED, "cancelled", [])
    at_once = steps.cancel(owing().course, START, at_period_end=True)
    assert at_once.status is S.CANCELLED
    assert [period.status for period in at_once.periods] == [PeriodStatus.VOID]


def test_a_change_that_costs_nothing_more_holds_at_once_for_the_rest_of_the_period() -> None:
    life, half = paid_for(), START + 14 * DAY
    course = steps.change(life.course, MINI, half, at_once=True)
    assert course.current is not None
    assert (course.current.kind, course.current.status, course.current.amount.amount) == (
        PeriodKind.CHANGE,
        PeriodStatus.FREE,
        0,
    )
    assert (course.current.starts_at, course.current.ends_at, course.current.number) == (half, life.current.ends_at, 2)
    subscription = course.subscription
    assert (subscription.terms, subscription.next_terms, subscription.due_at) == (MINI, None, life.current.ends_at)
    assert {period.number: period.ends_at for period in course.periods} == {1: half, 2: life.current.ends_at}
    waiting = life.course.changed(half, next_terms=PREMIUM)
    assert steps.change(waiting, MINI, half, at_once=True).subscription.next_terms is None


def test_an_upgrade_at_the_very_end_waits_for_the_next_period() -> None:
    life = paid_for()
    later = steps.change(life.course, PREMIUM, life.current.ends_at, at_once=True)
    assert (later.consequences, later.subscription.next_terms, later.subscription.terms) == ((), PREMIUM, BASIC)
    kept = steps.change(life.course, PREMIUM, START, at_once=False)
    assert (kept.consequences, kept.subscription.next_terms) == ((), PREMIUM)


def test_a_change_is_refused_while_money_is_awaited_and_for_the_plan_that_one_has() -> None:
    life = paid_for()
    charging = steps.change(life.course, PREMIUM, START, at_once=True)
    for course in (charging, owing().course, Life().course):
        with pytest.raises(WrongState) as refused:
            steps.change(course, MINI, START, at_once=True)
        assert refused.value.params["state"] == course.status.value
    with pytest.raises(WrongState) as same:
        steps.change(life.course, BASIC, START, at_once=True)
    assert (same.value.params["state"], same.value.params["expected"]) == ("basic", "another plan")
    trial = Life(trial_days=14)
    trial.use_method()
    assert steps.change(trial.course, PREMIUM, START, at_once=False).subscription.terms == PREMIUM


def test_an_upgrade_that_is_declined_is_told_and_its_period_is_void() -> None:
    life = paid_for()
    life.took_step(steps.change(life.course, PREMIUM, START, at_once=True))
    back = declined(life)
    assert [period.status for period in back.periods] == [PeriodStatus.VOID]
    assert (told(back.consequences), back.status, back.awaited) == ([(CHANGE_DECLINED, None)], S.ACTIVE, None)


def test_money_is_counted_once_and_what_came_for_a_void_period_goes_back() -> None:
    life = paid_for()
    payment_id = life.current.payment_id
    assert payment_id is not None
    assert steps.paid(life.course, life.current, payment_id, START) is life.course
    other = new_id()
    assert steps.paid(life.course, life.current, other, START).consequences == (GiveBack(other),)


def test_each_try_is_a_payment_of_its_own_for_the_same_period() -> None:
    life = owing()
    life.now += DAY
    course = steps.due(life.course, POLICY, life.now)
    (charge,) = (each for each in course.consequences if isinstance(each, Charge))
    assert course.subscription.retries == 1
    assert (charge.period.number, len(charge.period.tries), charge.period.tries[-1]) == (2, 2, charge.payment_id)


def test_what_nobody_cancelled_is_not_resumed_nor_what_is_over() -> None:
    life = paid_for()
    over = steps.cancel(life.course, START, at_period_end=False)
    for course in (life.course, over, over.changed(START, cancel_at_period_end=True)):
        with pytest.raises(WrongState):
            steps.resume(course, START)
    for wish in (lambda: steps.cancel(over, START, at_period_end=True), lambda: steps.use_method(over, new_id(), START)):
        with pytest.raises(WrongState):
            wish()
