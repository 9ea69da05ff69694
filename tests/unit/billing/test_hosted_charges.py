"""A charge of a hosted subscription counts for the period that its provider says, in whatever order we hear of charges."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.core.billing.subscriptions import hosted_charges
from madang.core.billing.subscriptions import hosted_steps as steps
from madang.core.billing.subscriptions.course import Consequence, Course, GiveBack
from madang.core.billing.subscriptions.hosted_charges import Charged, NotYet, Unbelieved
from madang.core.billing.subscriptions.hosted_steps import Hosting
from madang.core.billing.subscriptions.model import AWAITED, BEGUN, Period, PeriodStatus, SubscriptionKind, SubscriptionStatus
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from madang.ports.payment import ChargedFor, ChargeReason, RemoteSubscriptionStatus, SubscriptionSnapshot
from unit.billing.subscription_in_memory import BASIC, PREMIUM, START, begun

KEEPS = Hosting(cancels=True)
MONTH = timedelta(days=30)
PERIOD, CHANGE = ChargeReason.PERIOD, ChargeReason.CHANGE


def told(month: int, status: RemoteSubscriptionStatus = RemoteSubscriptionStatus.ACTIVE) -> SubscriptionSnapshot:
    return SubscriptionSnapshot("sub_1", status, "price_1", START + month * MONTH, START + (month + 1) * MONTH)


def of_month(month: int, amount: Money = BASIC.price, paid_at: datetime | None = None) -> Charged:
    begins = START + month * MONTH
    return Charged(new_id(), amount, ChargedFor(PERIOD, begins, begins + MONTH), paid_at or begins)


@dataclass
class Kept:
    """A subscription as its rows are, one step after the other."""

    course: Course
    rows: dict[UUID, Period]
    followed: list[Consequence]

    @classmethod
    def new(cls) -> "Kept":
        return cls(Course(replace(begun(), kind=SubscriptionKind.HOSTED, reference="sub_1")), {}, [])

    def took(self, course: Course) -> None:
        self.rows |= {period.id: period for period in course.periods}
        self.followed += course.consequences
        awaited = [period for period in self.rows.values() if period.status in AWAITED]
        assert len(awaited) <= 1
        in_time = sorted(self.rows.values(), key=lambda period: (period.starts_at, period.number))
        begun_ones = [period for period in in_time if period.status in BEGUN]
        last = max((period.number for period in in_time), default=0)
        current, waiting = begun_ones[-1] if begun_ones else None, awaited[0] if awaited else None
        self.course = Course(course.subscription, current, waiting, last)

    def follow(self, snapshot: SubscriptionSnapshot, now: datetime) -> None:
        self.took(steps.follow(self.course, snapshot, KEEPS, now))

    def charged(self, charge: Charged, now: datetime) -> None:
        """And it is paid."""
        self.took(hosted_charges.charged(self.course, charge, list(self.rows.values()), now))
        tried = next((period for period in self.rows.values() if charge.payment_id in period.tries), None)
        self.took(steps.paid(self.course, tried, charge, KEEPS, now))

    def months(self) -> dict[int, tuple[PeriodStatus, UUID | None]]:
        return {(one.starts_at - START) // MONTH: (one.status, one.payment_id) for one in self.rows.values()}

    @property
    def given_back(self) -> list[UUID]:
        return [each.payment_id for each in self.followed if isinstance(each, GiveBack)]


def test_an_old_invoice_that_is_paid_late_counts_for_its_own_period() -> None:
    kept, now = Kept.new(), START + 2 * MONTH
    kept.follow(told(0), START)
    kept.charged(first := of_month(0), START)
    kept.follow(told(1, RemoteSubscriptionStatus.PAST_DUE), START + MONTH)
    kept.follow(told(2, RemoteSubscriptionStatus.PAST_DUE), now)
    kept.charged(late := of_month(1, paid_at=now), now)
    assert kept.months() == {
        0: (PeriodStatus.PAID, first.payment_id), 1: (PeriodStatus.PAID, late.payment_id), 2: (PeriodStatus.DUE, None)
    }  # fmt: skip
    assert kept.course.status is SubscriptionStatus.PAST_DUE
    kept.charged(of_month(2), now)
    assert (kept.course.status, kept.given_back) == (SubscriptionStatus.ACTIVE, [])


def test_a_renewal_settles_no_change_and_a_change_pays_no_renewal() -> None:
    kept, half = Kept.new(), START + MONTH / 2
    kept.follow(told(0), START)
    kept.charged(of_month(0), START)
    kept.took(steps.changed(kept.course, PREMIUM, half, prorated=True))
    with pytest.raises(NotYet):
        kept.charged(of_month(1, PREMIUM.price), half)
    kept.follow(told(1), START + MONTH)
    kept.charged(renewal := of_month(1, PREMIUM.price), START + MONTH)
    price_of_change = Charged(new_id(), Money(10_000, "KRW"), ChargedFor(CHANGE, half, START + MONTH), half)
    kept.charged(price_of_change, START + MONTH)
    paid = {period.payment_id: (period.kind, period.amount) for period in kept.rows.values() if period.payment_id is not None}
    assert paid[renewal.payment_id] == ("regular", PREMIUM.price)
    assert paid[price_of_change.payment_id] == ("change", Money(10_000, "KRW"))
    assert kept.course.current is not None
    assert kept.course.current.payment_id == renewal.payment_id
    with pytest.raises(Unbelieved):
        kept.charged(replace(price_of_change, payment_id=new_id()), START + MONTH)


def test_of_two_changes_each_is_settled_by_its_own_charge() -> None:
    kept = Kept.new()
    kept.follow(told(0), START)
    kept.charged(of_month(0), START)
    moments = START + MONTH / 3, START + MONTH / 2
    kept.took(steps.changed(kept.course, PREMIUM, moments[0], prorated=True))
    kept.took(steps.changed(kept.course, BASIC, moments[1], prorated=True))
    charges = [Charged(new_id(), Money(number, "KRW"), ChargedFor(CHANGE, at), at) for number, at in enumerate(moments, 1)]
    for charge in reversed(charges):
        kept.charged(charge, moments[1])
    assert [next(one for one in kept.rows.values() if one.payment_id == each.payment_id).starts_at for each in charges] == [
        *moments
    ]


@pytest.mark.parametrize("month", [0, 1])
def test_a_second_charge_for_a_paid_period_goes_back_whenever_it_comes(month: int) -> None:
    kept, now = Kept.new(), START + 2 * MONTH
    for number in (0, 1):
        kept.follow(told(number), START + number * MONTH)
        kept.charged(of_month(number), START + number * MONTH)
    kept.charged(twice := of_month(month), now)
    assert kept.given_back == [twice.payment_id]
    kept.follow(told(2), now)
    with pytest.raises(Unbelieved):
        kept.charged(of_month(2, Money(29_999, "KRW")), now)
    with pytest.raises(NotYet):
        kept.charged(of_month(3), now)


@pytest.mark.parametrize(("paid", "counts"), [(MONTH * 1.1, True), (MONTH * 1.3, False)])
def test_what_was_paid_before_the_end_counts_and_what_was_paid_after_it_goes_back(paid: timedelta, counts: bool) -> None:
    kept, end = Kept.new(), START + MONTH * 1.2
    kept.follow(told(0), START)
    kept.charged(of_month(0), START)
    kept.follow(told(1), START + MONTH)
    kept.took(steps.cancel(kept.course, KEEPS, end, at_period_end=False))
    kept.charged(late := of_month(1, paid_at=START + paid), START + MONTH * 2)
    assert kept.months()[1] == ((PeriodStatus.PAID, late.payment_id) if counts else (PeriodStatus.VOID, None))
    assert kept.given_back == ([] if counts else [late.payment_id])
    kept.charged(after := of_month(2), START + MONTH * 2)
    assert kept.given_back[-1] == after.payment_id


def test_a_renewal_that_is_heard_of_after_the_end_counts_where_it_was_before_it() -> None:
    kept, end = Kept.new(), START + MONTH * 2.2
    kept.follow(told(0), START)
    kept.charged(of_month(0), START)
    kept.follow(replace(told(2, RemoteSubscriptionStatus.CANCELLED), ended_at=end), end)
    for month in (2, 1):
        kept.charged(charge := of_month(month), end)
        assert kept.months()[month] == (PeriodStatus.PAID, charge.payment_id)
    assert (kept.course.status, kept.given_back) == (SubscriptionStatus.CANCELLED, [])


months = st.integers(0, 4)


@settings(max_examples=150)
@given(st.permutations(range(5)), st.lists(months, max_size=3))
def test_in_whatever_order_charges_are_heard_of_each_pays_its_own_period(order: list[int], again: list[int]) -> None:
    """The provider is in the fifth month before the first word of it comes."""
    charges = [of_month(month) for month in range(5)]
    kept, now = Kept.new(), START + 4 * MONTH
    kept.follow(told(4), now)
    for month in [*order, *again]:
        if kept.months().get(month, (None, None))[1] is None:
            kept.charged(charges[month], now)
        kept.follow(told(4), now)
    assert kept.months() == {month: (PeriodStatus.PAID, charge.payment_id) for month, charge in enumerate(charges)}
    assert kept.course.current is not None
    assert kept.course.current.payment_id == charges[4].payment_id
    assert (kept.course.status, kept.given_back) == (SubscriptionStatus.ACTIVE, [])
    in_time = sorted(kept.rows.values(), key=lambda period: period.starts_at)
    assert all(one.ends_at == other.starts_at for one, other in pairwise(in_time))
