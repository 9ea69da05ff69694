"""A subscription that we charge ourselves: whatever happens in whatever order, nobody pays twice, and over is over."""

from datetime import timedelta

import pytest

from madang.core.billing.subscriptions import stored_method_steps as steps
from madang.core.billing.subscriptions.dunning import DunningPolicy
from madang.core.billing.subscriptions.model import (
    PERIOD_TRANSITIONS,
    SUBSCRIPTION_TRANSITIONS,
    PeriodKind,
    PeriodStatus,
    Terms,
)
from madang.core.kernel.errors import WrongState
from madang.ports.money import Money
from unit.billing.subscription_in_memory import BASIC, PREMIUM, START, Life, S, paid_for


def test_the_first_payment_begins_the_first_period() -> None:
    life = Life()
    life.use_method()
    assert life.status is S.INCOMPLETE
    life.pay()
    assert (life.status, life.current.starts_at, life.current.amount) == (S.ACTIVE, START, BASIC.price)
    assert life.began == {1: 1}


def test_a_trial_costs_nothing_and_is_followed_by_the_first_charge() -> None:
    life = Life(trial_days=14)
    life.use_method()
    assert (life.status, life.asked, life.current.kind) == (S.TRIALING, [], PeriodKind.TRIAL)
    life.let_pass(days=10)
    assert life.told == []
    life.let_pass(days=1)
    life.let_pass(days=1)
    assert (life.told, life.asked) == (["billing.trial_ending"], [])
    life.until_due()
    life.pay()
    assert (life.status, life.current.number) == (S.ACTIVE, 2)
    assert life.current.starts_at == START + timedelta(days=14)


def test_renewals_keep_the_day_of_the_anchor_over_a_year() -> None:
    life = paid_for()
    for _ in range(12):
        life.until_due()
        life.pay()
    seoul = life.course.subscription.calendar.zone
    days = [f"{period.starts_at.astimezone(seoul):%m-%d}" for period in life.periods.values()]
    assert days[:5] == ["01-31", "02-28", "03-31", "04-30", "05-31"]
    assert sum(money.amount for money in life.took.values()) == 13 * 30_000


def test_a_declined_renewal_is_tried_on_the_days_of_the_policy_then_suspended_then_ended() -> None:
    life = paid_for()
    life.until_due()
    over = life.now
    tried = []
    while life.asked:
        life.decline()
        tried.append((life.now - over).days)
        life.until_due()
    assert tried == [0, 1, 3, 5, 7]
    assert (life.status, (life.now - over).days) == (S.SUSPENDED, 10)
    life.until_due()
    assert (life.status, (life.now - over).days) == (S.ENDED, 24)
    assert life.told == ["billing.payment_failed"] * 5 + ["billing.subscription_suspended", "billing.subscription_ended"]
    assert life.began == {1: 1}


@pytest.mark.parametrize("retries", [1, 5])
def test_a_new_means_of_payment_ends_the_dunning_at_once(retries: int) -> None:
    life = paid_for()
    life.until_due()
    for _ in range(retries):
        if life.asked:
            life.decline()
        life.until_due()
    if life.asked:
        life.decline()
    assert life.status in (S.PAST_DUE, S.SUSPENDED)
    life.use_method()
    life.pay()
    subscription = life.course.subscription
    assert (life.status, subscription.past_due_since, subscription.retries) == (S.ACTIVE, None, 0)
    assert subscription.due_at == life.current.ends_at


def test_an_upgrade_is_charged_for_the_rest_of_the_period_and_the_new_price_from_the_next_on() -> None:
    life = paid_for()
    half = START + (life.current.ends_at - START) / 2
    life.now = half
    life.took_step(steps.change(life.course, PREMIUM, half, at_once=True))
    assert life.course.subscription.terms == BASIC
    life.pay()
    assert (life.current.kind, life.current.amount, life.current.starts_at) == (PeriodKind.CHANGE, Money(10_000, "KRW"), half)
    assert life.course.subscription.terms == PREMIUM
    assert life.credits[2] == PREMIUM.credits
    life.until_due()
    life.pay()
    assert life.current.amount == PREMIUM.price


def test_an_upgrade_that_is_declined_changes_nothing() -> None:
    life = paid_for()
    ends_at = life.current.ends_at
    life.let_pass(days=3)
    life.took_step(steps.change(life.course, PREMIUM, life.now, at_once=True))
    life.decline()
    assert (life.status, life.course.subscription.terms, life.current.ends_at) == (S.ACTIVE, BASIC, ends_at)
    assert life.told == ["billing.plan_change_failed"]
    assert life.course.subscription.due_at == ends_at


def test_a_downgrade_waits_for_the_end_of_the_period_and_can_be_taken_back() -> None:
    life = paid_for()
    cheap = Terms("mini", Money(10_000, "KRW"))
    life.took_step(steps.change(life.course, cheap, life.now, at_once=False))
    life.took_step(steps.change(life.course, BASIC, life.now, at_once=False))
    assert life.course.subscription.next_terms is None
    life.took_step(steps.change(life.course, cheap, life.now, at_once=False))
    life.until_due()
    life.pay()
    assert (life.current.amount, life.course.subscription.terms) == (cheap.price, cheap)


def test_a_change_in_a_trial_is_free_and_holds_from_its_end_on() -> None:
    life = Life(trial_days=14)
    life.use_method()
    life.took_step(steps.change(life.course, PREMIUM, life.now, at_once=True))
    assert life.asked == []
    life.let_pass(days=14)
    life.pay()
    assert life.current.amount == PREMIUM.price


def test_a_cancellation_at_the_end_lets_the_period_run_and_asks_for_nothing_more() -> None:
    life = paid_for()
    life.took_step(steps.cancel(life.course, life.now, at_period_end=True))
    life.let_pass(days=10)
    assert life.status is S.ACTIVE
    ends_at = life.current.ends_at
    life.until_due()
    assert (life.status, life.course.subscription.ended_at, life.asked) == (S.CANCELLED, ends_at, [])


def test_a_resumed_one_renews_as_if_nothing_had_been() -> None:
    life = paid_for()
    life.took_step(steps.cancel(life.course, life.now, at_period_end=True))
    life.took_step(steps.resume(life.course, life.now))
    life.until_due()
    life.pay()
    assert (life.status, life.current.number) == (S.ACTIVE, 2)
    with pytest.raises(WrongState):
        steps.resume(life.course, life.now)


def test_money_that_comes_after_the_cancellation_goes_back() -> None:
    life = paid_for()
    life.until_due()
    late = life.asked[0]
    life.took_step(steps.cancel(life.course, life.now, at_period_end=False))
    life.pay()
    assert (life.status, life.gave_back, life.began) == (S.CANCELLED, {late}, {1: 1})


def test_a_refusal_that_was_wrong_does_not_have_a_period_paid_twice() -> None:
    """The first try was declined, and then it was not; the second one has arrived meanwhile."""
    life = paid_for()
    life.until_due()
    life.decline()
    life.until_due()
    life.pay()
    life.answer(life.declined[0], paid=True)
    assert life.gave_back == {life.declined[0]}


def test_an_old_refusal_that_is_told_again_does_not_end_the_try_that_is_under_way() -> None:
    life = paid_for()
    life.until_due()
    life.decline()
    life.use_method()
    under_way = life.course
    life.answer(life.declined[0], paid=False)
    assert (life.course, len(life.asked)) == (under_way, 1)


def test_who_was_away_for_months_is_charged_for_the_month_that_is_now_and_no_other() -> None:
    life = paid_for()
    life.let_pass(days=100)
    assert len(life.asked) == 1
    life.pay()
    assert life.current.starts_at <= life.now < life.current.ends_at


def test_one_that_never_begins_is_over_after_a_day() -> None:
    life = Life()
    life.until_due()
    assert (life.status, life.course.subscription.end_reason) == (S.ENDED, "never_begun")
    with pytest.raises(WrongState):
        life.use_method()


def test_a_first_payment_that_is_declined_may_be_tried_with_another_means() -> None:
    life = Life()
    life.use_method()
    life.decline()
    assert life.status is S.INCOMPLETE
    life.use_method()
    life.pay()
    assert (life.status, life.current.number) == (S.ACTIVE, 2)


def test_over_is_final_in_the_tables() -> None:
    assert SUBSCRIPTION_TRANSITIONS[S.CANCELLED] == SUBSCRIPTION_TRANSITIONS[S.ENDED] == frozenset()
    assert set(SUBSCRIPTION_TRANSITIONS) == set(S)
    assert set(PERIOD_TRANSITIONS) == set(PeriodStatus)


@pytest.mark.parametrize("days", [(3, 1), (0, 1), (1, 1)])
def test_days_of_dunning_go_forward(days: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="whole"):
        DunningPolicy(retries=days)
