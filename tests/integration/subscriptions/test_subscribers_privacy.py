"""Who asks to be forgotten is charged no more: the card is deleted at its provider, money on its way goes back."""

from deployment import Deployment
from integration.subscriptions.subscriber import Subscriber
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.paging import CursorRequest


async def erased(deployment: Deployment, subscriber: Subscriber) -> None:
    await subscriber.call("DELETE", "/privacy/me", 202, {"confirm": True})
    await deployment.work()


async def test_the_copy_holds_subscriptions_and_means_of_payment_and_no_token(
    deployment: Deployment, subscriber: Subscriber
) -> None:
    active = await subscriber.subscribe()
    told = (await subscriber.call("GET", "/privacy/export", 200))["sections"]["subscriptions"]
    assert [one["id"] for one in told["subscriptions"]] == [active["id"]]
    assert told["paymentMethods"][0]["label"] == active["paymentMethod"]["label"]
    assert "token" not in str(told).lower()


async def test_nobody_charges_who_was_erased(deployment: Deployment, subscriber: Subscriber) -> None:
    await subscriber.subscribe()
    await erased(deployment, subscriber)
    left = [await deployment.value(f"SELECT count(*) FROM {table}") for table in ("subscriptions", "payment_methods")]
    assert left == [0, 0]
    states = await deployment.world.run(lambda c: [row["status"] for row in c.execute("SELECT status FROM stored_methods")])
    assert states == ["forgotten"]
    await subscriber.days_pass(31)
    assert await subscriber.taken() == [100_000]


async def test_a_payment_that_arrives_after_the_erasure_goes_back(deployment: Deployment, subscriber: Subscriber) -> None:
    await subscriber.subscribe()
    await deployment.execute("DELETE FROM subscriptions")
    await deployment.execute("UPDATE payments SET status = 'pending'")
    payment_id = await deployment.value("SELECT id FROM payments")
    async with deployment.container.units() as uow:
        await deployment.container.billing.check_soon(uow, payment_id)
    await deployment.work()
    assert await deployment.value("SELECT status FROM payments") == "refunded"


async def test_what_was_removed_by_its_owner_is_forgotten_with_them(deployment: Deployment, subscriber: Subscriber) -> None:
    active = await subscriber.subscribe()
    await subscriber.step(active, "cancel", {"atPeriodEnd": False})
    caller = Caller(CallerKind.USER, subscriber.member.id)
    [method] = (await deployment.container.stored_methods.page(subscriber.member.id, CursorRequest())).items
    await deployment.container.stored_methods.remove(caller, method.id)
    await erased(deployment, subscriber)
    assert await deployment.value("SELECT count(*) FROM payment_methods") == 0
