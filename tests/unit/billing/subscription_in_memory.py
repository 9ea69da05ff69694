"""A subscription with all its periods, the time, and a bank that answers when it is asked to: all in memory."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from madang.core.billing.subscriptions import stored_method_steps as steps
from madang.core.billing.subscriptions.course import Began, Charge, Course, GiveBack, Tell
from madang.core.billing.subscriptions.dunning import DunningPolicy
from madang.core.billing.subscriptions.model import Period, Subscription, SubscriptionKind, SubscriptionStatus, Terms
from madang.core.kernel.ids import new_id
from madang.ports.money import Money

START = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
POLICY = DunningPolicy()
BASIC = Terms("basic", Money(30_000, "KRW"), 100)
PREMIUM = Terms("premium", Money(50_000, "KRW"), 500)
S = SubscriptionStatus


def begun(trial_days: int = 0) -> Subscription:
    return Subscription(
        id=new_id(),
        user_id=new_id(),
        product="hosting",
        kind=SubscriptionKind.STORED_METHOD,
        provider="bank",
        status=S.INCOMPLETE,
        terms=BASIC,
        interval_months=1,
        anchor=START,
        zone="Asia/Seoul",
        created_at=START,
        updated_at=START,
        due_at=START + steps.BEGUN_WITHIN,
        trial_days=trial_days,
    )


class Life:
    """A subscription with all its periods, the time, and a bank that answers when it is asked to."""

    def __init__(self, trial_days: int = 0) -> None:
        self.now = START
        self.course = Course(begun(trial_days))
        self.periods: dict[UUID, Period] = {}
        self.charged: dict[UUID, UUID] = {}
        self.asked: list[UUID] = []
        self.declined: list[UUID] = []
        self.took: dict[UUID, Money] = {}
        self.gave_back: set[UUID] = set()
        self.began: Counter[int] = Counter()
        self.credits: dict[int, int] = {}
        self.told: list[str] = []

    @property
    def status(self) -> SubscriptionStatus:
        return self.course.status

    @property
    def current(self) -> Period:
        assert self.course.current is not None
        return self.course.current

    def took_step(self, course: Course) -> None:
        self.periods.update({period.id: period for period in course.periods})
        for consequence in course.consequences:
            match consequence:
                case Charge(period, payment_id):
                    self.charged[payment_id] = period.id
                    self.asked.append(payment_id)
                case Began(period):
                    self.began[period.number] += 1
                    self.credits[period.number] = period.terms.credits
                case Tell(kind):
                    self.told.append(kind)
                case GiveBack(payment_id):
                    self.gave_back.add(payment_id)
        self.course = replace(course, periods=(), consequences=())

    def use_method(self) -> None:
        self.took_step(steps.use_method(self.course, new_id(), self.now))

    def answer(self, payment_id: UUID, *, paid: bool) -> None:
        """The bank's word about one payment; it may be said again, and a refusal may turn out to have been wrong."""
        period = self.periods[self.charged[payment_id]]
        if paid:
            self.took[payment_id] = period.amount
            self.took_step(steps.paid(self.course, period, payment_id, self.now))
        else:
            self.took_step(steps.declined(self.course, period, payment_id, POLICY, self.now))

    def pay(self) -> None:
        self.answer(self.asked.pop(0), paid=True)

    def decline(self) -> None:
        self.declined.append(self.asked.pop(0))
        self.answer(self.declined[-1], paid=False)

    def sweep(self) -> None:
        self.took_step(steps.due(self.course, POLICY, self.now))

    def let_pass(self, **time: float) -> None:
        self.now += timedelta(**time)
        self.sweep()

    def until_due(self) -> None:
        assert self.course.subscription.due_at is not None
        self.now = max(self.now, self.course.subscription.due_at)
        self.sweep()


def paid_for() -> Life:
    life = Life()
    life.use_method()
    life.pay()
    return life
