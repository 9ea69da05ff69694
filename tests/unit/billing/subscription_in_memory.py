"""A subscription with all its periods, the time, and a bank that answers when it is asked to: all in memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from madang.core.billing.subscriptions import stored_method_steps as steps
from madang.core.billing.subscriptions.course import Began, Charge, Course, GiveBack, Tell
from madang.core.billing.subscriptions.dunning import DunningPolicy
from madang.core.billing.subscriptions.model import (
    AWAITED,
    BEGUN,
    PaymentMethod,
    Period,
    Subscription,
    SubscriptionKind,
    SubscriptionStatus,
    Terms,
)
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


class SubscriptionRows:
    """`locked` are those that somebody held, `waited` whether they waited for it."""

    def __init__(self, *subscriptions: Subscription) -> None:
        self.rows = {each.id: each for each in subscriptions}
        self.kept: dict[UUID, Period] = {}
        self.locked: list[UUID] = []
        self.waited: list[bool] = []
        self.tried = False
        self.in_vain = 0
        self.since: datetime | None = None
        self.taken = False
        self.put_later: list[tuple[UUID, datetime, datetime]] = []

    async def get(self, subscription_id: UUID, *, lock: bool = False, wait: bool = True) -> Subscription | None:
        self.locked += [subscription_id] * lock
        self.waited += [wait] * lock
        return self.rows.get(subscription_id)

    async def by_reference(self, provider: str, reference: str) -> Subscription | None:
        named = [each for each in self.rows.values() if (each.provider, each.reference) == (provider, reference)]
        return named[0] if named else None

    async def live(self, user_id: UUID, product: str) -> Subscription | None:
        mine = [each for each in self.rows.values() if (each.user_id, each.product, each.is_over) == (user_id, product, False)]
        return mine[0] if mine else None

    async def of_user(self, user_id: UUID) -> Sequence[Subscription]:
        return [each for each in self.rows.values() if each.user_id == user_id]

    async def begun_in_vain(self, user_id: UUID, since: datetime) -> int:
        self.since = since
        return self.in_vain

    async def has_tried(self, user_id: UUID, product: str) -> bool:
        return self.tried

    async def due(self, now: datetime, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        ids = sorted(each.id for each in self.rows.values() if each.due_at is not None and each.due_at <= now)
        return [each for each in ids if after is None or each > after][:limit]

    async def put_off(self, subscription_id: UUID, due_at: datetime, now: datetime) -> None:
        self.put_later.append((subscription_id, due_at, now))

    async def add(self, subscription: Subscription) -> bool:
        if not self.taken:
            self.rows[subscription.id] = subscription
        return not self.taken

    async def update(self, subscription: Subscription) -> None:
        assert subscription.id in self.rows
        self.rows[subscription.id] = subscription

    async def course(self, subscription: Subscription) -> Course:
        periods = await self.periods(subscription.id)
        begun = [each for each in periods if each.status in BEGUN]
        awaited = [each for each in periods if each.status in AWAITED]
        last = max((each.number for each in periods), default=0)
        return Course(subscription, begun[-1] if begun else None, awaited[-1] if awaited else None, last)

    async def save_periods(self, periods: Sequence[Period]) -> None:
        self.kept.update({each.id: each for each in periods})

    async def periods(self, subscription_id: UUID) -> Sequence[Period]:
        mine = [each for each in self.kept.values() if each.subscription_id == subscription_id]
        return sorted(mine, key=lambda each: (each.starts_at, each.number))

    async def period_tried_by(self, subscription_id: UUID, payment_id: UUID) -> Period | None:
        return next((each for each in self.kept.values() if payment_id in each.tries), None)

    async def forget_user(self, user_id: UUID) -> int:
        mine = await self.of_user(user_id)
        self.rows = {key: each for key, each in self.rows.items() if each not in mine}
        return len(mine)


class MethodRows:
    def __init__(self, *methods: PaymentMethod) -> None:
        self.rows = {each.id: each for each in methods}
        self.retired: list[tuple[UUID, datetime]] = []
        self.used: set[UUID] = set()

    async def get(self, method_id: UUID, *, retired: bool = False) -> PaymentMethod | None:
        gone = method_id in [each for each, _ in self.retired]
        return self.rows.get(method_id) if retired or not gone else None

    async def all_of_user(self, user_id: UUID) -> Sequence[PaymentMethod]:
        return [each for each in self.rows.values() if each.user_id == user_id]

    async def add(self, method: PaymentMethod) -> None:
        self.rows[method.id] = method

    async def retire(self, method_id: UUID, now: datetime) -> bool:
        self.retired.append((method_id, now))
        return len(self.retired) == 1

    async def delete(self, method_id: UUID) -> None:
        del self.rows[method_id]

    async def is_used(self, method_id: UUID) -> bool:
        return method_id in self.used

    async def forget_user(self, user_id: UUID) -> int:
        mine = await self.all_of_user(user_id)
        self.rows = {key: each for key, each in self.rows.items() if each not in mine}
        return len(mine)


class PlainCipher:
    """Writes its purpose before what it seals."""

    def encrypt(self, plaintext: str, *, purpose: str) -> bytes:
        return f"{purpose}|{plaintext}".encode()

    def decrypt(self, ciphertext: bytes, *, purpose: str) -> str:
        told, _, plaintext = ciphertext.decode().partition("|")
        assert told == purpose
        return plaintext


class Letters:
    """What was written to people."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def notify(self, uow: Any, user_id: UUID, kind: str, **details: Any) -> None:
        self.told.append({"user_id": user_id, "kind": kind, **details})
