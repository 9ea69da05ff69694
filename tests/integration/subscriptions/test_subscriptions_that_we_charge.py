"""A subscription whose card we charge ourselves, lived over HTTP: begun, renewed, changed, declined, suspended, ended."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from deployment import Deployment
from integration.subscriptions.subscriber import BACK, Asked, Subscriber
from madang.core.billing.events import payment_changed
from madang.ports.money import Money


async def test_a_card_is_left_charged_and_renewed_each_month(deployment: Deployment, subscriber: Subscriber) -> None:
    begun = await subscriber.begin("hosting-enterprise")
    assert (begun["status"], begun["kind"], begun["provider"]) == ("incomplete", "stored_method", "sandbox")
    assert await subscriber.taken() == []
    await subscriber.activate(begun)
    await deployment.work()
    active = await subscriber.get(begun)
    assert (active["status"], active["checkout"]) == ("active", None)
    assert active["paymentMethod"]["label"].startswith("card ****")
    assert UUID(active["paymentMethod"]["id"]).version == 7
    await subscriber.days_pass(31)
    renewed = await subscriber.get(begun)
    assert [period["status"] for period in renewed["periods"]] == ["paid", "paid"]
    assert await subscriber.taken() == [100_000, 100_000]
    assert [(one["purpose"], one["status"]) for one in await subscriber.payments()] == [("subscriptions", "paid")] * 2


async def test_a_trial_is_followed_by_the_first_charge_and_is_had_once(subscriber: Subscriber) -> None:
    begun = await subscriber.begin()
    trial = await subscriber.activate(begun)
    assert (trial["status"], trial["currentPeriod"]["kind"]) == ("trialing", "trial")
    await subscriber.days_pass(14)
    active = await subscriber.get(begun)
    assert (active["status"], await subscriber.taken()) == ("active", [30_000])
    await subscriber.step(active, "cancel", {"atPeriodEnd": False})
    again = await subscriber.begin(methodId=active["paymentMethod"]["id"])
    await subscriber.deployment.work()
    assert ((await subscriber.get(again))["status"], await subscriber.taken()) == ("active", [30_000, 30_000])


async def test_who_does_not_pay_is_told_each_time_then_suspended_then_out(
    deployment: Deployment, subscriber: Subscriber
) -> None:
    active = await subscriber.subscribe()
    await subscriber.cards_are_declined()
    states = []
    for days in (31, 1, 2, 2, 2, 3, 14):
        await subscriber.days_pass(days)
        states.append((await subscriber.get(active))["status"])
    assert states == ["past_due"] * 5 + ["suspended", "ended"]
    ended = await subscriber.get(active)
    assert (ended["endReason"], ended["periods"][1]["status"], ended["nextAt"]) == ("unpaid", "unpaid", None)
    assert await subscriber.taken() == [100_000]
    subjects = [mail.subject for mail in await deployment.e_mails() if "호스팅 엔터프라이즈" in mail.subject]
    assert len(subjects) == 7
    assert "결제가 이루어지지 않았습니다" in subjects[0]
    assert "중지" in subjects[5]
    assert "종료" in subjects[6]


async def test_a_new_card_ends_the_dunning_at_once(subscriber: Subscriber) -> None:
    active = await subscriber.subscribe()
    await subscriber.cards_are_declined()
    await subscriber.days_pass(31)
    await subscriber.cards_are_declined(False)
    owing = await subscriber.step(active, "payment-method", BACK)
    assert owing["status"] == "past_due"
    await subscriber.activate(owing)
    await subscriber.deployment.work()
    paid = await subscriber.get(active)
    assert (paid["status"], paid["awaited"], paid["pastDueSince"]) == ("active", None, None)
    assert await subscriber.taken() == [100_000, 100_000]


async def test_an_upgrade_is_charged_for_the_rest_and_a_downgrade_waits(subscriber: Subscriber) -> None:
    active = await subscriber.subscribe("publishing-business")
    lower = await subscriber.step(active, "change", {"planId": "publishing-creator"})
    assert (lower["planId"], lower["nextPlanId"]) == ("publishing-business", "publishing-creator")
    await subscriber.days_pass(31)
    assert (await subscriber.get(active))["planId"] == "publishing-creator"
    higher = await subscriber.step(active, "change", {"planId": "publishing-business"})
    assert (higher["planId"], higher["currentPeriod"]["kind"]) == ("publishing-business", "change")
    first, second, proration = await subscriber.taken()
    assert (first, second) == (59_000, 19_000)
    assert 0 < proration <= 40_000
    assert higher["currentPeriod"]["amount"]["amount"] == proration
    assert [period["number"] for period in higher["periods"]] == [1, 2, 3]


async def test_a_cancellation_runs_to_the_end_and_can_be_taken_back(subscriber: Subscriber) -> None:
    active = await subscriber.subscribe()
    cancelled = await subscriber.step(active, "cancel", {})
    assert (cancelled["status"], cancelled["cancelAtPeriodEnd"]) == ("active", True)
    assert (await subscriber.step(active, "resume", {}))["cancelAtPeriodEnd"] is False
    await subscriber.step(active, "cancel", {"atPeriodEnd": True})
    await subscriber.days_pass(31)
    over = await subscriber.get(active)
    assert (over["status"], over["endReason"], await subscriber.taken()) == ("cancelled", "cancelled", [100_000])
    assert (await subscriber.step(active, "resume", {}, 409))["code"] == "WRONG_STATE"


async def test_one_subscription_of_a_product_at_a_time(subscriber: Subscriber) -> None:
    active = await subscriber.subscribe()
    body = {"planId": "hosting-premium", "currency": "KRW", **BACK}
    refused = await subscriber.call("POST", "/subscriptions", 409, body)
    assert (refused["code"], refused["details"]["id"]) == ("ALREADY_EXISTS", active["id"])
    other = await subscriber.begin("mockups-pro")
    replaced = await subscriber.begin("mockups-pro", intervalMonths=12)
    assert (await subscriber.get(other))["endReason"] == "replaced"
    assert replaced["intervalMonths"] == 12


async def test_what_nobody_agreed_to_is_taken_up_again_and_goes_to_the_pages_of_now(subscriber: Subscriber) -> None:
    first = await subscriber.begin("hosting-enterprise")
    await subscriber.deployment.let_pass(hours=20)
    again = await subscriber.begin("hosting-enterprise", clientReference="mine-1", successUrl="https://shop.example.com/again")
    assert again["id"] == first["id"]
    assert again["checkout"]["url"] != first["checkout"]["url"]
    await subscriber.days_pass(0.5)
    await subscriber.activate(again)
    await subscriber.deployment.work()
    assert ((await subscriber.get(first))["status"], await subscriber.taken()) == ("active", [100_000])
    body = {"planId": "hosting-enterprise", "currency": "KRW", **BACK, "clientReference": "mine-1"}
    used = await subscriber.call("POST", "/subscriptions", 409, body)
    assert used["details"]["id"] == first["id"]


async def test_who_begins_too_many_that_nobody_agrees_to_waits(subscriber: Subscriber) -> None:
    for number in range(20):
        await subscriber.begin("hosting-enterprise", clientReference=f"mine-{number}")
    body = {"planId": "hosting-enterprise", "currency": "KRW", **BACK, "clientReference": "one-more"}
    refused = await subscriber.call("POST", "/subscriptions", 429, body)
    assert (refused["code"], refused["retryAfter"]) == ("TOO_MANY_ATTEMPTS", 3600)
    listed = await subscriber.call("GET", "/subscriptions?limit=100", 200)
    assert [one["status"] for one in listed] == ["incomplete"] + ["ended"] * 19
    await subscriber.deployment.let_pass(days=1)
    await subscriber.begin("hosting-enterprise", clientReference="one-more")


async def test_subscriptions_and_means_of_payment_are_listed_by_pages_the_newest_first(subscriber: Subscriber) -> None:
    ids = [(await subscriber.begin("hosting-enterprise", clientReference=f"mine-{number}"))["id"] for number in range(5)]
    other = Subscriber(subscriber.deployment, await subscriber.deployment.member())
    foreign = await other.begin("hosting-basic")
    assert await pages_of(subscriber, "/subscriptions") == [ids[4:2:-1], ids[2:0:-1], ids[:1]]
    begun, methods = await subscriber.begin("mockups-pro"), []
    for number in range(3):
        await subscriber.deployment.execute("UPDATE subscriptions SET updated_at = updated_at + interval '1 minute'")
        window = await subscriber.call("POST", f"/subscriptions/{begun['id']}/payment-method", 202, BACK)
        await subscriber.activate(window)
        listed = await subscriber.call("GET", "/payment-methods?limit=1", 200)
        methods.append(listed[0]["id"])
        assert len(set(methods)) == number + 1
    assert await pages_of(subscriber, "/payment-methods") == [methods[:0:-1], methods[:1]]
    for path in ("/subscriptions", "/payment-methods"):
        assert (await subscriber.call("GET", f"{path}?cursor=nonsense", 400))["code"] == "VALIDATION_ERROR"
        assert await subscriber.call("GET", f"{path}?cursor={foreign['id']}", 200) == []


async def pages_of(subscriber: Subscriber, path: str) -> list[list[str]]:
    """The ids, two on a page."""
    found, cursor = [], ""
    while cursor is not None:
        answer = await subscriber.deployment.client.get(f"{path}?limit=2{cursor}", headers=dict(subscriber.member.headers))
        found.append([one["id"] for one in answer.json()["data"]])
        assert answer.json()["meta"]["pagination"]["limit"] == 2
        following = answer.json()["meta"]["pagination"]["nextCursor"]
        cursor = None if following is None else f"&cursor={following}"
    return found


WAITING_FOR_A_ROW = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_of_two_changes_at_the_same_moment_the_second_is_decided_by_what_the_first_made(
    deployment: Deployment, subscriber: Subscriber
) -> None:
    """What would be the dearer plan is the cheaper one by then: it waits for the period's end, and nothing is lost."""
    active = await subscriber.subscribe("hosting-enterprise")
    await deployment.execute("UPDATE subscriptions SET plan_id = 'hosting-basic', amount = 30000")
    async with deployment.container.units() as uow:
        held = await uow.subscriptions.get(UUID(active["id"]), lock=True)
        assert held is not None
        asked = asyncio.create_task(subscriber.step(active, "change", {"planId": "hosting-premium"}))
        await deployment.until(WAITING_FOR_A_ROW)
        dearest = replace(held.terms, plan_id="hosting-enterprise", price=Money(100_000, "KRW"))
        await uow.subscriptions.update(replace(held, terms=dearest))
    changed = await asked
    assert (changed["planId"], changed["nextPlanId"]) == ("hosting-enterprise", "hosting-premium")
    assert (len(changed["periods"]), await subscriber.taken()) == (1, [100_000])


@pytest.mark.parametrize("since", ["partly_refunded", "disputed"])
async def test_a_charge_that_was_doubted_before_we_heard_of_it_keeps_its_period(
    deployment: Deployment, subscriber: Subscriber, since: str
) -> None:
    active = await subscriber.subscribe()
    await deployment.execute("UPDATE subscription_periods SET status = 'charging', payment_id = NULL")
    await deployment.execute("UPDATE subscriptions SET status = 'incomplete'")
    await deployment.execute("UPDATE payments SET status = $1, refunded = $2", since, 1000 if since == "partly_refunded" else 0)
    [payment] = await deployment.rows("SELECT id FROM payments")
    async with deployment.container.units() as uow:
        found = await uow.payments.get(payment["id"])
        assert found is not None
        uow.announce(payment_changed(found))
    await deployment.work()
    again = await subscriber.get(active)
    assert (again["status"], [one["status"] for one in again["periods"]]) == ("active", ["paid"])


async def test_a_double_click_begins_and_charges_once(subscriber: Subscriber) -> None:
    body = {"planId": "hosting-enterprise", "currency": "KRW", **BACK}
    one, other = [await subscriber.call("POST", "/subscriptions", 201, body, **{"Idempotency-Key": "k-1"}) for _ in range(2)]
    assert one["id"] == other["id"]
    key = await subscriber.leave_a_card(one)
    path = f"/subscriptions/{one['id']}/activate"
    await asyncio.gather(
        *(
            subscriber.deployment.client.post(path, json={"clientKey": key}, headers=dict(subscriber.member.headers))
            for _ in range(5)
        )
    )
    await subscriber.deployment.work()
    assert (await subscriber.get(one))["status"] == "active"
    assert await subscriber.taken() == [100_000]
    assert len(await subscriber.call("GET", "/payment-methods", 200)) == 1


async def test_twenty_sweeps_at_once_renew_once(deployment: Deployment, subscriber: Subscriber) -> None:
    active = await subscriber.subscribe()
    await deployment.let_pass(days=31)
    work = deployment.container.subscription_work

    asked: Any = Asked(deployment)
    await asyncio.gather(*(work.sweep(asked) for _ in range(20)))
    await deployment.work()
    assert [period["status"] for period in (await subscriber.get(active))["periods"]] == ["paid", "paid"]
    assert await subscriber.taken() == [100_000, 100_000]


async def test_a_checkout_for_a_plan_begins_a_subscription(subscriber: Subscriber) -> None:
    body = {"planId": "hosting-enterprise", "currency": "KRW", **BACK}
    opened = await subscriber.call("POST", "/checkouts", 201, body)
    assert opened["paymentId"] is None
    begun = await subscriber.get(opened)
    assert (begun["status"], begun["checkout"]["url"]) == ("incomplete", opened["url"])


async def test_a_card_in_use_stays_and_one_that_is_not_is_forgotten_at_the_provider(
    deployment: Deployment, subscriber: Subscriber
) -> None:
    active = await subscriber.subscribe()
    method = active["paymentMethod"]["id"]
    assert (await subscriber.call("DELETE", f"/payment-methods/{method}", 409))["code"] == "PAYMENT_METHOD_IN_USE"
    await subscriber.step(active, "cancel", {"atPeriodEnd": False})
    await subscriber.call("DELETE", f"/payment-methods/{method}", 202)
    assert await subscriber.call("GET", "/payment-methods", 200) == []
    await deployment.work()
    states = await deployment.world.run(lambda c: [row["status"] for row in c.execute("SELECT status FROM stored_methods")])
    assert states == ["forgotten"]
    assert await deployment.value("SELECT count(*) FROM payment_methods") == 0


@pytest.mark.parametrize(
    "pages",
    [
        {"successUrl": "http://shop.example.com/subscribed"},
        {"cancelUrl": "https://shop.example.com@elsewhere.example.net/"},
        {"successUrl": "https://shop.example.com/\r\nset-cookie:stolen"},
    ],
)
async def test_a_browser_is_sent_back_to_a_page_and_to_nothing_else(subscriber: Subscriber, pages: dict[str, str]) -> None:
    order = {"planId": "hosting-basic", "currency": "KRW", **BACK}
    refused = await subscriber.call("POST", "/subscriptions", 400, {**order, **pages})
    begun = await subscriber.begin()
    window = await subscriber.call("POST", f"/subscriptions/{begun['id']}/payment-method", 400, {**BACK, **pages})
    assert (refused["code"], window["code"]) == ("VALIDATION_ERROR", "VALIDATION_ERROR")


async def test_no_card_is_kept_at_the_provider_that_its_owner_cannot_see_and_remove(subscriber: Subscriber) -> None:
    begun = await subscriber.begin("hosting-enterprise")
    first = await subscriber.leave_a_card(begun)
    path = f"/subscriptions/{begun['id']}"
    await subscriber.deployment.execute("UPDATE subscriptions SET updated_at = updated_at + interval '5 seconds'")
    other = await subscriber.leave_a_card(await subscriber.call("POST", f"{path}/payment-method", 202, BACK))
    await subscriber.call("POST", f"{path}/activate", 202, {"clientKey": first})
    refused = await subscriber.call("POST", f"{path}/activate", 409, {"clientKey": other})
    assert refused["code"] == "WRONG_STATE"
    assert len(await subscriber.call("GET", "/payment-methods", 200)) == 2
    await subscriber.deployment.work()
    await subscriber.step(begun, "cancel", {"atPeriodEnd": False})
    again = await subscriber.begin("hosting-enterprise")
    late = await subscriber.leave_a_card(again)
    await subscriber.step(again, "cancel", {"atPeriodEnd": False})
    await subscriber.call("POST", f"/subscriptions/{again['id']}/activate", 409, {"clientKey": late})
    assert len(await subscriber.call("GET", "/payment-methods", 200)) == 2
    kept = await subscriber.deployment.world.run(
        lambda c: c.execute("SELECT count(*) AS number FROM stored_methods WHERE status = 'kept'").fetchone()
    )
    assert kept["number"] == 2


async def test_a_charge_in_doubt_is_asked_for_as_long_as_the_subscription_waits_for_it(
    deployment: Deployment, subscriber: Subscriber
) -> None:
    """Whoever charged it has given up asking: the company was away for more than a day."""
    active = await subscriber.subscribe()
    await deployment.execute("UPDATE payments SET status = 'pending', paid_at = NULL")
    await deployment.execute("UPDATE subscription_periods SET status = 'charging', payment_id = NULL")
    await deployment.execute("UPDATE subscriptions SET due_at = now(), status = 'incomplete'")
    await deployment.execute("DELETE FROM messages WHERE topic = 'billing.look_up'")
    await subscriber.sweep()
    again = await subscriber.get(active)
    assert (again["status"], [one["status"] for one in again["periods"]]) == ("active", ["paid"])
    assert await subscriber.taken() == [100_000]


@pytest.mark.parametrize("declined", [False, True])
async def test_who_cancels_while_the_first_charge_is_under_way_keeps_what_it_pays(
    subscriber: Subscriber, declined: bool
) -> None:
    await subscriber.cards_are_declined(declined)
    begun = await subscriber.begin("hosting-enterprise")
    await subscriber.activate(begun)
    await subscriber.step(begun, "cancel", {"atPeriodEnd": True})
    after = await subscriber.get(begun)
    if declined:
        assert (after["status"], await subscriber.taken()) == ("cancelled", [])
        return
    assert (after["status"], after["cancelAtPeriodEnd"], await subscriber.taken()) == ("active", True, [100_000])
    await subscriber.days_pass(31)
    assert ((await subscriber.get(begun))["status"], await subscriber.taken()) == ("cancelled", [100_000])
