"""The books of the in-memory payments: what is paid, given back, renewed and kept, to the exact number."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from madang.adapters.memory.payment import MemoryPaymentGateway
from madang.adapters.memory.settings import MemorySettings
from madang.plugins.conformance.payment import CHECKOUT
from madang.plugins.conformance.payment_subscriptions import PLAN
from madang.ports.context import ProviderContext
from madang.ports.errors import Rejected
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    ChargeRequest,
    KeepMethodRequest,
    RefundRequest,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
    StoreMethodRequest,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def gateway(context: ProviderContext) -> MemoryPaymentGateway:
    return MemoryPaymentGateway(MemorySettings(), context)


async def reason_of(call: Any) -> tuple[str, str | None]:
    with pytest.raises(Rejected) as refused:
        await call
    return refused.value.reason, refused.value.operation


async def test_a_payment_is_paid_as_the_person_chose(gateway: MemoryPaymentGateway) -> None:
    checkout = await gateway.open_checkout(replace(CHECKOUT, expires_at=datetime(2030, 1, 1, tzinfo=UTC)))
    assert checkout.expires_at == datetime(2030, 1, 1, tzinfo=UTC)
    reference = checkout.reference or ""
    assert str(checkout.url).endswith(f"/memory/checkout/{reference}")
    gateway.pay(reference, "transfer")
    gateway.pay(reference, "card")
    paid = await gateway.fetch(reference)
    assert (paid.method, paid.status, paid.payment_id) == ("transfer", RemotePaymentStatus.PAID, CHECKOUT.payment_id)
    assert paid.refunded == Money(0, CHECKOUT.amount.currency)
    assert paid.paid_at is not None
    [notice] = await gateway.read_webhook(gateway.announce(reference))
    assert (notice.kind, notice.reference, notice.payment_id) == ("payment.changed", reference, CHECKOUT.payment_id)
    refund = RefundRequest(reference, Money(1, "KRW"), "", "r-1")
    assert await reason_of(gateway.refund(replace(refund, amount=Money(1, "USD")))) == ("invalid_request", "refund")
    assert await reason_of(gateway.refund(replace(refund, amount=Money(0, "KRW")))) == ("invalid_request", "refund")
    await gateway.refund(refund)
    assert (await gateway.fetch(reference)).status is RemotePaymentStatus.PARTLY_REFUNDED
    await gateway.refund(replace(refund, amount=CHECKOUT.amount - Money(1, "KRW"), idempotency_key="r-2"))
    assert (await gateway.fetch(reference)).status is RemotePaymentStatus.REFUNDED
    assert await reason_of(gateway.refund(replace(refund, idempotency_key="r-3"))) == ("amount_exceeded", "refund")
    assert await gateway.find_refund("another", "r-1") is None
    for operation in ("pay", "fail"):
        with pytest.raises(Rejected) as unknown:
            getattr(gateway, operation)("nothing")
        assert (unknown.value.reason, unknown.value.operation) == ("not_found", operation)
    assert await reason_of(gateway.open_checkout(replace(CHECKOUT, amount=Money(0, "KRW")))) == (
        "invalid_request", "open_checkout",
    )  # fmt: skip
    unpaid = await gateway.open_checkout(replace(CHECKOUT, payment_id="2", idempotency_key="c-2"))
    refund = replace(refund, reference=unpaid.reference or "", idempotency_key="r-4")
    assert await reason_of(gateway.refund(refund)) == ("not_refundable", "refund")


async def test_payments_are_listed_by_the_hundred(gateway: MemoryPaymentGateway) -> None:
    started = datetime.now(UTC)
    for number in range(101):
        await gateway.open_checkout(replace(CHECKOUT, payment_id=f"{number}", idempotency_key=f"c-{number}"))
    ended = datetime.now(UTC) + MINUTE
    first = await gateway.list_payments(started, ended)
    rest = await gateway.list_payments(started, ended, cursor=first.cursor)
    assert [each.payment_id for each in (*first.payments, *rest.payments)] == [f"{number}" for number in range(101)]
    assert (len(first.payments), rest.cursor) == (100, None)
    assert not (await gateway.list_payments(ended, ended + MINUTE)).payments


async def agreed(gateway: MemoryPaymentGateway, **changes: Any) -> str:
    start = await gateway.subscribe(replace(PLAN, **changes))
    assert start.checkout is not None
    return gateway.agree(start.checkout.reference or "")


async def test_a_subscription_ends_once_and_stays_over(gateway: MemoryPaymentGateway) -> None:
    reference = await agreed(gateway)
    running = await gateway.fetch_subscription(reference)
    assert (running.status, running.amount, running.subscription_id) == (
        RemoteSubscriptionStatus.ACTIVE, PLAN.amount, PLAN.subscription_id,
    )  # fmt: skip
    ends = await gateway.cancel_subscription(CancelSubscriptionRequest(reference, True, "cancel-1"))
    assert (ends.cancel_at_period_end, ends.ended_at) == (True, None)
    assert gateway.renew(reference) is None
    over = await gateway.fetch_subscription(reference)
    assert over.status is RemoteSubscriptionStatus.CANCELLED
    assert over.ended_at is not None
    gateway.give_up(reference)
    for at_end in (True, False):
        again = await gateway.cancel_subscription(CancelSubscriptionRequest(reference, at_end, f"cancel-{at_end}"))
        assert again == over
    resume = ResumeSubscriptionRequest(reference, "resume-1")
    assert await reason_of(gateway.resume_subscription(resume)) == ("invalid_request", "resume_subscription")
    change = ChangeSubscriptionRequest(reference, "team", False, "change-1", Money(1, "KRW"), interval_months=1)
    assert await reason_of(gateway.change_subscription(change)) == ("invalid_request", "change_subscription")
    for operation, call in (
        ("renew", lambda: gateway.renew("nothing")),
        ("fail_renewal", lambda: gateway.fail_renewal("nothing")),
        ("give_up", lambda: gateway.give_up("nothing")),
        ("agree", lambda: gateway.agree("nothing")),
    ):
        with pytest.raises(Rejected) as unknown:
            call()
        assert (unknown.value.reason, unknown.value.operation) == ("not_found", operation)


async def test_a_renewal_that_fails_is_past_due_until_one_succeeds(gateway: MemoryPaymentGateway) -> None:
    reference = await agreed(gateway)
    before = await gateway.fetch_subscription(reference)
    failed = await gateway.fetch(gateway.fail_renewal(reference))
    assert (failed.status, failed.failure, failed.paid_at, failed.method, failed.amount) == (
        RemotePaymentStatus.FAILED, "declined", None, None, PLAN.amount,
    )  # fmt: skip
    assert (await gateway.fetch_subscription(reference)).status is RemoteSubscriptionStatus.PAST_DUE
    change = ChangeSubscriptionRequest(reference, "team", True, "change-1", Money(99_900, "KRW"), interval_months=1)
    await gateway.change_subscription(change)
    charged = await gateway.fetch(gateway.renew(reference) or "")
    assert (charged.amount, charged.method, charged.failure) == (Money(99_900, "KRW"), "card", None)
    after = await gateway.fetch_subscription(reference)
    assert (after.status, after.current_period_start) == (RemoteSubscriptionStatus.ACTIVE, before.current_period_end)
    now = datetime.now(UTC)
    assert len((await gateway.list_payments(now - MINUTE, now + MINUTE)).payments) == 3
    kinds = []
    for payment in (None, charged.reference):
        [notice] = await gateway.read_webhook(gateway.announce_subscription(reference, payment))
        kinds.append((notice.kind, notice.subscription, notice.reference))
    assert kinds == [
        ("subscription.changed", reference, None),
        ("subscription.charged", reference, charged.reference),
    ]


async def test_a_price_of_another_currency_or_a_cheaper_one_charges_nothing(gateway: MemoryPaymentGateway) -> None:
    reference = await agreed(gateway)
    change = ChangeSubscriptionRequest(reference, "small", True, "change-1", Money(100, "KRW"), interval_months=1)
    assert (await gateway.change_subscription(change)).price_reference == "small"
    usd = replace(change, amount=Money(100, "USD"), idempotency_key="change-2")
    assert await reason_of(gateway.change_subscription(usd)) == ("invalid_request", "change_subscription")
    dear = replace(change, amount=Money(200, "KRW"), prorate=False, idempotency_key="change-3")
    assert (await gateway.change_subscription(dear)).amount == Money(200, "KRW")
    now = datetime.now(UTC)
    assert len((await gateway.list_payments(now - MINUTE, now + MINUTE)).payments) == 1
    assert await reason_of(gateway.subscribe(replace(PLAN, amount=Money(0, "KRW")))) == ("invalid_request", "subscribe")


async def test_a_trial_lasts_its_days_and_costs_nothing(gateway: MemoryPaymentGateway) -> None:
    now = datetime.now(UTC)
    trial = await gateway.fetch_subscription(await agreed(gateway, trial_days=14))
    assert trial.status is RemoteSubscriptionStatus.TRIALING
    assert trial.current_period_start is not None
    assert trial.trial_ends_at is not None
    assert (trial.trial_ends_at - trial.current_period_start, trial.current_period_end) == (
        timedelta(days=14), trial.trial_ends_at,
    )  # fmt: skip
    assert not (await gateway.list_payments(now, now + MINUTE)).payments


async def test_a_card_that_was_left_is_charged_until_it_is_forgotten(gateway: MemoryPaymentGateway) -> None:
    window = StoreMethodRequest("customer-1", "https://shop.example/ok", "https://shop.example/no", "window-1")
    url = (await gateway.open_method_window(window)).url or ""
    back = gateway.leave(url)
    key = f"key-{url.rpartition('/')[2]}"
    assert back == f"https://shop.example/ok?clientKey={key}&customerId=customer-1"
    keep = KeepMethodRequest("customer-1", key, "keep-1")
    stranger = await reason_of(gateway.keep_method(replace(keep, customer_id="customer-2")))
    assert stranger == ("not_found", "keep_method")
    kept = await gateway.keep_method(keep)
    assert gateway.leave(url) == back
    assert (await gateway.keep_method(keep), kept.label) == (kept, "card **** 1234")
    assert await reason_of(gateway.keep_method(replace(keep, idempotency_key="keep-2"))) == ("not_found", "keep_method")
    charge = ChargeRequest("payment-1", "customer-1", kept.token, Money(100, "KRW"), "", "charge-1")
    paid = await gateway.charge(charge)
    assert (paid.status, paid.method, paid.failure, paid.payment_id) == (RemotePaymentStatus.PAID, "card", None, "payment-1")
    other = replace(charge, amount=Money(200, "KRW"))
    assert await reason_of(gateway.charge(other)) == ("invalid_request", "charge")
    assert await reason_of(gateway.charge(replace(charge, amount=Money(0, "KRW")))) == ("invalid_request", "charge")
    gateway.decline(kept.token)
    assert await gateway.charge(charge) == paid
    second = replace(charge, payment_id="payment-2", idempotency_key="charge-2")
    assert await reason_of(gateway.charge(second)) == ("declined", "charge")
    found = await gateway.find("payment-2")
    assert found is not None
    assert (found.status, found.failure, found.paid_at) == (RemotePaymentStatus.FAILED, "declined", None)
    await gateway.forget_method("customer-2", kept.token)
    assert await reason_of(gateway.charge(replace(second, idempotency_key="charge-3"))) == ("declined", "charge")
    await gateway.forget_method("customer-1", kept.token)
    assert await reason_of(gateway.charge(replace(second, idempotency_key="charge-4"))) == ("not_found", "charge")
    assert await reason_of(gateway.keep_method(keep)) == ("not_found", "keep_method")
