"""Whatever happens to a payment plan in whatever order: nobody pays twice, nothing is forgotten, and no month is missed."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from madang.core.billing.model import Payment, PaymentStatus
from madang.core.billing.payment_plans import model as plans
from madang.core.billing.payment_plans.calendar import PlanCalendar
from madang.core.billing.payment_plans.model import Installment, InstallmentKind, InstallmentStatus, PaymentPlan, Verdict
from madang.core.billing.payment_plans.topics import PURPOSE, named_by, subject_of
from madang.core.kernel.ids import new_id
from madang.ports.money import Money

SEOUL = ZoneInfo("Asia/Seoul")
CALENDAR = PlanCalendar(SEOUL)
BEGINNING = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
AMOUNTS = st.integers(1, 10**9)


class Planned(RuleBasedStateMachine):
    """A client with any number of open windows, a bank that reports late and twice, staff that changes its mind."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGINNING
        self.payments: list[Payment] = []
        self.given_back: set[object] = set()
        self.reminders: Counter[tuple[int, int]] = Counter()

    @initialize(amounts=st.lists(AMOUNTS, min_size=1, max_size=4), gaps=st.lists(st.integers(0, 40), min_size=4, max_size=4))
    def make(self, amounts: list[int], gaps: list[int]) -> None:
        day, parts = CALENDAR.today(self.now), []
        for number, (amount, gap) in enumerate(zip(amounts, gaps, strict=False), 1):
            day += timedelta(days=gap)
            parts.append(plans.planned(number, InstallmentKind.MILESTONE, "p", amount, day, CALENDAR, self.now))
        self.plan = PaymentPlan(new_id(), new_id(), new_id(), "KRW", tuple(parts), self.now, self.now, monthly_fee=99_000)

    def any_installment(self, data: st.DataObject) -> Installment:
        return data.draw(st.sampled_from(list(self.plan.installments)))

    @rule(data=st.data())
    def open_a_window(self, data: st.DataObject) -> None:
        """Also a second one: an earlier one may have been given up for expired."""
        chosen = self.any_installment(data)
        if not chosen.is_owed:
            return
        id_, subject, amount = new_id(), subject_of(self.plan.id, chosen.number), self.plan.money(chosen)
        until = self.now + timedelta(hours=24)
        self.payments.append(
            Payment(id_, PURPOSE, subject, amount, "bank", PaymentStatus.PENDING, self.now, self.now, until)
        )  # fmt: skip
        self.plan = self.plan.with_installment(replace(chosen, payment_id=id_), self.now)

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), status=st.sampled_from([PaymentStatus.PAID, PaymentStatus.DISPUTED, PaymentStatus.REFUNDED]))
    def the_bank_tells(self, data: st.DataObject, status: PaymentStatus) -> None:
        place = data.draw(st.integers(0, len(self.payments) - 1))
        payment = self.payments[place]
        if payment.status is PaymentStatus.REFUNDED:
            return
        payment = replace(payment, status=status, paid_at=self.now)
        self.payments[place] = payment
        self.hear(payment)

    @precondition(lambda self: self.payments)
    @rule(data=st.data())
    def a_message_comes_again(self, data: st.DataObject) -> None:
        self.hear(data.draw(st.sampled_from(self.payments)))

    def hear(self, payment: Payment) -> None:
        _, number = named_by(payment.subject)
        self.plan, verdict = plans.settled_by(self.plan, number, payment, self.now)
        again, once_more = plans.settled_by(self.plan, number, payment, self.now)
        assert (again, once_more) == (self.plan, verdict if verdict is Verdict.EXTRA else Verdict.NOTHING)
        if verdict is Verdict.EXTRA:
            self.given_back.add(payment.id)

    @rule(data=st.data(), amount=AMOUNTS)
    def staff_changes_an_amount(self, data: st.DataObject, amount: int) -> None:
        chosen = self.any_installment(data)
        if chosen.is_owed:
            self.plan = self.plan.with_installment(replace(chosen, amount=amount, payment_id=None), self.now)

    @rule(data=st.data(), days=st.integers(0, 60))
    def staff_changes_a_day(self, data: st.DataObject, days: int) -> None:
        chosen = self.any_installment(data)
        if chosen.status is not InstallmentStatus.PAID:
            day = CALENDAR.today(self.now) + timedelta(days=days)
            self.plan = self.plan.with_installment(plans.rescheduled(chosen, day, CALENDAR, self.now), self.now)
            for reminder_day in CALENDAR.reminder_days:
                del self.reminders[chosen.number, reminder_day]

    @rule()
    def launch(self) -> None:
        if self.plan.fee_anchor is None:
            self.plan = plans.launched(self.plan, CALENDAR.today(self.now), CALENDAR, self.now)

    @rule(hours=st.integers(1, 24 * 50))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.plan = plans.marked_overdue(plans.with_due_fees(self.plan, CALENDAR, self.now), self.now)
        self.plan, due = plans.reminded(self.plan, CALENDAR, self.now)
        for installment, day in due:
            assert installment.is_owed
            self.reminders[installment.number, day] += 1
        for each in self.plan.installments:
            assert not (each.status is InstallmentStatus.PENDING and each.overdue_at <= self.now)
            assert each.reminder is None or each.reminder.at > self.now

    @invariant()
    def nobody_pays_twice_and_nothing_else_than_the_amount(self) -> None:
        if not hasattr(self, "plan"):
            return
        known = {payment.id: payment for payment in self.payments}
        keeping = [each.payment_id for each in self.plan.installments if each.status is InstallmentStatus.PAID]
        assert len(set(keeping)) == len(keeping)
        for each in self.plan.installments:
            if each.status is InstallmentStatus.PAID:
                assert each.payment_id is not None
                assert known[each.payment_id].amount == self.plan.money(each)
                assert each.payment_id not in self.given_back
        arrived = {payment.id for payment in self.payments if payment.status is PaymentStatus.PAID}
        assert arrived <= {*keeping, *self.given_back}

    @invariant()
    def each_reminder_of_a_day_is_sent_once(self) -> None:
        assert set(self.reminders.values()) <= {1}

    @invariant()
    def months_follow_the_anchor_one_by_one(self) -> None:
        if not hasattr(self, "plan") or self.plan.fee_anchor is None:
            return
        months = [each for each in self.plan.installments if each.kind is InstallmentKind.MONTHLY]
        wanted = [f"{CALENDAR.fee_day(self.plan.fee_anchor, number):%Y-%m}" for number in range(len(months))]
        assert [each.phase for each in months] == wanted
        assert [each.number for each in self.plan.installments] == list(range(1, len(self.plan.installments) + 1))

    @invariant()
    def the_status_is_that_of_the_projects_instalments(self) -> None:
        if hasattr(self, "plan"):
            paid = sum(each.status is InstallmentStatus.PAID for each in self.plan.milestones)
            named = {0: "pending", len(self.plan.milestones): "completed"}.get(paid, "partial")
            assert self.plan.status.value == named


TestAnyPaymentPlan = Planned.TestCase
TestAnyPaymentPlan.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

DAYS = st.dates(date(2024, 1, 1), date(2030, 12, 31))
ZONES = st.sampled_from([SEOUL, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("UTC")])


@given(day=DAYS, zone=ZONES, months=st.integers(0, 60))
def test_a_month_is_due_on_the_anchors_day_or_the_months_last(day: date, zone: ZoneInfo, months: int) -> None:
    found = PlanCalendar(zone).fee_day(day, months)
    assert (found.year * 12 + found.month) - (day.year * 12 + day.month) == months
    assert found.day == day.day or (found.day < day.day and (found + timedelta(days=1)).day == 1)


@given(day=DAYS, zone=ZONES)
def test_a_day_ends_where_the_zones_next_one_begins(day: date, zone: ZoneInfo) -> None:
    end = PlanCalendar(zone).end_of(day)
    assert end.astimezone(zone).date() == day + timedelta(days=1)
    assert (end - timedelta(seconds=1)).astimezone(zone).date() == day


def test_of_several_reminders_that_were_missed_the_last_one_is_sent_alone() -> None:
    part = plans.planned(1, InstallmentKind.MILESTONE, "p", 100, date(2026, 1, 20), CALENDAR, BEGINNING)
    plan = PaymentPlan(new_id(), new_id(), new_id(), "KRW", (part,), BEGINNING, BEGINNING)
    plan, due = plans.reminded(plan, CALENDAR, datetime(2026, 1, 24, tzinfo=UTC))
    assert [day for _, day in due] == [3]
    assert plan.installments[0].reminder is not None
    assert plan.installments[0].reminder.day == 7
    plan, due = plans.reminded(plan, CALENDAR, datetime(2026, 3, 1, tzinfo=UTC))
    assert [day for _, day in due] == [7]
    assert plan.installments[0].reminder is None


def test_another_currency_or_amount_is_not_the_instalments() -> None:
    part = plans.planned(1, InstallmentKind.MILESTONE, "p", 100, date(2026, 1, 20), CALENDAR, BEGINNING)
    plan = PaymentPlan(new_id(), new_id(), new_id(), "KRW", (part,), BEGINNING, BEGINNING)
    for amount in (Money(100, "USD"), Money(99, "KRW")):
        paid = Payment(
            new_id(), PURPOSE, subject_of(plan.id, 1), amount, "bank", PaymentStatus.PAID, BEGINNING, BEGINNING, BEGINNING
        )
        assert plans.settled_by(plan, 1, paid, BEGINNING) == (plan, Verdict.EXTRA)
