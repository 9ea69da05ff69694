"""A subscription that its provider renews: what it is asked, at most once, what becomes of its word, and of nobody's."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from madang.core.billing.catalogue import catalogue_of
from madang.core.billing.charges import Charges
from madang.core.billing.model import Payment, PaymentStatus
from madang.core.billing.notices import SubscriptionNotice
from madang.core.billing.routing import PaymentRouting
from madang.core.billing.service import BillingService, single_look_up
from madang.core.billing.subscriptions.book import (
    SubscriptionBook,
    erased_message,
    erasure_key,
    late_message,
    looking_for_charge,
)
from madang.core.billing.subscriptions.course import CHANGE_DECLINED, Course
from madang.core.billing.subscriptions.hosted_asking import HostedAsking
from madang.core.billing.subscriptions.hosted_following import HostedFollowing
from madang.core.billing.subscriptions.model import (
    METHOD_TOKEN,
    PaymentMethod,
    PeriodKind,
    PeriodStatus,
    Subscription,
    SubscriptionKind,
)
from madang.core.billing.subscriptions.offers import PlanOffers
from madang.core.billing.subscriptions.personal_data import SubscriptionsPersonalData
from madang.core.billing.subscriptions.snapshots import terms_as_json
from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Failure
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    PaymentPage,
    PaymentSnapshot,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
    SubscriptionSnapshot,
)
from madang.ports.secret import Secret
from unit.billing.billing_in_memory import BankInMemory, Commit, Delivered
from unit.billing.subscription_in_memory import (
    BASIC,
    PREMIUM,
    START,
    Letters,
    MethodRows,
    PlainCipher,
    S,
    SubscriptionRows,
    begun,
)
from unit.core.core_in_memory import StandingClock

R, P = RemoteSubscriptionStatus, PaymentStatus
MONTH, DAY = timedelta(days=30), timedelta(days=1)
NOW = START + DAY
CLOCK: Any = StandingClock(NOW)
NOT_FOUND, REFUSED = Rejected("unknown", reason="not_found"), Rejected("no", reason="invalid_request")
LOST = OutcomeUnknown("lost")
NEITHER = Failure("rejected", "no")
CATALOGUE = catalogue_of("")


def told(status: RemoteSubscriptionStatus = R.ACTIVE, **changes: Any) -> SubscriptionSnapshot:
    return replace(SubscriptionSnapshot("sub_1", status, "price_1", START, START + MONTH), **changes)


def charge(reference: str = "ch_1", **changes: Any) -> PaymentSnapshot:
    made = PaymentSnapshot(reference, RemotePaymentStatus.PAID, BASIC.price, Money(0, "KRW"), subscription="sub_1")
    return replace(made, paid_at=NOW, **changes)


class House:
    """One subscription, its provider, and everybody who asks or follows it."""

    def __init__(self, *, runs: bool = True, abilities: Mapping[str, bool] | None = None, **changes: Any) -> None:
        made = replace(begun(), kind=SubscriptionKind.HOSTED, reference="sub_1", trial_days=0, country="KR")
        course = Course(made)
        period = course.next_period(PeriodKind.REGULAR, 0, BASIC, (START, START + MONTH), BASIC.price, PeriodStatus.PAID, START)
        self.first = replace(period, payment_id=new_id())
        self.made: Subscription = replace(made, **({"status": S.ACTIVE} if runs else {}) | changes)
        self.commit: Any = Commit()
        self.commit.subscriptions = SubscriptionRows(self.made)
        if runs:
            self.commit.subscriptions.kept[self.first.id] = self.first
        self.bank = BankInMemory(**{"cancels_at_period_end": True, "resumes_subscriptions": True, **(abilities or {})})
        self.letters = Letters()
        bank: Any = self.bank
        letters: Any = self.letters
        billing = BillingService(self.commit.unit, bank, CLOCK, base_url="https://api.invalid")
        book = SubscriptionBook(billing, Charges(CLOCK), CATALOGUE, letters, CLOCK)
        offers = PlanOffers(CATALOGUE, PaymentRouting(bank), {})
        self.asking = HostedAsking(book, offers, bank, CLOCK)
        self.following = HostedFollowing(book, offers, billing, bank, CLOCK)

    @property
    def now(self) -> Subscription:
        found: Subscription = self.commit.subscriptions.rows[self.made.id]
        return found

    def asked(self, word: str, **more: Any) -> Any:
        payload = {
            "subscription_id": str(self.made.id),
            "provider": "bank",
            "reference": "sub_1",
            "word": word,
            "ask_id": "ask-1",
            "interval_months": 3,
            **more,
        }
        return Delivered(self.commit, **payload)

    def key(self, word: str) -> str:
        return f"subscription:{self.made.id}:{word}:ask-1"

    def awaits(self, status: PeriodStatus = PeriodStatus.DUE, **changes: Any) -> Any:
        awaited = replace(self.first, id=new_id(), number=2, cycle=1, status=status, payment_id=None)
        awaited = replace(awaited, starts_at=START + MONTH, ends_at=START + 2 * MONTH, **changes)
        self.commit.subscriptions.kept[awaited.id] = awaited
        return awaited

    @property
    def payments(self) -> list[Payment]:
        return list(self.commit.payments.rows.values())


CHANGE = {"terms": terms_as_json(replace(PREMIUM, price_reference="price_2")), "prorate": True}
CANCEL = {"at_period_end": True}


@pytest.mark.parametrize(
    ("word", "more", "operation", "request_of", "answer", "after"),
    [
        (
            "cancel", CANCEL, "cancel_subscription",
            lambda key: CancelSubscriptionRequest("sub_1", True, key, 60.0),
            told(cancel_at_period_end=True), {"cancel_at_period_end": True},
        ),
        (
            "resume", {}, "resume_subscription", lambda key: ResumeSubscriptionRequest("sub_1", key, 60.0),
            told(), {"cancel_at_period_end": False},
        ),
        (
            "change", CHANGE, "change_subscription",
            lambda key: ChangeSubscriptionRequest("sub_1", "price_2", True, key, PREMIUM.price, 3, timeout=60.0),
            told(price_reference="price_2"), {"terms": replace(PREMIUM, price_reference="price_2"), "next_terms": None},
        ),
        (
            "change", {**CHANGE, "prorate": False}, "change_subscription",
            lambda key: ChangeSubscriptionRequest("sub_1", "price_2", False, key, PREMIUM.price, 3, timeout=60.0),
            told(), {"terms": BASIC, "next_terms": replace(PREMIUM, price_reference="price_2")},
        ),
        (
            "change", CHANGE, "change_subscription",
            lambda key: ChangeSubscriptionRequest("sub_1", "price_2", True, key, PREMIUM.price, 3, timeout=60.0),
            told(approve_url="https://bank.invalid/agree"),
            {
                "terms": BASIC, "next_terms": replace(PREMIUM, price_reference="price_2"),
                "checkout_url": "https://bank.invalid/agree",
            },
        ),
    ],
)  # fmt: skip
async def test_a_provider_is_asked_once_and_its_answer_is_written(
    word: str, more: dict[str, Any], operation: str, request_of: Any, answer: Any, after: dict[str, Any]
) -> None:
    house = House(asking=word, cancel_at_period_end=word == "resume")
    house.bank.answers[operation] = answer
    for _ in range(2):
        delivery = house.asked(word, **more)
        await house.asking.ask(delivery)
        assert delivery.finished == 1
    assert house.bank.asked == [(operation, request_of(house.key(word)))]
    assert {name: getattr(house.now, name) for name in after} == after
    assert (house.now.asking, house.now.updated_at) == (None, NOW)
    (action,) = house.commit.actions.rows.values()
    assert (action.key, action.kind, action.provider, action.subject, action.state) == (
        house.key(word), f"payment.{word}_subscription", "bank", house.made.subject, ActionState.SUCCEEDED,
    )  # fmt: skip
    assert set(house.commit.subscriptions.locked) == {house.made.id}


@pytest.mark.parametrize(
    ("word", "more", "found", "done"),
    [
        ("cancel", CANCEL, told(), False),
        ("cancel", CANCEL, told(cancel_at_period_end=True), True),
        ("cancel", CANCEL, told(R.CANCELLED), True),
        ("cancel", {"at_period_end": False}, told(cancel_at_period_end=True), False),
        ("cancel", {"at_period_end": False}, told(R.CANCELLED), True),
        ("resume", {}, told(), True),
        ("resume", {}, told(cancel_at_period_end=True), False),
        ("resume", {}, told(R.CANCELLED), False),
        ("change", CHANGE, told(price_reference="price_2"), True),
        ("change", CHANGE, told(amount=PREMIUM.price), False),
        ("change", {**CHANGE, "terms": terms_as_json(PREMIUM)}, told(amount=PREMIUM.price), True),
        ("change", {**CHANGE, "terms": terms_as_json(PREMIUM)}, told(amount=BASIC.price), False),
        ("change", {**CHANGE, "terms": terms_as_json(PREMIUM)}, told(price_reference=""), False),
    ],
)
async def test_in_doubt_it_is_looked_up_and_asked_again_only_where_it_was_not_done(
    word: str, more: dict[str, Any], found: SubscriptionSnapshot, done: bool
) -> None:
    house = House(asking=word)
    operation = f"{word}_subscription"
    house.bank.answers = {operation: LOST, "fetch_subscription": found}
    with pytest.raises(OutcomeUnknown):
        await house.asking.ask(house.asked(word, **more))
    house.bank.answers[operation] = told()
    await house.asking.ask(house.asked(word, **more))
    assert (house.bank.times(operation), house.now.asking) == (1 if done else 2, None)
    assert ("fetch_subscription", "sub_1") in house.bank.asked


@pytest.mark.parametrize(
    ("refused", "found", "again", "calls", "raised"),
    [
        (NOT_FOUND, NOT_FOUND, None, 1, False),
        (REFUSED, told(R.PENDING), None, 1, False),
        (NOT_FOUND, told(), None, 1, False),
        (REFUSED, told(), None, 1, True),
        (REFUSED, REFUSED, None, 1, True),
        (REFUSED, told(reference="sub_2"), told(R.CANCELLED), 2, False),
        (NOT_FOUND, told(reference="sub_2"), NOT_FOUND, 2, False),
        (REFUSED, told(reference="sub_2"), REFUSED, 2, True),
    ],
)
async def test_a_cancellation_that_is_refused_is_done_where_nothing_is_there_or_by_the_name_that_it_has(
    refused: Any, found: Any, again: Any, calls: int, raised: bool
) -> None:
    house = House(asking="cancel")
    answers = iter([refused, again])
    house.bank.answers = {"cancel_subscription": lambda: next(answers), "fetch_subscription": found}
    delivery = house.asked("cancel", at_period_end=False)
    if raised:
        with pytest.raises(Rejected):
            await house.asking.ask(delivery)
    else:
        await house.asking.ask(delivery)
        assert (delivery.finished, house.now.asking) == (1, None)
    requests = [asked[1] for asked in house.bank.asked if asked[0] == "cancel_subscription"]
    assert [(each.reference, each.at_period_end) for each in requests] == [("sub_1", False), ("sub_2", False)][:calls]
    assert house.now.status is (S.CANCELLED if calls == 2 and again is not NOT_FOUND and not raised else S.ACTIVE)


async def test_one_that_never_came_to_be_is_not_asked_for_and_one_that_is_gone_is_by_what_the_message_says() -> None:
    house = House(reference=None)
    await house.asking.ask(house.asked("resume", reference=None))
    assert house.bank.asked == []
    house.commit.subscriptions.rows.clear()
    house.bank.answers["cancel_subscription"] = told(R.CANCELLED)
    await house.asking.ask(house.asked("cancel", at_period_end=False, reference="sub_9"))
    assert house.bank.asked[0][1].reference == "sub_9"
    newer = House(reference="sub_3")
    newer.bank.answers["resume_subscription"] = told()
    await newer.asking.ask(newer.asked("resume"))
    assert newer.bank.asked[0][1].reference == "sub_3"


@pytest.mark.parametrize(
    ("word", "more", "before", "after", "letters"),
    [
        ("cancel", CANCEL, {"cancel_at_period_end": True}, {"cancel_at_period_end": False}, []),
        ("cancel", {"at_period_end": False}, {"cancel_at_period_end": True}, {"cancel_at_period_end": True}, []),
        ("resume", {}, {}, {"cancel_at_period_end": True}, []),
        ("change", CHANGE, {"next_terms": PREMIUM}, {"next_terms": None}, [CHANGE_DECLINED]),
    ],
)
async def test_what_is_given_up_is_taken_back_and_told(
    word: str, more: dict[str, Any], before: dict[str, Any], after: dict[str, Any], letters: list[str]
) -> None:
    house = House(asking=word, **before)
    await house.asking.give_up(house.commit, house.asked(word, **more).message, NEITHER)
    assert {name: getattr(house.now, name) for name in after} == after
    assert (house.now.asking, house.now.updated_at, [each["kind"] for each in house.letters.told]) == (None, NOW, letters)
    assert house.commit.subscriptions.locked == [house.made.id]
    over = House(asking=word, status=S.ENDED, **before)
    await over.asking.give_up(over.commit, over.asked(word, **more).message, NEITHER)
    assert (over.now, over.letters.told) == (over.made, [])
    over.commit.subscriptions.rows.clear()
    await over.asking.give_up(over.commit, over.asked(word, **more).message, NEITHER)


async def test_what_is_over_meanwhile_stays_as_it_is() -> None:
    house = House(status=S.CANCELLED, asking="resume")
    house.bank.answers["resume_subscription"] = told()
    await house.asking.ask(house.asked("resume"))
    assert house.now == house.made


def notice(**changes: Any) -> SubscriptionNotice:
    return replace(SubscriptionNotice("bank", "sub_1", "subscription.updated"), **changes)


async def test_a_charge_that_nobody_knew_becomes_a_payment_that_begins_its_period() -> None:
    house = House(runs=False)
    house.bank.answers = {"fetch_subscription": told(), "fetch": charge()}
    delivery = Delivered(house.commit)
    assert await house.following.handle(delivery, notice(charge="ch_1")) == "applied"
    (payment,) = house.payments
    assert payment == Payment(
        payment.id, "subscriptions", house.made.subject, BASIC.price, "bank", P.PAID, NOW, NOW, NOW + DAY, "ch_1", paid_at=NOW,
        user_id=house.made.user_id, country="KR", description="basic", locale="ko",
        lines=payment.lines,
    )  # fmt: skip
    (line,) = payment.lines
    assert (line.description, line.quantity, line.unit_amount, line.sku) == ("basic", 1, 30_000, "basic")
    (period,) = house.commit.subscriptions.kept.values()
    assert (period.tries, period.status) == ((payment.id,), PeriodStatus.CHARGING)
    assert (house.commit.sent, delivery.finished, house.commit.subscriptions.locked) == ([], 0, [house.made.id])
    assert await house.following.handle(Delivered(house.commit), notice(charge="ch_1")) == "applied"
    assert len(house.payments) == 1


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, 1),
        ({"amount": Money(0, "KRW")}, 0),
        ({"status": RemotePaymentStatus.FAILED, "failure": "declined"}, 1),
        ({"status": RemotePaymentStatus.FAILED, "amount": Money(7, "KRW")}, 0),
        ({"status": RemotePaymentStatus.REFUNDED, "refunded": BASIC.price}, 1),
    ],
)
async def test_a_charge_is_kept_that_took_money_or_was_to_pay_what_is_awaited(changes: dict[str, Any], kept: int) -> None:
    house = House(runs=False)
    house.bank.answers = {"fetch_subscription": told(), "fetch": charge(**changes)}
    assert await house.following.handle(Delivered(house.commit), notice(charge="ch_1")) == "applied"
    assert len(house.payments) == kept


async def test_another_amount_is_alerted_and_the_payment_stays_ours_and_unpaid() -> None:
    house = House(runs=False)
    house.bank.answers = {"fetch_subscription": told(), "fetch": charge(amount=Money(1, "KRW"))}
    assert await house.following.handle(Delivered(house.commit), notice(charge="ch_1")) == "amount_mismatch"
    (payment,) = house.payments
    assert (payment.amount, payment.status) == (BASIC.price, P.CREATED)
    assert [each[2] for each in house.commit.amount_mismatches.told] == [Money(1, "KRW")]


async def test_a_charge_before_its_period_is_asked_for_again() -> None:
    house = House(runs=False)
    house.bank.answers = {"fetch_subscription": told(R.PENDING), "fetch": charge()}
    with pytest.raises(Unavailable) as early:
        await house.following.handle(Delivered(house.commit), notice(charge="ch_1"))
    assert (early.value.provider, early.value.operation) == ("bank", "follow_subscription")


@pytest.mark.parametrize(
    ("by", "found", "asked", "outcome"),
    [
        ({"charge": "ch_1"}, charge(), 1, 1),
        ({"charge": "ch_1", "snapshot": charge()}, NOT_FOUND, 1, 1),
        ({"charge": "ch_1"}, NOT_FOUND, 1, 0),
        ({"snapshot": charge()}, REFUSED, 0, 1),
        ({}, REFUSED, 0, 0),
        ({"charge": "ch_1"}, REFUSED, 1, None),
    ],
)
async def test_of_a_charge_the_provider_is_asked_and_a_signed_body_stands_in(
    by: dict[str, Any], found: Any, asked: int, outcome: int | None
) -> None:
    house = House(runs=False)
    house.bank.answers = {"fetch_subscription": told(), "fetch": found}
    if outcome is None:
        with pytest.raises(Rejected):
            await house.following.handle(Delivered(house.commit), notice(**by))
    else:
        assert await house.following.handle(Delivered(house.commit), notice(**by)) == "applied"
    assert (house.bank.times("fetch"), len(house.payments)) == (asked, outcome or 0)


async def test_one_that_its_provider_does_not_know_stays_and_any_other_refusal_is_raised() -> None:
    house = House()
    house.bank.answers["fetch_subscription"] = NOT_FOUND
    assert await house.following.handle(Delivered(house.commit), notice()) == "applied"
    assert house.now == house.made
    house.bank.answers["fetch_subscription"] = REFUSED
    with pytest.raises(Rejected):
        await house.following.handle(Delivered(house.commit), notice())


@pytest.mark.parametrize(
    ("changes", "named", "outcome"),
    [
        ({}, lambda house: {}, "applied"),
        ({"reference": "cs_1"}, lambda house: {"subscription_id": str(house.made.id)}, "applied"),
        ({"reference": "cs_1", "provider": "other"}, lambda house: {"subscription_id": str(house.made.id)}, None),
        ({"reference": "cs_1"}, lambda house: {"subscription_id": "another-systems"}, None),
        ({"reference": "cs_1"}, lambda house: {"subscription_id": str(new_id())}, None),
        ({"reference": "cs_1"}, lambda house: {}, None),
    ],
)
async def test_a_notice_names_one_by_its_reference_or_by_our_id(changes: dict[str, Any], named: Any, outcome: Any) -> None:
    house = House(runs=False, **changes)
    house.bank.answers["fetch_subscription"] = told()
    assert await house.following.handle(Delivered(house.commit), notice(**named(house))) == (outcome or "unknown_subscription")
    assert (house.now.reference == "sub_1") == (outcome is not None)
    house.bank.answers["fetch_subscription"] = told(subscription_id=str(house.made.id))
    expected = "unknown_subscription" if changes.get("provider") else "applied"
    by_word = replace(notice(**named(house)), subscription_id=None)
    assert await house.following.handle(Delivered(house.commit), by_word) == expected


@pytest.mark.parametrize(
    ("status", "late"),
    [(R.ACTIVE, True), (R.TRIALING, True), (R.PAST_DUE, True), (R.PENDING, False), (R.CANCELLED, False)],
)
@pytest.mark.parametrize(
    ("took", "kept"),
    [
        ({}, 1),
        ({"status": RemotePaymentStatus.FAILED}, 0),
        ({"amount": Money(0, "KRW")}, 0),
        (None, 0),
    ],
)
async def test_what_an_erased_person_agreed_to_late_is_cancelled_and_its_money_is_nobodys(
    status: RemoteSubscriptionStatus, late: bool, took: dict[str, Any] | None, kept: int
) -> None:
    house, gone = House(), new_id()
    house.commit.actions.rows[erasure_key(gone)] = True
    house.bank.answers = {"fetch_subscription": told(status, reference="sub_9"), "fetch": charge(**took or {})}
    of_nobody = notice(reference="sub_9", subscription_id=str(gone), charge=None if took is None else "ch_1")
    for _ in range(2):
        assert await house.following.handle(Delivered(house.commit), of_nobody) == "applied"
    assert house.commit.sent == [late_message(gone, "bank", "sub_9")] * 2 * late
    assert len(house.payments) == kept
    for payment in house.payments:
        assert (payment.purpose, payment.subject, payment.amount) == ("subscriptions", f"subscription:{gone}", BASIC.price)
        assert (payment.provider, payment.user_id, payment.reference, payment.status) == ("bank", None, "ch_1", P.PAID)
        assert (payment.created_at, payment.updated_at, payment.expires_at) == (NOW, NOW, NOW + DAY)


async def test_another_systems_subscription_stays_as_it_is_and_is_not_asked_about_its_charge() -> None:
    house = House()
    house.bank.answers = {"fetch_subscription": told(reference="sub_9"), "fetch": charge()}
    assert await house.following.handle(Delivered(house.commit), notice(reference="sub_9", charge="ch_1")) == (
        "unknown_subscription"
    )
    by_an_id = notice(reference="sub_9", subscription_id=str(new_id()))
    assert await house.following.handle(Delivered(house.commit), by_an_id) == "unknown_subscription"
    assert (house.bank.times("fetch"), house.payments, house.commit.sent) == (0, [], [])


async def test_the_sweep_looks_for_charges_of_which_no_notice_came() -> None:
    house = House(abilities={"lists_payments": True}, status=S.PAST_DUE)
    first, last = new_id(), new_id()
    awaited = house.awaits(PeriodStatus.CHARGING, tries=(first, last))
    pages = iter(
        [
            PaymentPage([charge("ch_0", subscription="sub_2"), charge("ch_3", status=RemotePaymentStatus.FAILED)], "next"),
            PaymentPage([charge("ch_1")]),
        ]
    )
    house.bank.answers = {"list_payments": lambda: next(pages), "fetch_subscription": told(R.PAST_DUE)}
    await house.following.follow(Delivered(house.commit, subscription_id=str(house.made.id)))
    assert house.commit.sent[0] == single_look_up(last)
    since = min(awaited.starts_at, NOW) - timedelta(days=2)
    assert [asked[1:] for asked in house.bank.asked if asked[0] == "list_payments"] == [
        (since, NOW, None),
        (since, NOW, "next"),
    ]
    assert [payment.reference for payment in house.payments] == ["ch_1"]


async def test_where_no_charge_is_found_it_is_looked_for_once_for_each_period() -> None:
    house = House(status=S.PAST_DUE)
    awaited = house.awaits()
    house.bank.answers["fetch_subscription"] = told(R.PAST_DUE)
    await house.following.follow(Delivered(house.commit, subscription_id=str(house.made.id)))
    assert [message.key for message in house.commit.sent] == [looking_for_charge(house.now, awaited).key]
    assert house.bank.times("list_payments") == 0


@pytest.mark.parametrize(
    ("start", "runs", "listed"),
    [(START + MONTH, True, 1), (START, True, 0), (START + MONTH - timedelta(seconds=1), True, 0), (START, False, 1)],
)
async def test_charges_are_listed_where_a_period_may_have_begun(start: Any, runs: bool, listed: int) -> None:
    house = House(runs=runs, abilities={"lists_payments": True})
    house.bank.answers = {
        "fetch_subscription": told(current_period_start=start, current_period_end=None),
        "list_payments": PaymentPage([]),
    }
    await house.following.follow(Delivered(house.commit, subscription_id=str(house.made.id)))
    assert house.bank.times("list_payments") == listed
    endless = House(runs=False, abilities={"lists_payments": True})
    endless.bank.answers = {"fetch_subscription": told(), "list_payments": PaymentPage([], "next")}
    await endless.following.follow(Delivered(endless.commit, subscription_id=str(endless.made.id)))
    assert endless.bank.times("list_payments") == 20


async def test_nothing_is_asked_about_one_that_is_not_there_or_has_no_reference() -> None:
    house = House(reference=None)
    await house.following.follow(Delivered(house.commit, subscription_id=str(house.made.id)))
    await house.following.follow(Delivered(house.commit, subscription_id=str(new_id())))
    assert house.bank.asked == []


class Leaving:
    """A person with a subscription and a means of payment, who leaves."""

    def __init__(self, **changes: Any) -> None:
        self.house = House(**changes)
        self.user_id: UUID = self.house.made.user_id
        sealed = PlainCipher().encrypt("test-token-not-secret", purpose=METHOD_TOKEN)
        self.method = PaymentMethod(new_id(), self.user_id, "bank", "customer-1", "card", START, sealed)
        self.house.commit.payment_methods = MethodRows(self.method)
        bank: Any = self.house.bank
        cipher: Any = PlainCipher()
        self.data = SubscriptionsPersonalData(self.house.commit.unit, bank, cipher)


@pytest.mark.parametrize(
    ("changes", "found", "cancel", "outcome"),
    [
        ({}, told(), told(R.CANCELLED), 1),
        ({}, told(R.PAST_DUE), NOT_FOUND, 1),
        ({}, told(), REFUSED, None),
        ({}, told(R.PENDING), REFUSED, 0),
        ({}, told(R.CANCELLED), REFUSED, 0),
        ({}, NOT_FOUND, REFUSED, 0),
        ({}, REFUSED, REFUSED, 0),
        ({"reference": None}, told(), REFUSED, 0),
        ({"status": S.ENDED}, told(), REFUSED, 0),
        ({"kind": SubscriptionKind.STORED_METHOD}, told(), REFUSED, 0),
    ],
)
async def test_whoever_leaves_is_cancelled_at_the_provider_and_their_means_forgotten(
    changes: dict[str, Any], found: Any, cancel: Any, outcome: int | None
) -> None:
    leaving = Leaving(**changes)
    bank = leaving.house.bank
    bank.answers = {"fetch_subscription": found, "cancel_subscription": cancel}
    if outcome is None:
        with pytest.raises(Rejected):
            await leaving.data.forget_outside(leaving.user_id)
        assert bank.times("forget_method") == 0
        return
    await leaving.data.forget_outside(leaving.user_id)
    request = CancelSubscriptionRequest("sub_1", False, f"{leaving.house.made.subject}:erase")
    assert [asked[1] for asked in bank.asked if asked[0] == "cancel_subscription"] == [request] * outcome
    assert bank.asked[-1] == ("forget_method", "customer-1", Secret("test-token-not-secret"))


@pytest.mark.parametrize(
    ("changes", "state", "sent"),
    [
        ({}, ActionState.QUEUED, True),
        ({"reference": None}, ActionState.SUCCEEDED, False),
        ({"status": S.ENDED}, None, False),
        ({"kind": SubscriptionKind.STORED_METHOD}, None, False),
    ],
)
async def test_of_whom_is_erased_it_stays_known_that_the_subscription_was_ours(
    changes: dict[str, Any], state: ActionState | None, sent: bool
) -> None:
    leaving = Leaving(**changes)
    commit, made = leaving.house.commit, leaving.house.made
    assert await leaving.data.erase(commit, leaving.user_id, NOW) == {"subscriptions": 1, "payment_methods": 1}
    found = list(commit.actions.rows.values())
    assert [(each.key, each.kind, each.provider, each.subject, each.state) for each in found] == [
        (erasure_key(made.id), "payment.cancel_subscription", "bank", made.subject, state)
    ] * (state is not None)
    assert all(isinstance(each, Action) and (each.created_at, each.updated_at) == (NOW, NOW) for each in found)
    assert commit.sent == [erased_message(made)] * sent
    assert await leaving.data.erase(commit, new_id(), NOW) == {"subscriptions": 0, "payment_methods": 0}
