"""What billing writes down and announces is whole: each field of a provider's word, of a payment, of a message."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from madang.core import billing
from madang.core.billing.charges import Charges, NewCharge
from madang.core.billing.disputes import Dispute, DisputeStatus
from madang.core.billing.events import (
    dispute_changed,
    payment_changed,
    payment_refunded,
    refund_changed,
    subscription_changed,
    subscription_period_started,
)
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus, Refund, RefundStatus
from madang.core.billing.service import NewPayment, look_up_message, opened_as, payment_of, single_look_up
from madang.core.billing.snapshots import notice_as_json, snapshot_as_json, snapshot_of
from madang.core.billing.subscriptions.model import Terms
from madang.core.billing.subscriptions.snapshots import subscription_as_json, subscription_told, terms_as_json, terms_in
from madang.core.kernel.events import Event
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.ports.money import Money
from madang.ports.payment import (
    ChargedFor,
    Checkout,
    PaymentNotice,
    PaymentSnapshot,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    SubscriptionSnapshot,
)
from unit.billing.billing_in_memory import Commit
from unit.billing.subscription_in_memory import paid_for
from unit.core.core_in_memory import StandingClock

NOW = datetime(2031, 5, 1, 12, 0, 30, tzinfo=timezone(timedelta(hours=9)))
words = st.none() | st.text("ab", min_size=1, max_size=3)
amounts = st.integers(0, 10**9)
moments = st.none() | st.datetimes(timezones=st.just(UTC))
won = st.builds(Money, amounts, st.just("KRW"))
money = st.builds(Money, amounts, st.sampled_from(["KRW", "USD"]))
snapshots = st.builds(
    PaymentSnapshot,
    reference=st.text(max_size=3),
    status=st.sampled_from(RemotePaymentStatus),
    amount=won,
    refunded=money,
    payment_id=words,
    paid_at=moments,
    method=words,
    failure=words,
    tax=st.none() | money,
    subscription=words,
    charged_back=st.none() | won,
    method_country=words,
    charged_for=st.none() | st.builds(ChargedFor, starts_at=moments, ends_at=moments),
)
told = st.builds(
    SubscriptionSnapshot,
    st.text(max_size=3),
    st.sampled_from(RemoteSubscriptionStatus),
    st.text(max_size=3),
    moments,
    moments,
    st.booleans(),
    words,
    st.none() | money,
    moments,
    moments,
    words,
)


def payment(**changes: Any) -> Payment:
    given_as = {"id": new_id(), "purpose": "credits", "subject": "credits:1", "amount": Money(9900, "KRW"), "provider": "bank"}
    times = {"created_at": NOW, "updated_at": NOW, "expires_at": NOW + timedelta(days=1)}
    return Payment(**{**given_as, "status": PaymentStatus.PAID, **times, **changes})


@settings(max_examples=60)
@given(snapshots)
def test_a_word_about_a_payment_is_the_same_after_it_was_kept(snapshot: PaymentSnapshot) -> None:
    assert snapshot_of(snapshot_as_json(snapshot)) == snapshot


def test_of_a_row_of_an_earlier_release_what_it_has_is_read() -> None:
    kept = {"reference": "r", "status": "paid", "amount": 5, "refunded": 1, "currency": "KRW", "paid_at": None, "method": None}
    assert snapshot_of(kept) == PaymentSnapshot("r", RemotePaymentStatus.PAID, Money(5, "KRW"), Money(1, "KRW"))


@settings(max_examples=60)
@given(told)
def test_a_word_about_a_subscription_is_the_same_after_it_was_kept(word: SubscriptionSnapshot) -> None:
    assert subscription_told(subscription_as_json(word)) == word


def test_terms_are_the_same_after_they_were_kept() -> None:
    terms = Terms("basic", Money(30_000, "KRW"), 7, "price_1")
    assert terms_in(terms_as_json(terms)) == terms


@given(st.none() | snapshots)
@settings(max_examples=5)
def test_of_a_notice_each_identifier_is_kept(snapshot: PaymentSnapshot | None) -> None:
    notice = PaymentNotice("evt_1", "paid", NOW, "ref", "ours", "sub", snapshot, "our sub")
    assert notice_as_json(notice) == {
        "event_id": "evt_1",
        "kind": "paid",
        "occurred_at": NOW.isoformat(),
        "reference": "ref",
        "payment_id": "ours",
        "subscription": "sub",
        "subscription_id": "our sub",
        "snapshot": None if snapshot is None else snapshot_as_json(snapshot),
    }
    assert notice_as_json(PaymentNotice("evt_1", "paid"))["occurred_at"] is None


def test_what_is_announced_of_money_names_what_it_is_about() -> None:
    paid = payment()
    refund = Refund(new_id(), paid.id, "key", Money(100, "KRW"), "why", RefundStatus.QUEUED, NOW, NOW)
    about = {"payment_id": str(paid.id), "purpose": "credits", "subject": "credits:1"}
    assert payment_changed(paid) == Event("billing.payment_changed", "credits:1", {**about, "status": "paid"})
    assert payment_refunded(paid) == Event("billing.payment_refunded", "credits:1", {**about, "status": "paid"})
    dispute = Dispute(paid.id, "bank", DisputeStatus.LOST, 100, NOW, NOW + timedelta(days=1))
    assert dispute_changed(dispute, paid).payload == {
        "payment_id": str(paid.id),
        "provider": "bank",
        "status": "lost",
        "amount": str(paid.amount),
        "taken": str(Money(100, "KRW")),
        "changed_at": (NOW + timedelta(days=1)).isoformat(),
    }
    told_of = {**about, "refund_id": str(refund.id), "status": "queued"}
    assert refund_changed(refund, paid) == Event("billing.refund_changed", "credits:1", told_of)


def test_what_is_announced_of_a_subscription_is_its_owners_affair_and_has_all_that_is_documented() -> None:
    life = paid_for()
    subscription, period = life.course.subscription, life.current
    changed = {"subscriptionId": str(subscription.id), "status": "active", "planId": "basic", "cancelAtPeriodEnd": False}
    owner = subscription.user_id
    assert subscription_changed(subscription) == Event("billing.subscription_changed", subscription.subject, changed, owner)
    assert subscription_period_started(subscription, period).payload == {
        "subscription_id": str(subscription.id),
        "user_id": str(owner),
        "plan_id": "basic",
        "period": 1,
        "period_start": period.starts_at.isoformat(),
        "period_end": period.ends_at.isoformat(),
        "credits": 100,
    }


def new_payment(**changes: Any) -> NewPayment:
    until = NOW + timedelta(hours=3)
    given_as = {"id": new_id(), "purpose": "credits", "subject": "credits:1", "amount": Money(9900, "KRW"), "expires_at": until}
    pages = {"description": "A pack", "success_url": "http://s.invalid", "cancel_url": "http://c.invalid"}
    return NewPayment(**{**given_as, **pages, **changes})


def test_a_new_payment_has_all_that_its_seller_said() -> None:
    new = new_payment(locale="en", user_id=new_id(), country="KR", client_reference="order-1")
    made = payment_of(new, "bank", NOW)
    assert made == payment(
        id=new.id,
        status=PaymentStatus.CREATED,
        expires_at=new.expires_at,
        user_id=new.user_id,
        country="KR",
        description="A pack",
        lines=(PaymentLine("A pack", 1, 9900),),
        client_reference="order-1",
        locale="en",
    )
    lines = (PaymentLine("Ten credits", 2, 4950, "pack"),)
    assert payment_of(new_payment(lines=lines), "bank", NOW).lines == lines


def test_an_opened_checkout_is_written_to_the_payment_unless_a_webhook_was_faster() -> None:
    created, later = payment(status=PaymentStatus.CREATED), NOW + timedelta(seconds=1)
    checkout = Checkout(reference="cs_1", url="http://pay.invalid", client_params={"key": "1"})
    opened = opened_as(created, checkout, later)
    assert (opened.status, opened.reference, opened.checkout_url) == (PaymentStatus.PENDING, "cs_1", "http://pay.invalid")
    assert (opened.client_params, opened.updated_at) == ({"key": "1"}, later)
    paid = opened_as(payment(reference="pay_1"), Checkout(reference="cs_1", url="http://pay.invalid"), later)
    assert (paid.status, paid.reference, paid.client_params) == (PaymentStatus.PAID, "pay_1", None)


def test_look_ups_come_after_twenty_seconds_and_then_ever_later() -> None:
    payment_id = new_id()
    first = look_up_message(payment_id, 0, NOW)
    assert first == NewMessage(
        "billing.look_up",
        {"payment_id": str(payment_id), "round": 0},
        f"look-up:{payment_id}:0",
        f"payment:{payment_id}",
        NOW + timedelta(seconds=20),
    )
    waits = [look_up_message(payment_id, number, NOW).due_at for number in range(8)]
    assert [(due - NOW).seconds for due in waits if due] == [20, 60, 180, 600, 1800, 3600, 3600, 3600]
    assert first.due_at is not None
    assert first.due_at.utcoffset() == timedelta(hours=9)
    once = single_look_up(payment_id, "hint")
    told_of = {"payment_id": str(payment_id), "round": None}
    assert once == NewMessage("billing.look_up", told_of, f"look-up:{payment_id}:hint", f"payment:{payment_id}")
    assert single_look_up(payment_id).key is None


async def test_a_charge_is_stored_with_all_that_was_asked_and_looked_up_as_any_payment() -> None:
    commit: Any = Commit()
    charges, method_id = Charges(StandingClock(NOW)), new_id()
    new = NewCharge(
        new_id(), "subscriptions", "subscription:1", Money(30_000, "KRW"), "A month", "bank", method_id, new_id(), "KR",
        locale="en",
    )  # fmt: skip
    made = await charges.start(commit, new)
    assert made == Payment(
        new.id, "subscriptions", "subscription:1", Money(30_000, "KRW"), "bank", PaymentStatus.CREATED, NOW, NOW,
        NOW + timedelta(days=1), user_id=new.user_id, country="KR", description="A month",
        lines=(PaymentLine("A month", 1, 30_000),), locale="en",
    )  # fmt: skip
    assert commit.payments.rows == {new.id: made}
    told_of = {"payment_id": str(new.id), "method_id": str(method_id)}
    charge = NewMessage("billing.charge", told_of, f"charge:{new.id}", f"payment:{new.id}")
    assert commit.sent == [charge, look_up_message(new.id, 0, NOW)]
    assert await charges.start(commit, new) is made
    assert len(commit.sent) == 2
    assert await charges.cancel(commit, new.id)
    assert commit.payments.rows[new.id].status is PaymentStatus.CANCELLED
    assert commit.statuses == [("billing.payment_changed", "cancelled")]
    assert not await charges.cancel(commit, new.id)
    assert not await charges.cancel(commit, new_id())


def test_no_representation_shows_who_bought() -> None:
    names = {each.name for each in walk_packages(billing.__path__, "madang.core.billing.")}
    kinds = {
        kind for name in names for kind in vars(import_module(name)).values() if isinstance(kind, type) and is_dataclass(kind)
    }
    personal = {"customer_email", "customer_name", "buyer_email", "buyer_name", "secret", "client_secret"}
    found = {(kind.__name__, field.name): field.repr for kind in kinds for field in fields(kind) if field.name in personal}
    assert ("NewPayment", "customer_email") in found
    assert not [name for name, shown in found.items() if shown]
