"""Whose money goes back has no subscription for it: it ends at once, is charged no more, and its unspent credits go, too."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from deployment import Deployment
from integration.subscriptions.subscriber import Subscriber
from madang.core.billing.events import SUBSCRIPTION_PERIOD_STARTED
from madang.core.identity.roles import Role
from madang.core.kernel.events import Event
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def refund(subscriber: Subscriber, payment_id: str, amount: int | None = None) -> None:
    manager = Subscriber(subscriber.deployment, await subscriber.deployment.member(Role.PROJECT_MANAGER))
    part = {} if amount is None else {"amount": {"amount": amount, "currency": "KRW"}}
    await manager.call("POST", f"/payments/{payment_id}/refunds", 202, {"reason": "asked for", **part})
    await subscriber.deployment.work()


async def charged_back(subscriber: Subscriber, payment_id: str, taken: int | None = None) -> None:
    """The bank decided against us."""
    async with subscriber.deployment.container.units() as uow:
        payment = await uow.payments.get(UUID(payment_id))
        assert payment is not None
        took = payment.amount if taken is None else Money(taken, payment.amount.currency)
        status = RemotePaymentStatus.REFUNDED if taken is None else RemotePaymentStatus.PARTLY_REFUNDED
        word = PaymentSnapshot(payment.reference or "", status, payment.amount, took, charged_back=took)
        await subscriber.deployment.container.billing.settle(uow, payment.id, word)
    await subscriber.deployment.work()


async def credits_of(subscriber: Subscriber) -> int:
    balance: int = (await subscriber.call("GET", "/credits/balance", 200))["balance"]
    return balance


def standing(subscription: dict[str, Any]) -> tuple[str, str | None]:
    return subscription["status"], subscription["endReason"]


async def test_a_full_refund_of_what_runs_ends_it_with_its_unspent_credits(subscriber: Subscriber) -> None:
    active = await subscriber.subscribe("publishing-business")
    assert await credits_of(subscriber) == 2000
    [period] = active["periods"]
    await refund(subscriber, period["paymentId"], 1000)
    assert (standing(await subscriber.get(active)), await credits_of(subscriber)) == (("active", None), 2000)
    await refund(subscriber, period["paymentId"])
    assert (standing(await subscriber.get(active)), await credits_of(subscriber)) == (("ended", "refunded"), 0)
    await subscriber.days_pass(31)
    assert len(await subscriber.payments()) == 1


async def test_a_full_refund_of_an_earlier_cycle_or_of_a_change_ends_nothing(subscriber: Subscriber) -> None:
    trial = await subscriber.subscribe("hosting-basic")
    await subscriber.step(trial, "cancel", {"atPeriodEnd": False})
    active = await subscriber.subscribe("hosting-premium")
    await subscriber.days_pass(31)
    changed = await subscriber.step(active, "change", {"planId": "hosting-enterprise"})
    first, second, change = changed["periods"]
    assert (first["kind"], second["kind"], change["kind"]) == ("regular", "regular", "change")
    await refund(subscriber, first["paymentId"])
    await refund(subscriber, change["paymentId"])
    assert standing(await subscriber.get(active)) == ("active", None)
    await refund(subscriber, second["paymentId"])
    assert standing(await subscriber.get(active)) == ("ended", "refunded")


@pytest.mark.parametrize("taken", [None, 1000])
async def test_a_lost_dispute_of_what_runs_ends_it_also_for_a_part(subscriber: Subscriber, taken: int | None) -> None:
    active = await subscriber.subscribe("publishing-business")
    await charged_back(subscriber, active["periods"][0]["paymentId"], taken)
    assert standing(await subscriber.get(active)) == ("ended", "charged_back")
    assert await credits_of(subscriber) == (0 if taken is None else 2000)


async def test_a_lost_dispute_of_an_earlier_cycle_ends_it_with_what_is_paid(subscriber: Subscriber) -> None:
    active = await subscriber.subscribe()
    await subscriber.days_pass(31)
    await charged_back(subscriber, active["periods"][0]["paymentId"])
    ending = await subscriber.get(active)
    assert (standing(ending), ending["cancelAtPeriodEnd"]) == (("active", None), True)
    await subscriber.days_pass(31)
    assert ((await subscriber.get(active))["status"], len(await subscriber.payments())) == ("cancelled", 2)


async def test_money_that_was_gone_before_its_period_was_granted_grants_nothing(
    deployment: Deployment, subscriber: Subscriber
) -> None:
    active = await subscriber.subscribe("publishing-business")
    await refund(subscriber, active["periods"][0]["paymentId"])
    await deployment.execute("DELETE FROM credit_months")
    await deployment.execute("UPDATE subscription_periods SET number = 2")
    told = {
        "subscription_id": active["id"], "user_id": str(subscriber.member.id), "plan_id": "publishing-business", "period": 2,
        "period_start": datetime.now(UTC).isoformat(), "period_end": (datetime.now(UTC) + timedelta(days=31)).isoformat(),
        "credits": 2000,
    }  # fmt: skip
    async with deployment.container.units() as uow:
        uow.announce(Event(SUBSCRIPTION_PERIOD_STARTED, f"subscription:{active['id']}", told))
    await deployment.work()
    assert await credits_of(subscriber) == 0


async def test_erasure_waits_for_who_grants_and_neither_is_a_victim(deployment: Deployment, subscriber: Subscriber) -> None:
    """The subscription's row before the wallet's, for everybody: in another order each would wait for the other."""
    active = await subscriber.subscribe("publishing-business")
    await subscriber.call("DELETE", "/privacy/me", 202, {"confirm": True})
    async with deployment.container.units() as uow:
        await uow.subscriptions.get(UUID(active["id"]), lock=True)
        erasing = asyncio.create_task(deployment.work())
        await deployment.until(f"{WAITS} HAVING count(*) > 0")
        wallet_id = await deployment.value("SELECT wallet_id FROM credit_accounts WHERE kind = 'available'")
        assert await uow.credits.lock_wallet(wallet_id, wait=False) is not None
    await erasing
    assert await deployment.value("SELECT count(*) FROM subscriptions") == 0
    assert await deployment.value("SELECT max(failures) FROM messages") == 0
