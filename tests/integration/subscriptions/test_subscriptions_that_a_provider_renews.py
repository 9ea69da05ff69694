"""A subscription that its provider renews, lived over HTTP: what it says is followed, what it charged is counted once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from deployment import Deployment, OpenDeployment
from integration.subscriptions.subscriber import Subscriber, renewing
from madang.adapters.memory.payment import MemoryPaymentGateway
from madang.ports.money import Money
from madang.ports.payment import RemotePaymentStatus, RemoteSubscriptionStatus, SubscribeRequest, SubscriptionStart
from madang.ports.provider import ProviderKind
from madang.ports.webhook import WebhookRequest

REFERENCES = {"hosting-basic/KRW": "price_b", "hosting-premium/KRW": "price_p", "hosting-enterprise/KRW": "price_e"}


class Hosted(Subscriber):
    """Whose provider renews by itself, and is told what to do."""

    @property
    def provider(self) -> MemoryPaymentGateway:
        gateway = self.deployment.container.registry.build(ProviderKind.PAYMENT, "memory")
        assert isinstance(gateway, MemoryPaymentGateway)
        return gateway

    async def hear(self, request: WebhookRequest) -> None:
        answer = await self.deployment.client.post("/webhooks/memory", content=request.body, headers=dict(request.headers))
        assert answer.status_code == 200, answer.text

    async def agreed(self, plan: str = "hosting-enterprise") -> tuple[dict[str, Any], str]:
        """The person went through the provider's checkout, and its notice came."""
        begun = await self.begin(plan)
        assert (begun["kind"], begun["status"]) == ("hosted", "incomplete")
        reference = self.provider.agree(begun["checkout"]["url"].rsplit("/", 1)[1])
        await self.hear(self.provider.announce_subscription(reference))
        await self.deployment.work()
        return await self.get(begun), reference

    async def renewed(self, reference: str) -> str:
        payment = self.provider.renew(reference)
        assert payment is not None
        await self.hear(self.provider.announce_subscription(reference, payment))
        await self.deployment.work()
        return payment

    def charge(self, payment: str) -> Any:
        return self.provider.world.shelf("payment")[payment]


@pytest.fixture
async def hosted(open_deployment: OpenDeployment, make_settings: Any) -> AsyncIterator[Hosted]:
    routes = {**make_settings().routes, "payment": ("memory",)}
    async with open_deployment(routes=routes, billing={"price_references": {"memory": REFERENCES}}) as deployment:
        await renewing(deployment)
        yield Hosted(deployment, await deployment.member())


def periods(subscription: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(one["kind"], one["status"], one["amount"]["amount"]) for one in subscription["periods"]]


async def test_it_is_agreed_to_renewed_declined_paid_and_given_up(hosted: Hosted) -> None:
    active, reference = await hosted.agreed()
    assert (active["status"], periods(active)) == ("active", [("regular", "paid", 100_000)])
    await hosted.renewed(reference)
    assert periods(await hosted.get(active)) == [("regular", "paid", 100_000)] * 2
    failed = hosted.provider.fail_renewal(reference)
    await hosted.hear(hosted.provider.announce_subscription(reference, failed))
    await hosted.deployment.work()
    assert (await hosted.get(active))["status"] == "past_due"
    await hosted.renewed(reference)
    assert (await hosted.get(active))["status"] == "active"
    hosted.provider.fail_renewal(reference)
    await hosted.hear(hosted.provider.announce_subscription(reference))
    await hosted.deployment.work()
    hosted.provider.give_up(reference)
    await hosted.hear(hosted.provider.announce_subscription(reference))
    await hosted.deployment.work()
    over = await hosted.get(active)
    assert (over["status"], periods(over)) == ("ended", [("regular", "paid", 100_000)] * 3)
    paid = [one for one in await hosted.payments() if one["status"] == "paid"]
    assert len(paid) == 3


async def test_a_trial_begins_free_and_is_charged_afterwards(hosted: Hosted) -> None:
    trial, reference = await hosted.agreed("hosting-basic")
    assert (trial["status"], periods(trial)) == ("trialing", [("trial", "free", 0)])
    await hosted.renewed(reference)
    active = await hosted.get(trial)
    assert (active["status"], periods(active)) == ("active", [("trial", "free", 0), ("regular", "paid", 30_000)])


async def test_notices_that_come_twice_at_once_and_in_any_order_count_once(deployment: Deployment, hosted: Hosted) -> None:
    active, reference = await hosted.agreed()
    first, second = hosted.provider.renew(reference), hosted.provider.renew(reference)
    notices = [hosted.provider.announce_subscription(reference, one) for one in (second, None, first, second, first)]
    await asyncio.gather(*(hosted.hear(notice) for notice in [*notices, *notices]))
    await hosted.deployment.work()
    now = await hosted.get(active)
    assert now["status"] == "active"
    assert [one["paymentId"] for one in now["periods"]] == list(dict.fromkeys(one["paymentId"] for one in now["periods"]))


async def test_a_renewal_of_which_no_notice_came_is_asked_for(hosted: Hosted) -> None:
    active, reference = await hosted.agreed()
    hosted.provider.renew(reference)
    await hosted.deployment.execute("UPDATE subscriptions SET due_at = now()")
    await hosted.sweep()
    assert periods(await hosted.get(active)) == [("regular", "paid", 100_000)] * 2


async def test_a_declined_renewal_that_was_paid_since_is_asked_for_when_no_notice_came(hosted: Hosted) -> None:
    """Under the same reference: as an invoice that a provider tries again."""
    active, reference = await hosted.agreed()
    charge = hosted.provider.renew(reference)
    assert charge is not None
    charges = hosted.provider.world.shelf("payment")
    charges[charge] = replace(hosted.charge(charge), status=RemotePaymentStatus.FAILED, paid_at=None)
    await hosted.hear(hosted.provider.announce_subscription(reference, charge))
    await hosted.deployment.work()
    assert periods(await hosted.get(active))[1] == ("regular", "due", 100_000)
    charges[charge] = replace(hosted.charge(charge), status=RemotePaymentStatus.PAID)
    await hosted.deployment.execute("UPDATE subscriptions SET due_at = now()")
    await hosted.sweep()
    assert periods(await hosted.get(active)) == [("regular", "paid", 100_000)] * 2


@pytest.mark.parametrize("since", ["partly_refunded", "disputed"])
async def test_a_charge_that_was_doubted_before_its_first_notice_came_keeps_its_period(hosted: Hosted, since: str) -> None:
    """The notice that it was paid was lost."""
    active, reference = await hosted.agreed()
    charge = hosted.provider.renew(reference)
    assert charge is not None
    back = Money({"partly_refunded": 10_000, "disputed": 0}[since], "KRW")
    now = replace(hosted.charge(charge), status=RemotePaymentStatus(since), refunded=back)
    hosted.provider.world.shelf("payment")[charge] = now
    await hosted.hear(hosted.provider.announce_subscription(reference, charge))
    await hosted.deployment.work()
    assert periods(await hosted.get(active)) == [("regular", "paid", 100_000)] * 2
    assert [one["status"] for one in await hosted.payments()] == [since, "paid"]


async def test_an_old_invoice_that_is_paid_in_the_next_period_pays_the_old_one(hosted: Hosted) -> None:
    active, reference = await hosted.agreed()
    old = hosted.provider.renew(reference)
    assert old is not None
    owed = replace(hosted.charge(old), status=RemotePaymentStatus.FAILED, paid_at=None)
    paid = hosted.charge(old)
    hosted.provider.world.shelf("payment")[old] = owed
    await hosted.hear(hosted.provider.announce_subscription(reference))
    await hosted.deployment.work()
    hosted.provider.fail_renewal(reference)
    current = hosted.provider.renew(reference)
    assert current is not None
    latest = hosted.charge(current)
    hosted.provider.world.shelf("payment")[current] = replace(latest, status=RemotePaymentStatus.FAILED, paid_at=None)
    await hosted.hear(hosted.provider.announce_subscription(reference))
    await hosted.deployment.work()
    hosted.provider.world.shelf("payment")[old] = paid
    await hosted.hear(hosted.provider.announce_subscription(reference, old))
    await hosted.deployment.work()
    assert [status for _, status, _ in periods(await hosted.get(active))] == ["paid", "paid", "due"]
    hosted.provider.world.shelf("payment")[current] = latest
    await hosted.hear(hosted.provider.announce_subscription(reference, current))
    await hosted.deployment.work()
    assert [status for _, status, _ in periods(await hosted.get(active))] == ["paid", "paid", "paid"]


async def test_a_checkout_that_nobody_went_through_is_handed_out_again(hosted: Hosted) -> None:
    first, again = await hosted.begin("hosting-basic"), await hosted.begin("hosting-basic")
    assert (again["id"], again["checkout"]) == (first["id"], first["checkout"])
    await hosted.deployment.let_pass(hours=13)
    later = await hosted.begin("hosting-basic")
    assert later["id"] != first["id"]
    assert (await hosted.get(first))["endReason"] == "replaced"


async def test_what_nobody_agreed_to_in_its_time_is_over_and_paid_late_goes_back(hosted: Hosted) -> None:
    first = await hosted.begin("hosting-enterprise")
    await hosted.days_pass(3.1)
    assert ((over := await hosted.get(first))["status"], over["endReason"]) == ("ended", "never_begun")
    again = await hosted.begin("hosting-enterprise")
    assert again["id"] != first["id"]
    reference = hosted.provider.agree(first["checkout"]["url"].rsplit("/", 1)[1])
    charge = next(iter(hosted.provider.world.shelf("payment")))
    await hosted.hear(hosted.provider.announce_subscription(reference, charge))
    await hosted.deployment.work()
    assert (await hosted.provider.fetch_subscription(reference)).status is RemoteSubscriptionStatus.CANCELLED
    assert hosted.charge(charge).refunded == Money(100_000, "KRW")
    assert (await hosted.get(again))["status"] == "incomplete"


async def test_another_amount_is_believed_by_nobody_and_alerts(hosted: Hosted) -> None:
    active, reference = await hosted.agreed()
    payment = hosted.provider.renew(reference)
    assert payment is not None
    hosted.provider.world.shelf("payment")[payment] = replace(hosted.charge(payment), amount=Money(100, "KRW"))
    await hosted.hear(hosted.provider.announce_subscription(reference, payment))
    await hosted.deployment.work()
    assert periods(await hosted.get(active))[1] == ("regular", "due", 100_000)
    assert await hosted.deployment.value("SELECT count(*) FROM amount_mismatches") == 1
    assert [one["status"] for one in await hosted.payments()].count("paid") == 1


async def test_an_upgrade_is_prorated_by_the_provider_and_never_above_the_price(hosted: Hosted) -> None:
    trial, _ = await hosted.agreed("hosting-basic")
    await hosted.step(trial, "cancel", {"atPeriodEnd": False})
    again, reference = await hosted.agreed("hosting-premium")
    higher = await hosted.step(again, "change", {"planId": "hosting-enterprise"})
    assert (higher["planId"], higher["currentPeriod"]["kind"]) == ("hosting-enterprise", "change")
    charges = hosted.provider.world.shelf("payment")
    [proration] = [name for name, one in charges.items() if one.subscription == reference and one.amount.amount != 50_000]
    await hosted.hear(hosted.provider.announce_subscription(reference, proration))
    await hosted.deployment.work()
    kind, status, amount = periods(await hosted.get(again))[1]
    assert (kind, status) == ("change", "paid")
    assert 0 < amount <= 50_000


async def test_a_lower_plan_is_asked_for_shortly_before_the_period_ends(hosted: Hosted) -> None:
    active, reference = await hosted.agreed()
    lower = await hosted.step(active, "change", {"planId": "hosting-premium"})
    assert (lower["nextPlanId"], lower["planId"]) == ("hosting-premium", "hosting-enterprise")
    assert (await hosted.provider.fetch_subscription(reference)).price_reference == "price_e"
    await hosted.deployment.execute(
        "UPDATE subscription_periods SET ends_at = now() + interval '1 hour', starts_at = now() - interval '30 days'"
    )
    await hosted.deployment.execute("UPDATE subscriptions SET due_at = now()")
    await hosted.sweep()
    assert (await hosted.provider.fetch_subscription(reference)).price_reference == "price_p"


async def test_it_is_cancelled_at_the_end_resumed_and_cancelled_at_the_provider(hosted: Hosted) -> None:
    active, reference = await hosted.agreed()
    assert (await hosted.step(active, "cancel", {"atPeriodEnd": True}))["cancelAtPeriodEnd"] is True
    assert (await hosted.provider.fetch_subscription(reference)).cancel_at_period_end is True
    resumed = await hosted.step(active, "resume", {})
    assert (resumed["cancelAtPeriodEnd"], resumed["underWay"]) == (False, None)
    assert (await hosted.provider.fetch_subscription(reference)).cancel_at_period_end is False
    await hosted.step(active, "cancel", {"atPeriodEnd": False})
    assert (await hosted.provider.fetch_subscription(reference)).status == "cancelled"
    assert (await hosted.get(active))["status"] == "cancelled"


async def test_a_charge_after_the_end_goes_back(hosted: Hosted) -> None:
    """Somebody charged in the moment in which it was cancelled."""
    active, reference = await hosted.agreed()
    late = hosted.provider.renew(reference)
    assert late is not None
    await hosted.step(active, "cancel", {"atPeriodEnd": False})
    await hosted.hear(hosted.provider.announce_subscription(reference, late))
    await hosted.deployment.work()
    assert hosted.charge(late).refunded == Money(100_000, "KRW")
    assert periods(await hosted.get(active)) == [("regular", "paid", 100_000)]


async def test_erasure_cancels_at_the_provider_first(hosted: Hosted) -> None:
    _, reference = await hosted.agreed()
    await hosted.call("DELETE", "/privacy/me", 202, {"confirm": True})
    await hosted.deployment.work()
    assert (await hosted.provider.fetch_subscription(reference)).status == "cancelled"
    assert await hosted.deployment.value("SELECT count(*) FROM subscriptions") == 0
    assert await hosted.deployment.value("SELECT count(*) FROM payments WHERE user_id IS NULL") == 1


@pytest.mark.parametrize("leaves", ["cancels", "is erased"])
async def test_who_agreed_a_moment_ago_and_leaves_is_not_charged_on_though_no_notice_came_yet(
    hosted: Hosted, leaves: str
) -> None:
    """The subscription is known by its checkout only."""
    begun = await hosted.begin("hosting-enterprise")
    reference = hosted.provider.agree(begun["checkout"]["url"].rsplit("/", 1)[1])
    if leaves == "cancels":
        await hosted.step(begun, "cancel", {"atPeriodEnd": False})
    else:
        await hosted.call("DELETE", "/privacy/me", 202, {"confirm": True})
        await hosted.deployment.work()
        assert await hosted.deployment.value("SELECT count(*) FROM subscriptions") == 0
    told = await hosted.provider.fetch_subscription(reference)
    assert told.status is RemoteSubscriptionStatus.CANCELLED


async def test_who_paid_and_cancels_before_we_heard_of_it_keeps_the_period(hosted: Hosted) -> None:
    begun = await hosted.begin("hosting-enterprise")
    reference = hosted.provider.agree(begun["checkout"]["url"].rsplit("/", 1)[1])
    kept = await hosted.step(begun, "cancel", {"atPeriodEnd": True})
    charge = next(iter(hosted.provider.world.shelf("payment")))
    await hosted.hear(hosted.provider.announce_subscription(reference, charge))
    await hosted.deployment.work()
    kept = await hosted.get(begun)
    assert (kept["status"], kept["cancelAtPeriodEnd"], periods(kept)) == ("active", True, [("regular", "paid", 100_000)])
    assert (await hosted.provider.fetch_subscription(reference)).cancel_at_period_end
    assert hosted.charge(charge).refunded == Money(0, "KRW")


async def test_who_cancels_what_nobody_paid_yet_has_nothing_and_is_not_charged(hosted: Hosted) -> None:
    begun = await hosted.begin("hosting-enterprise")
    over = await hosted.step(begun, "cancel", {"atPeriodEnd": True})
    assert (over["status"], over["endReason"], over["periods"]) == ("cancelled", "cancelled", [])


async def test_what_is_being_cancelled_is_not_taken_up_again(hosted: Hosted) -> None:
    begun = await hosted.begin("hosting-enterprise")
    await hosted.call("POST", f"/subscriptions/{begun['id']}/cancel", 202, {"atPeriodEnd": True})
    again = await hosted.begin("hosting-enterprise")
    assert again["id"] != begun["id"]
    await hosted.deployment.work()
    assert ((await hosted.get(again))["status"], (await hosted.get(begun))["status"]) == ("incomplete", "ended")


async def test_a_notice_that_comes_before_the_answer_keeps_what_it_said(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe, references = MemoryPaymentGateway.subscribe, []

    async def heard_first(gateway: MemoryPaymentGateway, request: SubscribeRequest) -> SubscriptionStart:
        start = await subscribe(gateway, request)
        assert start.checkout is not None
        references.append(hosted.provider.agree(str(start.checkout.reference)))
        await hosted.hear(hosted.provider.announce_subscription(references[0]))
        await hosted.deployment.work()
        return start

    monkeypatch.setattr(MemoryPaymentGateway, "subscribe", heard_first)
    begun = await hosted.begin("hosting-enterprise")
    assert (begun["status"], begun["checkout"]) == ("active", None)
    assert await hosted.deployment.value("SELECT reference FROM subscriptions") == references[0]


async def test_what_is_cancelled_while_its_checkout_is_opened_cannot_be_agreed_to_unnoticed(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = MemoryPaymentGateway.subscribe

    async def cancelled_first(gateway: MemoryPaymentGateway, request: SubscribeRequest) -> SubscriptionStart:
        start = await subscribe(gateway, request)
        assert start.checkout is not None
        hosted.provider.agree(str(start.checkout.reference))
        await hosted.call("POST", f"/subscriptions/{request.subscription_id}/cancel", 202, {"atPeriodEnd": True})
        return start

    monkeypatch.setattr(MemoryPaymentGateway, "subscribe", cancelled_first)
    begun = await hosted.begin("hosting-enterprise")
    await hosted.deployment.work()
    assert ((await hosted.get(begun))["status"], begun["checkout"]) == ("cancelled", None)
    reference = await hosted.deployment.value("SELECT reference FROM subscriptions")
    assert (await hosted.provider.fetch_subscription(reference)).status is RemoteSubscriptionStatus.CANCELLED
