"""A buyer's whole life with Stripe as the payment company: over HTTP on both sides, with the real database and worker."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from contract.fake_stripe import API_KEY, WEBHOOK_SECRET, FakeStripe
from deployment import Deployment, Member, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from integration.billing.till import Till
from integration.subscriptions.subscriber import Subscriber
from madang.core.identity.roles import Role
from madang.plugins.conformance.remote import serving


@pytest.fixture
def account() -> Iterator[FakeStripe]:
    with serving(FakeStripe()) as service:
        yield service


@pytest.fixture
async def till(open_deployment: OpenDeployment, account: FakeStripe) -> AsyncIterator[Till]:
    stripe = {"base_url": account.url, "api_key": API_KEY, "webhook_secret": WEBHOOK_SECRET}
    routes = {**SANDBOX_ROUTES, "payment": ["stripe"]}
    async with open_deployment(routes=routes, plugins={"stripe": stripe}, operator_emails=["ops@example.com"]) as deployment:
        yield Till(deployment)


async def told(deployment: Deployment, account: FakeStripe, kind: str, about: str, *, times: int = 1) -> None:
    """Stripe delivers, as often as it likes, and the worker works."""
    event = account.event(kind, account.books.kept[about], datetime.now(UTC))
    for _ in range(times):
        answer = await deployment.client.post("/webhooks/stripe", content=event.body, headers=dict(event.headers))
        assert answer.status_code == 200, answer.text
    await deployment.work()


async def forged(deployment: Deployment, account: FakeStripe, kind: str, about: str) -> None:
    event = account.event(kind, account.books.kept[about], datetime.now(UTC))
    for headers in ({}, {"stripe-signature": f"{event.headers['stripe-signature'][:-80]},v1=00"}):
        answer = await deployment.client.post("/webhooks/stripe", content=event.body, headers=headers)
        assert answer.status_code == 401
    assert not await deployment.value("SELECT count(*) FROM inbox")


async def reference_of(deployment: Deployment, payment_id: str) -> str:
    return str(await deployment.value("SELECT reference FROM payments WHERE id = $1::uuid", payment_id))


async def test_a_payment_is_paid_given_back_in_part_and_then_the_rest(till: Till, account: FakeStripe) -> None:
    deployment = till.deployment
    buyer, manager = await deployment.member(), await deployment.member(Role.PROJECT_MANAGER)
    opened = await till.open(buyer)
    assert (opened["provider"], opened["url"][:8]) == ("stripe", "https://")
    reference = await reference_of(deployment, opened["id"])
    account.books.pay(reference)
    await forged(deployment, account, "checkout.session.completed", reference)
    assert (await till.payment(buyer, opened["id"]))["status"] == "pending"

    await told(deployment, account, "checkout.session.completed", reference, times=2)
    paid = await till.payment(buyer, opened["id"])
    assert (paid["status"], paid["amount"], paid["reference"]) == ("paid", {"amount": 5000, "currency": "KRW"}, reference)

    part = {"reason": "일부는 쓰지 않았어요", "amount": {"amount": 2000, "currency": "KRW"}}
    await till.data(manager, "POST", f"/payments/{opened['id']}/refunds", json=part)
    await deployment.work()
    assert (await till.payment(buyer, opened["id"]))["status"] == "partly_refunded"
    await till.data(manager, "POST", f"/payments/{opened['id']}/refunds", json={"reason": "the rest, too"})
    await deployment.work()
    ended = await till.payment(manager, opened["id"])
    assert (ended["status"], sorted(each["status"] for each in ended["refunds"])) == ("refunded", ["succeeded"] * 2)
    assert sorted(each["amount"] for each in account.books.of_kind("refund")) == [2000, 3000]


async def test_a_payment_that_no_webhook_tells_of_is_asked_for_and_disputed_later(till: Till, account: FakeStripe) -> None:
    deployment = till.deployment
    buyer = await deployment.member()
    opened = await till.open(buyer)
    reference = await reference_of(deployment, opened["id"])
    account.books.pay(reference)
    await deployment.let_pass(minutes=1)
    await deployment.work()
    assert (await till.payment(buyer, opened["id"]))["status"] == "paid"

    intent = account.books.kept[reference]["payment_intent"]
    refund = account.books.refund({"payment_intent": intent, "amount": 1000})
    await told(deployment, account, "refund.created", refund["id"])
    partly = await till.payment(buyer, opened["id"])
    assert (partly["status"], partly["refunded"]["amount"]) == ("partly_refunded", 1000)
    dispute = account.books.dispute(intent)
    for kind, word, status in (("created", "needs_response", "disputed"), ("closed", "won", "partly_refunded")):
        account.books.becomes(dispute["id"], word)
        await told(deployment, account, f"charge.dispute.{kind}", dispute["id"])
        assert (await till.payment(buyer, opened["id"]))["status"] == status


async def bought(till: Till, account: FakeStripe, buyer: Member) -> tuple[str, str]:
    """Our payment of a credit pack, and Stripe's PaymentIntent."""
    opened = await till.open(buyer)
    reference = await reference_of(till.deployment, opened["id"])
    account.books.pay(reference)
    await told(till.deployment, account, "checkout.session.completed", reference)
    return opened["id"], account.books.kept[reference]["payment_intent"]


async def disputed(till: Till, account: FakeStripe, intent: str, *words: str) -> None:
    dispute = account.books.dispute(intent)
    await told(till.deployment, account, "charge.dispute.created", dispute["id"])
    for word in words:
        account.books.becomes(dispute["id"], word)
        await told(till.deployment, account, "charge.dispute.closed", dispute["id"], times=2)


async def alerts(deployment: Deployment) -> list[str]:
    return [mail.subject.partition(":")[0] for mail in await deployment.e_mails() if mail.recipient == "ops@example.com"]


async def test_a_lost_dispute_takes_back_what_was_sold_and_is_told(till: Till, account: FakeStripe) -> None:
    deployment = till.deployment
    buyer = await deployment.member()
    payment_id, intent = await bought(till, account, buyer)
    assert (await till.data(buyer, "GET", "/credits/balance"))["balance"] == 100
    await disputed(till, account, intent, "lost")
    payment = await till.payment(buyer, payment_id)
    assert (payment["status"], payment["refunded"], payment["dispute"]["status"], payment["dispute"]["taken"]["amount"]) == (
        "refunded", {"amount": 5000, "currency": "KRW"}, "lost", 5000,
    )  # fmt: skip
    assert (await till.data(buyer, "GET", "/credits/balance"))["balance"] == 0
    invoice, note = reversed(await till.data(buyer, "GET", "/invoices"))
    assert (invoice["kind"], note["kind"], note["amount"]["amount"]) == ("invoice", "credit_note", 5000)
    assert (note["refundId"], note["chargedBack"], invoice["chargedBack"]) == (None, True, False)
    assert invoice["simulated"] is False
    assert await alerts(deployment) == ["Dispute opened", "Dispute lost"]
    refused = await till.call(
        await deployment.member(Role.PROJECT_MANAGER), "POST", f"/payments/{payment_id}/refunds", json={"reason": "again"}
    )
    assert refused.status_code == 409
    today = datetime.now(UTC).date()
    report = await deployment.container.reconciling.reconcile(
        "stripe", today - timedelta(days=1), today + timedelta(days=2), settle=False
    )
    assert (report.ours, list(report.differences)) == (1, [])


async def test_a_dispute_that_is_won_leaves_everything_and_is_told(till: Till, account: FakeStripe) -> None:
    buyer = await till.deployment.member()
    payment_id, intent = await bought(till, account, buyer)
    await disputed(till, account, intent, "won")
    payment = await till.payment(buyer, payment_id)
    assert (payment["status"], payment["refunded"]["amount"], payment["dispute"]["status"]) == ("paid", 0, "won")
    assert (await till.data(buyer, "GET", "/credits/balance"))["balance"] == 100
    assert await alerts(till.deployment) == ["Dispute opened", "Dispute won"]


async def test_a_pack_is_granted_again_once_when_a_lost_dispute_is_won_after_all(till: Till, account: FakeStripe) -> None:
    """What was spent before it was lost stays spent; one that is lost again takes all of it back."""
    deployment = till.deployment
    buyer = await deployment.member()
    payment_id, intent = await bought(till, account, buyer)
    await till.data(buyer, "POST", "/credits/deduct", json={"amount": 40, "reason": "a draft"}, key="draft")
    dispute = account.books.dispute(intent)
    balances = []
    for word in ("needs_response", "lost", "appeal_under_review", "won", "lost", "won"):
        account.books.becomes(dispute["id"], word)
        await told(deployment, account, "charge.dispute.closed", dispute["id"], times=2)
        balances.append((await till.data(buyer, "GET", "/credits/balance"))["balance"])
    assert balances == [60, 0, 0, 60, 0, 60]
    payment = await till.payment(buyer, payment_id)
    assert (payment["status"], payment["dispute"]["status"]) == ("refunded", "reversed")
    assert payment["dispute"]["taken"]["amount"] == 5000
    assert await deployment.container.reversals.waiting() == []
    told_of = ["Dispute opened", "Dispute lost", "Dispute reversed", "Dispute lost", "Dispute reversed"]
    assert await alerts(deployment) == told_of
    broken = [each.name for each in deployment.container.invariants if "credit" in each.name and await each.violations()]
    assert broken == []


async def test_of_a_buyer_who_is_gone_a_reversed_dispute_waits_for_a_person(till: Till, account: FakeStripe) -> None:
    deployment = till.deployment
    subscriber = Subscriber(deployment, await deployment.member())
    payment_id, intent = await bought(till, account, subscriber.member)
    await disputed(till, account, intent, "lost")
    await erased(subscriber)
    [dispute] = account.books.of_kind("dispute")
    account.books.becomes(dispute["id"], "won")
    await told(deployment, account, "charge.dispute.closed", dispute["id"], times=2)
    assert [str(payment.id) for _, payment in await deployment.container.reversals.waiting()] == [payment_id]


async def a_month_passes(subscriber: Subscriber, account: FakeStripe) -> None:
    """Here and at Stripe."""
    account.books.let_pass(timedelta(days=31).total_seconds())
    await subscriber.deployment.let_pass(days=31)


async def test_a_subscription_is_renewed_owed_for_and_cancelled(till: Till, account: FakeStripe) -> None:
    deployment, books = till.deployment, account.books
    await deployment.container.schedule_recurring_work()
    subscriber = Subscriber(deployment, await deployment.member())
    begun = await subscriber.begin("hosting-enterprise")
    assert (begun["status"], begun["kind"], begun["provider"]) == ("incomplete", "hosted", "stripe")
    [session] = books.of_kind("checkout.session")
    assert begun["checkout"]["url"] == session["url"]
    await told(deployment, account, "checkout.session.expired", session["id"])
    assert (await subscriber.get(begun))["status"] == "incomplete"

    books.pay(session["id"])
    reference = session["subscription"]
    [first] = books.of_kind("invoice")
    await told(deployment, account, "invoice.paid", first["id"], times=2)
    await told(deployment, account, "customer.subscription.created", reference)
    await told(deployment, account, "checkout.session.completed", session["id"])
    active = await subscriber.get(begun)
    assert (active["status"], [period["status"] for period in active["periods"]]) == ("active", ["paid"])

    await a_month_passes(subscriber, account)
    renewal = books.period_ends(reference) or ""
    await told(deployment, account, "customer.subscription.updated", reference)
    await told(deployment, account, "invoice.paid", renewal)
    renewed = await subscriber.get(begun)
    assert [period["status"] for period in renewed["periods"]] == ["paid", "paid"]
    assert [(one["purpose"], one["status"], one["amount"]["amount"]) for one in await subscriber.payments()] == [
        ("subscriptions", "paid", 100_000)
    ] * 2

    await a_month_passes(subscriber, account)
    owed = books.period_ends(reference, declined=True) or ""
    await told(deployment, account, "invoice.payment_failed", owed)
    await told(deployment, account, "customer.subscription.updated", reference)
    owing = await subscriber.get(begun)
    assert (owing["status"], owing["awaited"]["status"]) == ("past_due", "due")
    [mail] = [each for each in await deployment.e_mails() if "호스팅 엔터프라이즈" in each.subject]
    assert "결제가 이루어지지 않았습니다" in mail.subject

    books.period_ends(reference)
    await told(deployment, account, "invoice.paid", owed)
    assert (await subscriber.get(begun))["status"] == "active"
    ending = await subscriber.step(begun, "cancel", {"atPeriodEnd": True})
    assert (ending["cancelAtPeriodEnd"], books.kept[reference]["cancel_at_period_end"]) == (True, True)
    resumed = await subscriber.step(begun, "resume", {})
    assert (resumed["cancelAtPeriodEnd"], books.kept[reference]["cancel_at_period_end"]) == (False, False)
    over = await subscriber.step(begun, "cancel", {"atPeriodEnd": False})
    assert (over["status"], books.kept[reference]["status"]) == ("cancelled", "canceled")
    assert len(await subscriber.payments()) == 3


async def erased(subscriber: Subscriber) -> None:
    await subscriber.call("DELETE", "/privacy/me", 202, {"confirm": True})
    await subscriber.deployment.work()


async def test_a_checkout_that_is_open_when_its_buyer_is_erased_is_closed_at_stripe(till: Till, account: FakeStripe) -> None:
    subscriber = Subscriber(till.deployment, await till.deployment.member())
    await subscriber.begin("hosting-enterprise")
    [session] = account.books.of_kind("checkout.session")
    await erased(subscriber)
    assert session["status"] == "expired"
    [action] = await till.deployment.rows("SELECT state, key FROM actions WHERE kind = 'payment.cancel_subscription'")
    assert (action["state"], action["key"].rpartition(":")[2]) == ("succeeded", "erasure")


@pytest.mark.parametrize("referred", [True, False], ids=["by a reference", "known by its webhooks only"])
async def test_what_is_paid_all_the_same_after_the_erasure_is_cancelled_and_given_back(
    till: Till, account: FakeStripe, referred: bool
) -> None:
    deployment, books = till.deployment, account.books
    subscriber = Subscriber(deployment, await deployment.member())
    await subscriber.begin("hosting-enterprise")
    [session] = books.of_kind("checkout.session")
    if not referred:
        await deployment.execute("UPDATE subscriptions SET reference = NULL")
    await erased(subscriber)
    session["status"] = "open"
    books.pay(session["id"])
    [invoice] = books.of_kind("invoice")
    await told(deployment, account, "customer.subscription.created", session["subscription"], times=2)
    await told(deployment, account, "invoice.paid", invoice["id"], times=2)
    assert books.kept[session["subscription"]]["status"] == "canceled"
    assert [refund["amount"] for refund in books.of_kind("refund")] == [100_000]
    [payment] = await deployment.rows("SELECT status, user_id FROM payments")
    assert (payment["status"], payment["user_id"]) == ("refunded", None)


async def test_a_subscription_of_another_system_on_the_account_stays_as_it_is(till: Till, account: FakeStripe) -> None:
    deployment, books = till.deployment, account.books
    subscriber = Subscriber(deployment, await deployment.member())
    await subscriber.begin("hosting-enterprise")
    [session] = books.of_kind("checkout.session")
    await deployment.execute("DELETE FROM subscriptions")
    books.pay(session["id"])
    [invoice] = books.of_kind("invoice")
    await told(deployment, account, "invoice.paid", invoice["id"])
    assert books.kept[session["subscription"]]["status"] == "active"
    assert (books.of_kind("refund"), await deployment.value("SELECT count(*) FROM payments")) == ([], 0)


async def test_the_checkout_of_a_pack_that_is_open_when_its_buyer_is_erased_is_closed_at_stripe(
    till: Till, account: FakeStripe
) -> None:
    subscriber = Subscriber(till.deployment, await till.deployment.member())
    await till.open(subscriber.member)
    paid = await till.open(subscriber.member)
    account.books.pay(await reference_of(till.deployment, paid["id"]))
    await erased(subscriber)
    assert [each["status"] for each in account.books.of_kind("checkout.session")] == ["expired", "complete"]
    rows = await till.deployment.rows("SELECT status, user_id FROM payments ORDER BY created_at")
    assert [(row["status"], row["user_id"]) for row in rows] == [("expired", None), ("refunded", None)]
    assert [refund["amount"] for refund in account.books.of_kind("refund")] == [5000]


async def test_a_pack_that_is_paid_after_its_buyers_erasure_is_given_back(till: Till, account: FakeStripe) -> None:
    deployment = till.deployment
    subscriber = Subscriber(deployment, await deployment.member())
    opened = await till.open(subscriber.member)
    await erased(subscriber)
    reference = await reference_of(deployment, opened["id"])
    account.books.kept[reference]["status"] = "open"
    account.books.pay(reference)
    await told(deployment, account, "checkout.session.completed", reference, times=2)
    assert [refund["amount"] for refund in account.books.of_kind("refund")] == [5000]
    assert await deployment.value("SELECT status FROM payments") == "refunded"
    assert await deployment.value("SELECT count(*) FROM credit_lots") == 0
