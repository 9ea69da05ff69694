"""What is written with a step of a subscription: its rows, who is told, and each message whole."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from madang.core.billing.catalogue import released_catalogue
from madang.core.billing.charges import NewCharge
from madang.core.billing.events import subscription_changed, subscription_period_started
from madang.core.billing.model import PaymentLine
from madang.core.billing.subscriptions.book import (
    SubscriptionBook,
    erased_message,
    erasure_key,
    follow_message,
    late_message,
    looking_for_charge,
)
from madang.core.billing.subscriptions.course import (
    AskProvider,
    Began,
    CancelAtProvider,
    ChangeAtProvider,
    Charge,
    Consequence,
    Course,
    GiveBack,
    ResumeAtProvider,
    Tell,
)
from madang.core.billing.subscriptions.model import Period, PeriodKind, Subscription
from madang.core.billing.subscriptions.snapshots import terms_as_json
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.ports.money import Money
from unit.billing.billing_in_memory import Commit
from unit.billing.subscription_in_memory import PREMIUM, S, paid_for

LATE = datetime(2026, 2, 27, 16, tzinfo=UTC)
"""The 28th in Seoul."""


class Desk:
    """Everything that a book hands on, in a commit of its own."""

    def __init__(self) -> None:
        life = paid_for()
        self.subscription: Subscription = replace(
            life.course.subscription, country="KR", locale="en", method_id=new_id(), reference="sub_1", provider="bank"
        )
        self.period: Period = life.current
        self.commit: Any = Commit()
        self.commit.subscriptions = self
        self.updated: list[Subscription] = []
        self.saved: list[Period] = []
        self.charged: list[NewCharge] = []
        self.given_back: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        me: Any = self
        self.book = SubscriptionBook(me, me, released_catalogue(), me, me)

    async def update(self, subscription: Subscription) -> None:
        self.updated.append(subscription)

    async def save_periods(self, periods: tuple[Period, ...]) -> None:
        self.saved += periods

    async def start(self, uow: Any, new: NewCharge) -> None:
        self.charged.append(new)

    async def request_refund(self, uow: Any, payment_id: UUID, **details: Any) -> None:
        self.given_back.append({"payment_id": payment_id, **details})

    async def notify(self, uow: Any, user_id: UUID, kind: str, **details: Any) -> None:
        self.told.append({"user_id": user_id, "kind": kind, **details})

    async def wrote(self, *consequences: Consequence, **changes: Any) -> Commit:
        course = Course(replace(self.subscription, **changes), consequences=consequences, periods=(self.period,))
        assert await self.book.save(self.commit, self.subscription, course) is course.subscription
        made: Commit = self.commit
        return made


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    "change", [{"status": S.PAST_DUE}, {"terms": PREMIUM}, {"next_terms": PREMIUM}, {"cancel_at_period_end": True}]
)
async def test_what_its_owner_sees_of_a_change_is_announced(desk: Desk, change: dict[str, Any]) -> None:
    commit = await desk.wrote(**change)
    assert commit.announced == [subscription_changed(replace(desk.subscription, **change))]
    assert (len(desk.updated), desk.saved) == (1, [desk.period])


async def test_what_nobody_sees_is_written_and_not_announced_and_what_is_the_same_not_written(desk: Desk) -> None:
    await desk.wrote()
    assert desk.updated == []
    commit = await desk.wrote(due_at=LATE)
    assert (len(desk.updated), commit.announced) == (1, [])


async def test_a_charge_says_all_that_an_invoice_needs(desk: Desk) -> None:
    known = replace(desk.period, terms=replace(desk.period.terms, plan_id="hosting-basic"))
    payment_id = new_id()
    await desk.wrote(Charge(known, payment_id))
    found = desk.subscription
    assert found.method_id is not None
    assert desk.charged == [
        NewCharge(
            payment_id, "subscriptions", found.subject, Money(30_000, "KRW"), "Hosting Basic", "bank", found.method_id,
            found.user_id, "KR", (PaymentLine("Hosting Basic", 1, 30_000, "hosting-basic"),), "en",
        )
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no means of payment"):
        await desk.wrote(Charge(known, payment_id), method_id=None)


async def test_its_owner_is_told_once_of_each_try_with_the_price_and_the_day_at_home(desk: Desk) -> None:
    tried, trial = replace(desk.period, tries=(new_id(), new_id())), replace(desk.period, kind=PeriodKind.TRIAL)
    await desk.wrote(Tell("billing.payment_failed", tried, LATE), Tell("ended", replace(trial, amount=Money(0, "KRW"))))
    subject, user_id = desk.subscription.subject, desk.subscription.user_id
    values = {"plan": "basic", "amount": str(Money(30_000, "KRW"))}
    assert desk.told == [
        {
            "user_id": user_id,
            "kind": "billing.payment_failed",
            "key": f"{subject}:billing.payment_failed:1:2",
            "values": {**values, "date": "2026-02-28"},
            "subject": subject,
        },
        {"user_id": user_id, "kind": "ended", "key": f"{subject}:ended:1:1", "values": values, "subject": subject},
    ]


async def test_a_period_that_began_is_announced_and_money_for_nothing_goes_back(desk: Desk) -> None:
    payment_id = new_id()
    commit = await desk.wrote(Began(desk.period), GiveBack(payment_id))
    assert commit.announced == [subscription_period_started(desk.subscription, desk.period)]
    key = f"{desk.subscription.subject}:give-back:{payment_id}"
    assert desk.given_back == [{"payment_id": payment_id, "key": key, "reason": "not_owed"}]


@pytest.mark.parametrize(
    ("asked", "word", "more"),
    [
        (CancelAtProvider(True), "cancel", {"at_period_end": True}),
        (CancelAtProvider(False), "cancel", {"at_period_end": False}),
        (ResumeAtProvider(), "resume", {}),
        (ChangeAtProvider(PREMIUM, True), "change", {"terms": terms_as_json(PREMIUM), "prorate": True}),
    ],
)
async def test_what_a_provider_is_asked_is_complete_in_itself(
    desk: Desk, asked: CancelAtProvider | ResumeAtProvider | ChangeAtProvider, word: str, more: dict[str, Any]
) -> None:
    (message,) = (await desk.wrote(asked)).sent
    ask_id = UUID(message.payload["ask_id"])
    about = {"subscription_id": str(desk.subscription.id), "provider": "bank", "reference": "sub_1", "interval_months": 1}
    told = {**about, "word": word, "ask_id": str(ask_id), **more}
    assert message == NewMessage("billing.change_hosted_subscription", told, subject=desk.subscription.subject)


async def test_a_provider_is_asked_what_became_of_it_and_once_for_each_period_what_it_charged(desk: Desk) -> None:
    found = desk.subscription
    assert (await desk.wrote(AskProvider())).sent == [follow_message(found)]
    told = {"subscription_id": str(found.id)}
    assert follow_message(found) == NewMessage("billing.follow_subscription", told, subject=found.subject)
    looking = looking_for_charge(found, desk.period)
    key = f"{found.subject}:look-for-charge:1"
    assert looking == NewMessage("billing.follow_subscription", told, key=key, subject=found.subject)


def test_what_was_an_erased_persons_is_cancelled_once_by_each_name_that_it_has(desk: Desk) -> None:
    found = desk.subscription
    erased = erased_message(found)
    assert (erased.key, erased.subject) == (f"{found.subject}:cancel:erasure", found.subject)
    assert (erased.payload["ask_id"], erased.payload["at_period_end"]) == ("erasure", False)
    assert erasure_key(found.id) == erased.key
    assert late_message(found.id, "bank", "sub_2") == NewMessage(
        "billing.change_hosted_subscription",
        {
            "subscription_id": str(found.id),
            "provider": "bank",
            "reference": "sub_2",
            "word": "cancel",
            "ask_id": "erasure:sub_2",
            "at_period_end": False,
        },
        key=f"{found.subject}:cancel:erasure:sub_2",
        subject=found.subject,
    )
