"""Whatever happens to a subscription in whatever order: nobody pays twice for a period, and over is over."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from madang.core.billing.subscriptions import stored_method_steps as steps
from madang.core.billing.subscriptions.course import Course
from madang.core.billing.subscriptions.model import (
    AWAITED,
    BEGUN,
    PeriodStatus,
    Terms,
)
from madang.core.kernel.errors import WrongState
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from unit.billing.subscription_in_memory import BASIC, PREMIUM, Life


class Subscribed(RuleBasedStateMachine):
    """Everything that can happen, in any order, told any number of times."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()
        self.over: Course | None = None

    @initialize(trial=st.booleans())
    def subscribe(self, trial: bool) -> None:
        self.life = Life(trial_days=7 if trial else 0)
        self.life.use_method()

    def attempt(self, step: object) -> None:
        """A step that the state does not allow changes nothing."""
        try:
            self.life.took_step(step())  # type: ignore[operator]
        except WrongState:
            return

    @rule()
    def bring_a_method(self) -> None:
        self.attempt(lambda: steps.use_method(self.life.course, new_id(), self.life.now))

    @precondition(lambda self: self.life.asked)
    @rule(data=st.data(), paid=st.sampled_from([True, True, False]), twice=st.booleans())
    def the_bank_answers(self, data: st.DataObject, paid: bool, twice: bool) -> None:
        payment_id = data.draw(st.sampled_from(self.life.asked))
        self.life.asked.remove(payment_id)
        if not paid:
            self.life.declined.append(payment_id)
        for _ in range(1 + twice):
            self.life.answer(payment_id, paid=paid)

    @precondition(lambda self: self.life.declined)
    @rule(data=st.data())
    def the_bank_was_wrong(self, data: st.DataObject) -> None:
        payment_id = data.draw(st.sampled_from(self.life.declined))
        self.life.declined.remove(payment_id)
        self.life.answer(payment_id, paid=True)

    @precondition(lambda self: self.life.declined)
    @rule(data=st.data())
    def the_bank_declines_again_what_it_declined_before(self, data: st.DataObject) -> None:
        self.life.answer(data.draw(st.sampled_from(self.life.declined)), paid=False)

    @precondition(lambda self: self.life.took)
    @rule(data=st.data())
    def the_bank_says_it_again(self, data: st.DataObject) -> None:
        self.life.answer(data.draw(st.sampled_from(sorted(self.life.took))), paid=True)

    @rule(hours=st.sampled_from([1, 30, 24 * 8, 24 * 31, 24 * 100]), sweeps=st.integers(0, 2))
    def time_passes(self, hours: int, sweeps: int) -> None:
        self.life.now += timedelta(hours=hours)
        for _ in range(sweeps):
            self.life.sweep()

    @precondition(lambda self: self.life.course.subscription.due_at is not None)
    @rule()
    def what_is_due_is_done(self) -> None:
        self.life.until_due()

    @rule(terms=st.sampled_from([BASIC, PREMIUM, Terms("mini", Money(7_777, "KRW"), 10)]), at_once=st.booleans())
    def change(self, terms: Terms, at_once: bool) -> None:
        self.attempt(lambda: steps.change(self.life.course, terms, self.life.now, at_once=at_once))

    @precondition(lambda self: self.life.began)
    @rule(at_period_end=st.sampled_from([True] * 5 + [False]))
    def cancel(self, at_period_end: bool) -> None:
        self.attempt(lambda: steps.cancel(self.life.course, self.life.now, at_period_end=at_period_end))

    @rule()
    def resume(self) -> None:
        self.attempt(lambda: steps.resume(self.life.course, self.life.now))

    @invariant()
    def nobody_pays_twice_for_a_period(self) -> None:
        kept = Counter(self.life.charged[payment] for payment in self.life.took if payment not in self.life.gave_back)
        assert all(times == 1 for times in kept.values())

    @invariant()
    def no_period_is_charged_again_before_the_bank_has_answered(self) -> None:
        assert all(times == 1 for times in Counter(self.life.charged[payment] for payment in self.life.asked).values())

    @invariant()
    def what_was_charged_is_what_the_periods_cost(self) -> None:
        kept = sum(money.amount for payment, money in self.life.took.items() if payment not in self.life.gave_back)
        paid = [period for period in self.life.periods.values() if period.status is PeriodStatus.PAID]
        assert kept == sum(period.amount.amount for period in paid)
        assert all(period.payment_id in self.life.took for period in paid)

    @invariant()
    def nothing_is_charged_beyond_the_price(self) -> None:
        assert all(0 <= period.amount.amount <= period.terms.price.amount for period in self.life.periods.values())

    @invariant()
    def every_period_that_began_was_announced_once(self) -> None:
        began = {period.number for period in self.life.periods.values() if period.status in BEGUN}
        assert self.life.began == dict.fromkeys(began, 1)

    @invariant()
    def periods_do_not_overlap(self) -> None:
        began = sorted((one for one in self.life.periods.values() if one.status in BEGUN), key=lambda one: one.number)
        assert all(one.ends_at <= other.starts_at for one, other in pairwise(began))

    @invariant()
    def one_payment_is_awaited_at_most(self) -> None:
        awaited = [period for period in self.life.periods.values() if period.status in AWAITED]
        assert len(awaited) <= 1
        assert (self.life.course.awaited in awaited) if awaited else self.life.course.awaited is None

    @invariant()
    def what_lives_has_something_due_and_what_is_over_stays_over(self) -> None:
        subscription = self.life.course.subscription
        assert (subscription.due_at is None) == subscription.is_over == (subscription.ended_at is not None)
        if self.over is not None:
            assert self.life.course == self.over
        elif subscription.is_over:
            self.over = self.life.course


Subscribed.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnySubscription = Subscribed.TestCase
