"""What follows a notice, a wish of a person or a day that passes: payments, instalments and documents, whole."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from invoice_samples import SELLER
from madang.core.billing.attempts import AttemptOperation
from madang.core.billing.disputes import Dispute, DisputeStatus
from madang.core.billing.invoices.drafting import InvoicePolicy
from madang.core.billing.invoices.issuing import InvoiceIssuing
from madang.core.billing.invoices.model import BUYER_EMAIL, BUYER_NAME, Invoice, InvoiceKind
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus, Refund, RefundStatus
from madang.core.billing.notices import NoticeWork, SubscriptionNotice
from madang.core.billing.payment_plans.calendar import PlanCalendar
from madang.core.billing.payment_plans.model import InstallmentKind, InstallmentStatus, PaymentPlan, planned
from madang.core.billing.payment_plans.settling import PlanSettling
from madang.core.billing.payments import STAFF, NewRefund, Payments
from madang.core.billing.reversals import Reversals
from madang.core.billing.routing import PaymentRouting
from madang.core.billing.service import BillingService, single_look_up
from madang.core.billing.unsigned_notices import at_the_end_of_the_minute
from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE, UserStatus
from madang.core.kernel.caller import OPERATOR, Caller, CallerKind
from madang.core.kernel.errors import Conflict, LeaseLost, NotFound, PermissionDenied, ValidationFailed, WrongState
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.messages import NewMessage
from madang.ports.errors import Misconfigured
from madang.ports.money import Money
from madang.ports.payment import PaymentNotice, PaymentSnapshot, RemotePaymentStatus
from unit.billing.billing_in_memory import BankInMemory, Commit, Delivered
from unit.billing.subscription_in_memory import Letters, PlainCipher
from unit.core.core_in_memory import StandingClock

P, R = PaymentStatus, RemotePaymentStatus
NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
THEN, DAY = NOW - timedelta(hours=1), timedelta(days=1)
CLOCK: Any = StandingClock(NOW)
PRICE = Money(9900, "KRW")
ANNA = Caller(CallerKind.USER, new_id())
CLERK = Caller(CallerKind.USER, new_id(), permissions=frozenset({STAFF}))
NONE: Any = None


def word(status: RemotePaymentStatus = R.PAID, **changes: Any) -> PaymentSnapshot:
    return replace(PaymentSnapshot("pay_1", status, PRICE, Money(0, "KRW")), **changes)


class Counter:
    """A payment of Anna's, its provider, and everybody who may ask."""

    def __init__(self, status: PaymentStatus = P.PENDING, *, abilities: Any = None, **changes: Any) -> None:
        made = Payment(new_id(), "items", "checkout:1", PRICE, "bank", status, THEN, THEN, NOW + DAY)
        self.made: Payment = replace(made, **{"user_id": ANNA.user_id, "reference": "pay_1"} | changes)
        self.commit: Any = Commit(self.made)
        self.bank = BankInMemory(**{"finds_by_payment_id": True} | (abilities or {}))
        bank: Any = self.bank
        self.heard: list[SubscriptionNotice] = []
        self.billing = BillingService(self.commit.unit, bank, CLOCK, base_url="https://api.invalid")
        me: Any = self
        self.work = NoticeWork(self.billing, me, CLOCK)
        self.payments = Payments(self.commit.unit, self.billing, PaymentRouting(bank), self.commit)
        self.reversals = Reversals(self.commit.unit, self.commit, CLOCK)

    async def handle(self, delivery: Any, notice: SubscriptionNotice) -> str:
        self.heard.append(notice)
        return "subscribed"

    @property
    def now(self) -> Payment:
        found: Payment = self.commit.payments.rows[self.made.id]
        return found

    async def heard_of(self, **told: Any) -> str | None:
        """The outcome of a notice."""
        notice = {"event_id": "ev_1", "payment_id": str(self.made.id), **told}
        entry = InboxEntry(new_id(), "bank", "ev_1", "payment.paid", notice, THEN)
        self.commit.inbox.rows[entry.id] = entry
        delivery: Any = Delivered(self.commit, inbox_id=str(entry.id))
        for _ in range(2):
            await self.work.handle(delivery)
        after = self.commit.inbox.rows[entry.id]
        assert (after.handled_at, delivery.finished) == (NOW, 1)
        outcome: str | None = after.outcome
        return outcome


def kept(snapshot: PaymentSnapshot) -> dict[str, Any]:
    about = {"reference": snapshot.reference, "status": snapshot.status.value, "amount": snapshot.amount.amount}
    return {**about, "refunded": 0, "currency": "KRW", "paid_at": None, "method": None}


@pytest.mark.parametrize(
    ("told", "asked", "outcome", "status", "reference"),
    [
        ({}, word(), "applied", P.PAID, "pay_1"),
        ({}, None, "nothing_known_yet", P.PENDING, None),
        ({"snapshot": kept(word())}, None, "applied", P.PAID, "pay_1"),
        ({"snapshot": kept(word(reference="pay_2"))}, word(R.PENDING), "applied", P.PAID, "pay_2"),
        ({"snapshot": kept(word(R.FAILED, reference="pay_2"))}, word(R.PENDING), "applied", P.PENDING, "pay_1"),
        ({"snapshot": kept(word())}, word(R.FAILED), "applied", P.FAILED, "pay_1"),
        ({"snapshot": kept(word(reference="pay_2"))}, word(), "paid_twice", P.PAID, "pay_1"),
        ({"snapshot": kept(word(R.FAILED, reference="pay_2"))}, word(), "applied", P.PAID, "pay_1"),
        ({"snapshot": kept(word(reference="pay_2", amount=Money(1, "KRW")))}, word(), "applied", P.PAID, "pay_1"),
        ({}, word(amount=Money(1, "KRW")), "amount_mismatch", P.PENDING, None),
        ({"payment_id": None, "reference": "none"}, word(), "unknown_payment", P.PENDING, None),
        ({"payment_id": "not-ours", "reference": None}, word(), "unknown_payment", P.PENDING, None),
        ({"payment_id": None, "subscription": "sub_1"}, word(), "subscribed", P.PENDING, None),
    ],
)
async def test_a_notice_is_a_hint_and_what_is_true_is_asked(
    told: dict[str, Any], asked: Any, outcome: str, status: PaymentStatus, reference: str | None
) -> None:
    counter = Counter(reference=None)
    counter.bank.answers["find"] = asked
    assert await counter.heard_of(**told) == outcome
    assert (counter.now.status, counter.now.reference) == (status, reference)
    doubts = {"paid_twice": Money(19_800, "KRW"), "amount_mismatch": Money(1, "KRW")}
    doubted = [(counter.made.id, "bank", doubts[outcome], None)] if outcome in doubts else []
    assert counter.commit.amount_mismatches.told == doubted


async def test_of_a_subscription_its_keeper_hears_all_that_the_notice_says() -> None:
    counter = Counter()
    counter.bank.answers["find"] = word()
    told = {"subscription": "sub_1", "subscription_id": "ours", "reference": "ch_1", "snapshot": kept(word())}
    assert await counter.heard_of(**told) == "applied"
    assert counter.heard == [SubscriptionNotice("bank", "sub_1", "payment.paid", "ch_1", word(), "ours")]


async def test_a_webhook_is_stored_once_and_where_it_is_not_signed_a_few_times_for_each_payment() -> None:
    counter = Counter(abilities={"signed_webhooks": True})
    request: Any = SimpleNamespace(received_at=THEN)
    counter.bank.answers["read_webhook"] = [PaymentNotice("ev_1", "paid"), PaymentNotice("ev_2", "paid")]
    assert await counter.billing.receive_webhook("bank", request)
    entries = list(counter.commit.inbox.rows.values())
    assert [(each.provider, each.event_id, each.kind, each.received_at) for each in entries] == [
        ("bank", "ev_1", "paid", THEN),
        ("bank", "ev_2", "paid", THEN),
    ]
    assert counter.commit.sent == [
        NewMessage("billing.handle_notice", {"inbox_id": str(each.id)}, f"notice:{each.id}", f"inbox:{each.id}")
        for each in entries
    ]
    assert not await counter.billing.receive_webhook("bank", request)
    assert len(counter.commit.sent) == 2
    hints = Counter(abilities={"signed_webhooks": False})
    for number in range(22):
        hints.bank.answers["read_webhook"] = [PaymentNotice(f"ev_{number}", "paid", payment_id=str(hints.made.id))]
        assert await hints.billing.receive_webhook("bank", request) == (number < 20)
        assert not (number < 20 and await hints.billing.receive_webhook("bank", request))
    places = [each.event_id for each in hints.commit.inbox.rows.values()]
    assert places == [f"{hints.made.id}#{number}" for number in range(1, 21)]
    late = at_the_end_of_the_minute(single_look_up(hints.made.id, "unsigned"), NOW)
    assert hints.commit.sent[20:] == [late] * 2
    for unknown in (PaymentNotice("x", "paid"), PaymentNotice("x", "paid", payment_id=str(new_id()))):
        hints.bank.answers["read_webhook"] = [unknown]
        assert not await hints.billing.receive_webhook("bank", request)
    hints.bank.answers["read_webhook"] = [PaymentNotice("x", "paid", reference="pay_1")]
    await hints.billing.receive_webhook("bank", request)
    assert hints.commit.sent[-1] == late


@pytest.mark.parametrize("confirms", [True, False])
async def test_who_comes_back_has_a_key_spent_or_the_provider_asked(confirms: bool) -> None:
    counter = Counter(abilities={"confirms": confirms})
    view = await counter.payments.confirm(ANNA, counter.made.id, key="key", amount=PRICE)
    assert (view.payment, view.refunds, view.dispute) == (counter.now, [], None)
    assert [each.operation for each in view.attempts] == [AttemptOperation.CONFIRM] * confirms
    audited = [("PAYMENT_CONFIRMED", f"payment:{counter.made.id}", {"provider": "bank"})]
    assert counter.commit.audited == audited * confirms
    topics = [message.topic for message in counter.commit.sent]
    assert topics == ["billing.confirm" if confirms else "billing.look_up"]
    assert counter.made.id in counter.commit.payments.locked
    if confirms:
        with pytest.raises(ValidationFailed) as keyless:
            await counter.payments.confirm(ANNA, counter.made.id)
        assert [problem.path for problem in keyless.value.problems] == ["key"]


@pytest.mark.parametrize(
    ("status", "over"),
    [(status, status in (P.CANCELLED, P.EXPIRED)) for status in P if status not in (P.CREATED, P.PENDING, P.AUTHORISED)],
)
async def test_what_is_over_is_confirmed_no_more_and_what_is_paid_is_just_shown(status: PaymentStatus, over: bool) -> None:
    counter = Counter(status)
    if over:
        with pytest.raises(WrongState) as refused:
            await counter.payments.confirm(ANNA, counter.made.id)
        assert (refused.value.params["state"], refused.value.params["expected"]) == (status.value, "pending")
    else:
        assert (await counter.payments.confirm(ANNA, counter.made.id)).payment == counter.made
    assert len(counter.commit.sent) == (status is P.FAILED)


async def test_another_amount_of_a_browser_is_alerted_a_few_times_and_spends_nothing() -> None:
    counter = Counter(abilities={"confirms": True})
    with pytest.raises(Conflict) as refused:
        await counter.payments.confirm(ANNA, counter.made.id, key="key", amount=Money(1, "KRW"))
    assert refused.value.error_code == "AMOUNT_MISMATCH"
    assert counter.commit.amount_mismatches.told == [(counter.made.id, "bank", Money(1, "KRW"), 5)]
    assert (counter.commit.sent, counter.commit.audited) == ([], [])


async def test_a_payment_is_its_buyers_and_staff_sees_it_but_does_not_confirm_it() -> None:
    counter, other = Counter(), Caller(CallerKind.USER, new_id())
    locks = len(counter.commit.payments.locked)
    for caller in (ANNA, CLERK):
        assert (await counter.payments.get(caller, counter.made.id)).payment == counter.made
    assert len(counter.commit.payments.locked) == locks
    for ask in (
        counter.payments.get(other, counter.made.id),
        counter.payments.get(ANNA, new_id()),
        counter.payments.confirm(CLERK, counter.made.id),
        counter.payments.refund(other, counter.made.id, new_id()),
    ):
        with pytest.raises(NotFound) as missing:
            await ask
        assert missing.value.error_code == "PAYMENT_NOT_FOUND"
    nobodys = Counter(user_id=None)
    with pytest.raises(NotFound):
        await nobodys.payments.get(Caller(CallerKind.ANONYMOUS), nobodys.made.id)


async def test_staff_gives_back_once_by_its_id_and_it_is_audited() -> None:
    counter = Counter(P.PAID)
    new = NewRefund(new_id(), "broken", Money(900, "KRW"))
    refund = await counter.payments.request_refund(CLERK, counter.made.id, new)
    assert (refund.id, refund.key, refund.reason, refund.amount) == (new.id, f"request:{new.id}", "broken", Money(900, "KRW"))
    about = {"payment_id": str(counter.made.id), "amount": 900, "currency": "KRW"}
    assert counter.commit.audited == [("REFUND_REQUESTED", f"refund:{new.id}", about)]
    assert await counter.payments.request_refund(CLERK, counter.made.id, new) == refund
    assert (len(counter.commit.audited), len(counter.commit.sent)) == (1, 1)
    for caller in (ANNA, CLERK):
        assert await counter.payments.refund(caller, counter.made.id, refund.id) == refund
    for payment_id, refund_id in ((counter.made.id, new_id()),):
        with pytest.raises(NotFound) as missing:
            await counter.payments.refund(ANNA, payment_id, refund_id)
        assert missing.value.error_code == "REFUND_NOT_FOUND"
    with pytest.raises(Conflict) as much:
        await counter.payments.request_refund(CLERK, counter.made.id, NewRefund(new_id(), "x", Money(9001, "KRW")))
    assert (much.value.error_code, much.value.params["left"]) == (
        "REFUND_EXCEEDS_PAYMENT",
        {"amount": 9000, "currency": "KRW"},
    )
    whole = await counter.payments.request_refund(CLERK, counter.made.id, NewRefund(new_id(), "rest"))
    assert whole.amount == Money(9000, "KRW")
    with pytest.raises(Conflict):
        await counter.payments.request_refund(CLERK, counter.made.id, NewRefund(new_id(), "more"))
    assert counter.made.id in counter.commit.payments.locked


async def test_what_cannot_be_given_back_is_refused_for_its_reason() -> None:
    pending, whole_only = Counter(), Counter(P.PAID, abilities={"partial_refunds": False})
    with pytest.raises(WrongState) as unpaid:
        await pending.payments.request_refund(CLERK, pending.made.id, NewRefund(new_id(), "x"))
    assert unpaid.value.params["state"] == "pending"
    ask = whole_only.payments.request_refund
    with pytest.raises(PermissionDenied) as own:
        await ask(replace(CLERK, user_id=ANNA.user_id), whole_only.made.id, NewRefund(new_id(), "x"))
    assert own.value.error_code == "REFUND_OF_OWN_PAYMENT"
    with pytest.raises(ValidationFailed) as foreign:
        await ask(CLERK, whole_only.made.id, NewRefund(new_id(), "x", Money(1, "USD")))
    assert [problem.path for problem in foreign.value.problems] == ["amount.currency"]
    with pytest.raises(Conflict) as part:
        await ask(CLERK, whole_only.made.id, NewRefund(new_id(), "x", Money(9899, "KRW")))
    assert part.value.error_code == "PARTIAL_REFUND_NOT_POSSIBLE"
    with pytest.raises(NotFound):
        await ask(CLERK, new_id(), NewRefund(new_id(), "x"))
    assert (await ask(CLERK, whole_only.made.id, NewRefund(new_id(), "x", PRICE))).amount == PRICE


async def test_a_reversed_decision_is_asked_for_once_more_and_answered_by_a_person_once() -> None:
    counter = Counter(P.PAID)
    lost = Dispute(counter.made.id, "bank", DisputeStatus.LOST, 100, THEN, THEN)
    counter.commit.disputes.rows[counter.made.id] = lost
    nothing = word(charged_back=Money(0, "KRW"))
    await counter.billing.settle(counter.commit, counter.made.id, nothing)
    assert counter.commit.sent == [single_look_up(counter.made.id)]
    counter.commit.announced.clear()
    await counter.billing.settle(counter.commit, counter.made.id, nothing)
    assert counter.commit.statuses == [("billing.dispute_reversed", "paid")]
    assert len(counter.commit.sent) == 1
    counter.commit.announced.clear()
    await counter.reversals.answer(OPERATOR, counter.made.id)
    assert counter.commit.disputes.rows[counter.made.id].answered_at == NOW
    assert counter.commit.statuses == [("billing.dispute_answered", "paid")]
    assert counter.commit.audited == [("DISPUTE_ANSWERED", f"payment:{counter.made.id}", {})]
    with pytest.raises(WrongState) as answered:
        await counter.reversals.answer(OPERATOR, counter.made.id)
    assert (answered.value.params["state"], answered.value.params["expected"]) == ("answered", "reversed")
    with pytest.raises(NotFound) as missing:
        await counter.reversals.answer(OPERATOR, new_id())
    assert missing.value.error_code == "PAYMENT_NOT_FOUND"
    counter.commit.announced.clear()
    await counter.billing.settle(counter.commit, counter.made.id, word(charged_back=Money(50, "KRW")))
    assert [event.name for event in counter.commit.announced] == ["billing.dispute_changed", "billing.payment_changed"]


CALENDAR = PlanCalendar(ZoneInfo("Asia/Seoul"))


class Ledger:
    """A plan of two instalments, its client, and the days that pass."""

    def __init__(self, due: date = date(2031, 5, 9)) -> None:
        self.clock: Any = StandingClock(NOW)
        client: Any = SimpleNamespace(id=new_id(), status=UserStatus.ACTIVE, locale="en")
        self.client = client
        parts = [planned(n, InstallmentKind.MILESTONE, f"phase {n}", 500, due, CALENDAR, NOW) for n in (1, 2)]
        self.plan = PaymentPlan(new_id(), new_id(), client.id, "KRW", tuple(parts), NOW, NOW)
        self.plans = {self.plan.id: self.plan}
        self.commit: Any = Commit()
        self.commit.payment_plans, self.commit.users = self, SimpleNamespace(get=self.user)
        self.letters, self.locks = Letters(), list[tuple[bool, bool]]()
        self.broken: Exception | None = None
        self.after: list[UUID | None] = []
        letters: Any = self.letters
        self.settling = PlanSettling(
            BillingService(self.commit.unit, NONE, self.clock, base_url=""), letters, CALENDAR, self.clock
        )

    async def user(self, user_id: UUID) -> Any:
        return self.client if user_id == self.client.id else None

    async def get(self, plan_id: UUID, *, lock: bool = False, wait: bool = True) -> PaymentPlan | None:
        self.locks.append((lock, wait))
        if self.broken is not None:
            raise self.broken
        return self.plans.get(plan_id)

    async def update(self, plan: PaymentPlan) -> None:
        self.plans[plan.id] = plan

    async def due(self, now: datetime, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        self.after.append(after)
        return [each for each in sorted(self.plans) if after is None or each > after][:limit]

    def paid(self, status: PaymentStatus = P.PAID, amount: int = 500) -> Payment:
        subject = f"installment:{self.plan.id}:1"
        made = Payment(new_id(), "payment_plans", subject, Money(amount, "KRW"), "bank", status, NOW, NOW, NOW)
        self.commit.payments.rows[made.id] = made
        return made

    async def hears(self, payment: Payment, *, reversed_: bool = False, **more: str) -> None:
        told = {"purpose": "payment_plans", "subject": payment.subject, "payment_id": str(payment.id), **more}
        message = Delivered(self.commit, **told).message
        handle = self.settling.dispute_reversed if reversed_ else self.settling.payment_changed
        await handle(self.commit, message)

    @property
    def first(self) -> Any:
        return self.plans[self.plan.id].installment(1)


async def test_an_instalment_is_paid_by_its_payment_and_what_is_not_owed_goes_back() -> None:
    ledger = Ledger()
    payment = ledger.paid()
    await ledger.hears(payment, purpose="items")
    assert ledger.first.status is InstallmentStatus.PENDING
    await ledger.hears(payment)
    assert (ledger.first.status, ledger.first.payment_id, ledger.first.paid_at) == (InstallmentStatus.PAID, payment.id, NOW)
    assert (ledger.locks, ledger.commit.payments.locked) == ([(True, True)], [payment.id])
    for extra in (ledger.paid(), ledger.paid(amount=1)):
        await ledger.hears(extra)
        await ledger.hears(extra)
    refunds = list(ledger.commit.payments.given_back.values())
    assert [(each.key, each.reason, each.amount.amount) for each in refunds] == [
        (f"extra:{each.payment_id}", "not owed", amount) for each, amount in zip(refunds, (500, 1), strict=True)
    ]
    await ledger.hears(replace(payment, id=new_id()))
    ledger.plans.clear()
    await ledger.hears(payment)


async def test_what_a_reversed_dispute_brought_back_is_paid_again_and_answered() -> None:
    ledger = Ledger()
    payment = ledger.paid()
    await ledger.hears(payment)
    ledger.commit.payments.rows[payment.id] = refunded = replace(payment, status=P.REFUNDED, refunded=500)
    await ledger.hears(refunded)
    assert ledger.first.status is InstallmentStatus.REFUNDED
    dispute = Dispute(payment.id, "bank", DisputeStatus.REVERSED, 500, NOW, NOW)
    await ledger.hears(payment, reversed_=True)
    assert ledger.first.status is InstallmentStatus.REFUNDED
    ledger.commit.disputes.rows[payment.id] = dispute
    await ledger.hears(payment, reversed_=True, purpose="items")
    assert ledger.first.status is InstallmentStatus.REFUNDED
    await ledger.hears(payment, reversed_=True)
    assert (ledger.first.status, ledger.commit.disputes.rows[payment.id].answered_at) == (InstallmentStatus.PAID, NOW)
    assert ledger.locks[-1] == (True, True)
    await ledger.hears(refunded)
    assert ledger.first.status is InstallmentStatus.PAID
    ledger.commit.disputes.rows[payment.id] = dispute
    await ledger.hears(payment, reversed_=True)
    assert ledger.commit.disputes.rows[payment.id].answered_at == NOW
    ledger.commit.disputes.rows[payment.id] = dispute
    anew = replace(ledger.first, status=InstallmentStatus.PENDING)
    ledger.plans[ledger.plan.id] = ledger.plan.with_installment(anew, NOW)
    await ledger.hears(payment, reversed_=True)
    assert ledger.commit.disputes.rows[payment.id] == dispute


@pytest.mark.parametrize(("days", "day", "kind"), [(-3, -3, "due"), (0, 0, "due"), (3, 3, "overdue"), (7, 7, "overdue")])
async def test_the_client_is_reminded_on_each_day_of_what_is_owed(days: int, day: int, kind: str) -> None:
    ledger = Ledger()
    morning = datetime(2031, 5, 9, 9, tzinfo=ZoneInfo("Asia/Seoul")).astimezone(UTC) + days * DAY
    ledger.clock.at = morning
    assert await ledger.settling.settle(ledger.commit, ledger.plan.id)
    subject = f"installment:{ledger.plan.id}:1"
    values = {"phase": "phase 1", "amount": str(Money(500, "KRW")), "due": "2031-05-09"}
    about = {"key": f"{subject}:2031-05-09:{day}", "values": values, "subject": subject}
    assert ledger.letters.told[0] == {"user_id": ledger.client.id, "kind": f"billing.installment_{kind}", **about}
    assert len(ledger.letters.told) == 2
    assert ledger.locks == [(True, True)]
    ledger.letters.told.clear()
    await ledger.settling.settle(ledger.commit, ledger.plan.id)
    assert ledger.letters.told == []


async def test_nobody_is_reminded_who_is_gone_or_suspended_and_what_was_not_paid_is_overdue() -> None:
    for gone in (True, False):
        ledger = Ledger()
        ledger.clock.at = NOW + 30 * DAY
        ledger.client.status = UserStatus.SUSPENDED
        if gone:
            ledger.plans[ledger.plan.id] = replace(ledger.plan, client_id=None)
        await ledger.settling.settle(ledger.commit, ledger.plan.id)
        assert (ledger.letters.told, ledger.first.status) == ([], InstallmentStatus.OVERDUE)
    assert not await ledger.settling.settle(ledger.commit, new_id())


async def test_every_plan_that_is_due_is_settled_without_waiting() -> None:
    ledger = Ledger()
    ledger.plans |= {each.id: each for each in (replace(ledger.plan, id=new_id()) for _ in range(99))}
    ledger.clock.at = NOW + 30 * DAY
    last = max(ledger.plans)
    await ledger.settling.settle_due(Delivered(ledger.commit))
    assert (ledger.after, set(ledger.locks)) == ([None, last], {(True, False)})
    assert {each.installments[0].status for each in ledger.plans.values()} == {InstallmentStatus.OVERDUE}
    ledger.plans = {ledger.plan.id: ledger.plan}
    ledger.broken = ValueError("broken")
    await ledger.settling.settle_due(Delivered(ledger.commit))
    ledger.broken = LeaseLost()
    with pytest.raises(LeaseLost):
        await ledger.settling.settle_due(Delivered(ledger.commit))


class Registry:
    """The documents of one payment, and whoever writes them."""

    def __init__(self, *, adds_tax: bool = False, at: datetime = NOW, **changes: Any) -> None:
        cipher: Any = PlainCipher()
        sealed = {
            "name": cipher.encrypt("Anna", purpose=NAME_PURPOSE),
            "email": cipher.encrypt("a@x.kr", purpose=EMAIL_PURPOSE),
        }
        self.buyer: Any = SimpleNamespace(id=new_id(), status=UserStatus.ACTIVE, **sealed)
        made = Payment(new_id(), "items", "checkout:1", PRICE, "bank", P.PAID, THEN, THEN, NOW, "pay_1", paid_at=THEN)
        lines = (PaymentLine("Logo", 1, 9900, "logo"),)
        self.payment: Payment = replace(made, **{"user_id": self.buyer.id, "lines": lines, "method": "card"} | changes)
        self.commit: Any = Commit(self.payment)
        self.commit.users, self.commit.invoices = SimpleNamespace(get=self.user), self
        self.documents: list[Invoice] = []
        self.letters, self.configured, self.bank = Letters(), True, BankInMemory(adds_tax=adds_tax)
        me: Any = self
        letters: Any = self.letters
        policy = InvoicePolicy(SELLER)
        clock: Any = StandingClock(at)
        self.issuing = InvoiceIssuing(me, cipher, letters, me, clock, policy, base_url="https://api.invalid/")

    def payment_gateway(self, name: str) -> Any:
        if not self.configured:
            raise Misconfigured("not here")
        return self.bank

    def issue(self, audience: str, subject: str, *, expires_at: datetime) -> str:
        return f"{audience}|{subject}|{expires_at:%Y-%m-%d}"

    async def user(self, user_id: UUID) -> Any:
        return self.buyer

    async def next_number(self, series: str) -> int:
        return 1 + sum(each.series == series for each in self.documents)

    async def add(self, invoice: Invoice) -> None:
        self.documents.append(invoice)

    async def of_payment(self, payment_id: UUID) -> Sequence[Invoice]:
        return self.documents

    async def hears(self, *refunds: Refund, **changes: Any) -> None:
        self.commit.payments.rows[self.payment.id] = replace(self.payment, **changes)
        self.commit.payments.given_back = {each.id: each for each in refunds}
        await self.issuing.issue(self.commit, Delivered(self.commit, payment_id=str(self.payment.id)).message)

    def refund(self, amount: int) -> Refund:
        return Refund(new_id(), self.payment.id, str(new_id()), Money(amount, "KRW"), "why", RefundStatus.SUCCEEDED, NOW, NOW)


async def test_an_invoice_is_written_once_with_its_buyer_sealed_anew_and_they_are_told() -> None:
    registry = Registry()
    await registry.hears()
    await registry.hears()
    (made,) = registry.documents
    assert (made.kind, made.number, made.payment_id, made.amount) == (
        InvoiceKind.INVOICE, "INV-2031-000001", registry.payment.id, PRICE,
    )  # fmt: skip
    told = (made.issued_at, made.user_id, made.credited_id, made.refund_id)
    assert told == (NOW, registry.buyer.id, None, None)
    assert (made.buyer_name, made.buyer_email) == (f"{BUYER_NAME}|Anna".encode(), f"{BUYER_EMAIL}|a@x.kr".encode())
    head = {key: value for key, value in json.loads(made.written).items() if key != "content"}
    assert head == {
        "id": str(made.id), "kind": "invoice", "number": "INV-2031-000001", "paymentId": str(registry.payment.id),
        "creditedId": None, "refundId": None, "amount": 9900, "currency": "KRW", "issuedAt": NOW.isoformat(),
    }  # fmt: skip
    link = f"https://api.invalid/invoices/{made.id}?token=invoice|{made.id}|2031-07-30"
    values = {"number": "INV-2031-000001", "amount": str(PRICE), "link": link}
    name = f"invoice:{made.id}"
    letter = {"user_id": registry.buyer.id, "kind": "billing.invoice_issued", "key": name, "values": values, "subject": name}
    assert registry.letters.told == [letter]
    assert set(registry.commit.payments.locked) == {registry.payment.id}
    content = made.content
    assert (content.tax_rule, content.method, content.reference, content.paid_at) == (
        "kr-vat-10", "card", "pay_1", THEN.isoformat(),
    )  # fmt: skip


async def test_each_refund_and_what_a_bank_took_has_a_note_of_its_own() -> None:
    registry = Registry()
    refund = registry.refund(1000)
    await registry.hears(refund, refunded=1000)
    registry.commit.disputes.rows[registry.payment.id] = Dispute(registry.payment.id, "bank", DisputeStatus.LOST, 5, NOW, NOW)
    await registry.hears(refund, refunded=1500)
    await registry.hears(refund, refunded=1500)
    first, note, of_bank = registry.documents
    told = [(each.kind, each.number, each.amount.amount, each.credited_id, each.refund_id) for each in (note, of_bank)]
    assert told == [
        (InvoiceKind.CREDIT_NOTE, "CN-2031-000001", 1000, first.id, refund.id),
        (InvoiceKind.CREDIT_NOTE, "CN-2031-000002", 500, first.id, None),
    ]
    assert (note.content.charged_back, of_bank.content.charged_back, note.content.credits) == (False, True, first.number)
    assert sum(each.vat.amount for each in (note, of_bank)) == 136
    assert [letter["kind"] for letter in registry.letters.told[1:]] == ["billing.credit_note_issued"] * 2
    head = json.loads(note.written)
    assert (head["creditedId"], head["refundId"], head["kind"]) == (str(first.id), str(refund.id), "credit_note")


@pytest.mark.parametrize(
    ("changes", "documents"),
    [({"status": P.PENDING}, 0), ({"status": P.FAILED}, 0), ({"status": P.DISPUTED}, 1), ({"amount": Money(0, "KRW")}, 0)],
)
async def test_only_of_money_that_came_a_document_is_written(changes: dict[str, Any], documents: int) -> None:
    registry = Registry()
    await registry.hears(**changes)
    assert len(registry.documents) == documents
    registry.commit.payments.rows.clear()
    await registry.issuing.issue(registry.commit, Delivered(registry.commit, payment_id=str(new_id())).message)


@pytest.mark.parametrize("status", list(UserStatus))
async def test_who_asked_to_be_forgotten_is_named_on_no_document_and_told_of_none(status: UserStatus) -> None:
    registry = Registry()
    registry.buyer.status = status
    await registry.hears()
    named = status in (UserStatus.ACTIVE, UserStatus.SUSPENDED)
    assert (registry.documents[0].user_id is not None, len(registry.letters.told)) == (named, int(named))
    assert (registry.documents[0].buyer_name is not None) == named
    nobodys = Registry(user_id=None)
    await nobodys.hears()
    assert (nobodys.documents[0].user_id, nobodys.letters.told) == (None, [])


async def test_whoever_sells_in_its_own_name_taxes_and_a_year_begins_at_home() -> None:
    seller, gone = Registry(adds_tax=True), Registry(adds_tax=True)
    await seller.hears()
    assert seller.documents[0].content.tax_rule == "merchant-of-record"
    gone.configured = False
    await gone.hears()
    assert gone.documents[0].content.tax_rule == "kr-vat-10"
    for hour, number in ((14, "INV-2031-000001"), (15, "INV-2032-000001")):
        late = Registry(at=datetime(2031, 12, 31, hour, tzinfo=UTC))
        await late.hears()
        assert late.documents[0].number == number
