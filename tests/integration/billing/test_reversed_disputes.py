"""A dispute that was won after it was lost: granted again where that can be, else an alert until a person answers."""

from typing import Any
from uuid import UUID

import pytest

from deployment import Deployment
from integration.payment_plans.agency import Agency, day
from integration.subscriptions.subscriber import Subscriber, renewing
from madang.core.identity.roles import Role
from madang.core.kernel.caller import OPERATOR
from madang.core.kernel.errors import NotFound, WrongState
from madang.core.kernel.ids import new_id
from madang.core.operations.alerts import EVALUATE
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus

LOST, WON = RemotePaymentStatus.REFUNDED, RemotePaymentStatus.PAID


async def heard(deployment: Deployment, payment_id: str, *words: RemotePaymentStatus) -> None:
    """The bank's words, as the provider tells them."""
    for word in words:
        async with deployment.container.units() as uow:
            payment = await uow.payments.get(UUID(payment_id))
            assert payment is not None
            took = payment.amount if word is LOST else Money(0, payment.amount.currency)
            told = PaymentSnapshot(payment.reference or "", word, payment.amount, took, charged_back=took)
            await deployment.container.billing.settle(uow, payment.id, told)
        await deployment.work()


async def waiting(deployment: Deployment) -> list[str]:
    return [str(payment.id) for _, payment in await deployment.container.reversals.waiting()]


async def alert(deployment: Deployment, admin: Any) -> tuple[str, float | None]:
    await deployment.container.schedule_recurring_work()
    await deployment.execute("UPDATE messages SET due_at = now() WHERE topic = $1", EVALUATE)
    await deployment.work()
    rules = (await deployment.client.get("/admin/alerts", headers=admin.headers)).json()["data"]["rules"]
    [rule] = [each for each in rules if each["rule"] == "reversed_disputes"]
    return rule["state"], rule["value"]


@pytest.fixture
async def agency(deployment: Deployment) -> Agency:
    return await Agency(deployment).open()


async def test_an_instalment_is_paid_again_once_two_words_say_so(agency: Agency) -> None:
    """A first word may be older than the loss."""
    deployment, plan_id = agency.deployment, await agency.plan((3000, 5), (7000, 30))
    payment_id = await agency.pay(plan_id)
    await heard(deployment, payment_id, LOST)
    assert await agency.states(plan_id) == ["pending", "refunded", "pending"]
    await heard(deployment, payment_id, WON)
    assert (await agency.states(plan_id), await waiting(deployment)) == (["pending", "refunded", "pending"], [payment_id])
    await heard(deployment, payment_id, WON, WON)
    assert (await agency.states(plan_id), await waiting(deployment)) == (["partial", "paid", "pending"], [])
    assert await agency.broken() == {}
    await heard(deployment, payment_id, LOST)
    assert await agency.states(plan_id) == ["pending", "refunded", "pending"]


async def test_an_instalment_that_was_asked_for_anew_waits_for_a_person(agency: Agency) -> None:
    deployment, plan_id = agency.deployment, await agency.plan((3000, 5), (7000, 30))
    payment_id = await agency.pay(plan_id)
    await heard(deployment, payment_id, LOST)
    await agency.change(plan_id, 1, dueDate=day(10).isoformat())
    assert await agency.states(plan_id) == ["pending", "pending", "pending"]
    await heard(deployment, payment_id, WON, WON)
    assert (await agency.states(plan_id), await waiting(deployment)) == (["pending", "pending", "pending"], [payment_id])


async def test_what_cannot_be_granted_again_alerts_until_a_person_has_answered(deployment: Deployment) -> None:
    await renewing(deployment)
    subscriber = Subscriber(deployment, await deployment.member())
    admin, reversals = await deployment.member(Role.ADMIN), deployment.container.reversals
    active = await subscriber.subscribe("publishing-business")
    payment_id = active["periods"][0]["paymentId"]
    await heard(deployment, payment_id, LOST, WON, WON)
    assert ((await subscriber.get(active))["status"], await waiting(deployment)) == ("ended", [payment_id])
    assert await alert(deployment, admin) == ("firing", 1.0)
    await reversals.answer(OPERATOR, UUID(payment_id))
    assert await waiting(deployment) == []
    with pytest.raises(WrongState):
        await reversals.answer(OPERATOR, UUID(payment_id))
    with pytest.raises(NotFound):
        await reversals.answer(OPERATOR, new_id())
