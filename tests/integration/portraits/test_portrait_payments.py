"""The payment's webhook is the truth and the browser's return a hint: whatever comes when, a job is paid once or not at all."""

import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import pytest

from integration.portraits.shop import BUYER, Notice, Shop
from madang.core.billing.model import PaymentStatus
from madang.core.kernel.errors import Gone
from madang.core.portraits.model import PRICE, PortraitStatus
from madang.core.portraits.ordering import OrderPortrait

Story = Callable[[Shop, UUID], Awaitable[None]]


async def webhook_first(shop: Shop, job: UUID) -> None:
    await shop.hand_over()
    await shop.work()
    await shop.portraits.check_payment(job)


async def webhook_after_the_return(shop: Shop, job: UUID) -> None:
    await shop.portraits.check_payment(job)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PENDING_PHONE
    assert await shop.hand_over() == [True]


async def webhook_and_return_at_once(shop: Shop, job: UUID) -> None:
    await shop.hand_over()
    await shop.portraits.check_payment(job)


async def webhook_twice(shop: Shop, job: UUID) -> None:
    [notice] = await shop.notices()
    assert await shop.hand_over(notice, notice) == [True, False]
    await shop.work()
    assert await shop.hand_over(notice) == [False]


async def no_webhook_but_the_return(shop: Shop, job: UUID) -> None:
    await shop.portraits.check_payment(job)


async def neither(shop: Shop, job: UUID) -> None:
    """The scheduled look-up, twenty seconds after the order."""
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PENDING_PAYMENT
    await shop.let_pass(seconds=20)


STORIES = [
    webhook_first, webhook_after_the_return, webhook_and_return_at_once, webhook_twice, no_webhook_but_the_return, neither,
]  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_however_the_news_comes_the_job_is_paid_once(shop: Shop, story: Story) -> None:
    job = await shop.order()
    await shop.pay(job)
    assert await shop.status(job) is PortraitStatus.PENDING_PAYMENT
    await story(shop, job)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PENDING_PHONE
    [payment] = await shop.rows("SELECT status, amount, currency, paid_at FROM payments")
    assert (payment["status"], payment["amount"], payment["currency"]) == ("paid", PRICE.amount, PRICE.currency)
    assert payment["paid_at"] is not None
    assert await shop.refunds() == []
    await shop.let_pass(hours=2)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PENDING_PHONE
    assert await shop.rows("SELECT 1 FROM messages WHERE state = 'waiting' AND topic = 'billing.look_up'") == []


async def test_a_return_from_the_checkout_without_a_payment_changes_nothing(shop: Shop) -> None:
    job = await shop.order()
    await shop.portraits.check_payment(job)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PENDING_PAYMENT
    assert await shop.value("SELECT status FROM payments") == PaymentStatus.PENDING


async def test_a_hundred_returns_in_one_moment_ask_the_provider_a_few_times_only(shop: Shop) -> None:
    job = await shop.order()
    for _ in range(100):
        await shop.portraits.check_payment(job)
    await shop.work()
    assert 1 <= (await shop.calls())["payment.find"] <= 5


async def test_while_nobody_pays_the_provider_is_asked_until_an_hour_after_the_end_and_then_no_more(shop: Shop) -> None:
    await shop.order()
    for _ in range(30):
        await shop.let_pass(hours=1)
        await shop.work()
    assert (await shop.calls())["payment.find"] >= 5
    assert await shop.rows("SELECT 1 FROM messages WHERE state = 'waiting' AND topic = 'billing.look_up'") == []
    for broken in shop.container.invariants:
        assert await broken.violations() == [], broken.name


async def test_a_payment_that_arrives_after_the_jobs_end_is_refunded_in_full(shop: Shop) -> None:
    job = await shop.order()
    await shop.let_pass(hours=24)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.EXPIRED
    await shop.pay(job)
    await shop.hand_over()
    await shop.work()
    assert await shop.refunds() == [(await shop.reference(job), PRICE.amount)]
    assert await shop.status(job) is PortraitStatus.EXPIRED
    await shop.hand_over()
    await shop.work()
    assert await shop.value("SELECT status FROM payments") == PaymentStatus.REFUNDED
    assert len(await shop.refunds()) == 1


async def test_a_payment_whose_news_comes_after_the_end_and_before_the_purge_is_refunded_once(shop: Shop) -> None:
    """The job is past its time, and nobody has closed it yet."""
    job = await shop.order()
    await shop.pay(job)
    await shop.let_pass(hours=24)
    await shop.execute("UPDATE messages SET due_at = now() + interval '1 hour' WHERE topic = 'portraits.expire'")
    await shop.hand_over()
    await shop.work()
    with pytest.raises(Gone):
        await shop.portraits.set_phone(job, "010-1234-5678")
    await shop.let_pass(hours=1)
    await shop.hand_over()
    await shop.work()
    assert len(await shop.refunds()) == 1
    assert await shop.status(job) is PortraitStatus.EXPIRED


@pytest.mark.parametrize("column", ["amount = 100", "currency = 'USD'", "amount = 9901"])
async def test_a_payment_of_another_amount_changes_nothing(shop: Shop, column: str) -> None:
    job = await shop.order()

    def falsify(connection: sqlite3.Connection) -> None:
        connection.execute(f"UPDATE payments SET {column}")

    await shop.world.run(falsify)
    await shop.pay(job)
    await shop.hand_over()
    await shop.portraits.check_payment(job)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PENDING_PAYMENT
    assert await shop.value("SELECT status FROM payments") == PaymentStatus.PENDING
    assert await shop.value("SELECT outcome FROM inbox") == "amount_mismatch"
    assert await shop.rows("SELECT 1 FROM refunds") == []


async def test_a_webhook_that_lies_does_not_make_a_job_paid(shop: Shop) -> None:
    """It is only a reason to ask: what the provider answers counts, though the body was signed."""
    job = await shop.order()
    data = {"payment_id": str((await shop.view(job)).payment_id), "reference": await shop.reference(job), "status": "paid"}
    money = {"amount": PRICE.amount, "currency": PRICE.currency, "refunded": 0, "paid_at": None, "method": "card"}
    body = json.dumps({"type": "payment.paid", "timestamp": "2030-01-01T00:00:00+00:00", "data": data | money})
    assert await shop.hand_over(Notice("evt_lie", "payment.paid", body)) == [True]
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PENDING_PAYMENT


async def test_news_of_a_payment_that_is_not_ours_is_noted_and_nothing_else(shop: Shop) -> None:
    job = await shop.order()
    await shop.pay(job)
    [notice] = await shop.notices()
    stranger = json.loads(notice.body)
    stranger["data"] |= {"payment_id": "not-one-of-ours", "reference": "pay_elsewhere"}
    assert await shop.hand_over(replace(notice, event_id="evt_other", body=json.dumps(stranger))) == [True]
    await shop.work()
    assert await shop.value("SELECT outcome FROM inbox") == "unknown_payment"
    assert await shop.status(job) is PortraitStatus.PENDING_PAYMENT


async def test_a_declined_card_may_be_followed_by_another_one(shop: Shop) -> None:
    job = await shop.order()
    await shop.with_knobs(decline=True)
    await shop.pay(job)
    await shop.hand_over()
    await shop.work()
    assert await shop.value("SELECT status FROM payments") == PaymentStatus.FAILED
    assert await shop.status(job) is PortraitStatus.PENDING_PAYMENT
    await shop.with_knobs(decline=False)
    await shop.pay(job)
    await shop.hand_over()
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PENDING_PHONE


async def test_the_same_order_again_is_the_same_job_and_the_same_checkout(shop: Shop) -> None:
    job = await shop.order()
    again = await shop.portraits.order(OrderPortrait(job, BUYER, "ko"))
    assert again.portrait.id == job
    assert again.checkout.reference == await shop.reference(job)
    assert await shop.value("SELECT count(*) FROM payments") == 1
    assert len(await shop.remote("SELECT 1 FROM payments")) == 1
