"""Checkouts, payments and refunds as clients see them: what is bought, what it costs, and who may give it back."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from deployment import Deployment
from integration.billing.till import PACK, PRICE, Till
from madang.core.billing.payments import NewRefund
from madang.core.identity.roles import Role
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import Conflict
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry
from madang.core.operations.alerts import EVALUATE
from madang.ports.money import Money


@pytest.fixture
def till(deployment: Deployment) -> Till:
    return Till(deployment)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_pack_is_bought_at_the_catalogues_price_and_a_part_of_it_given_back(till: Till) -> None:
    buyer, manager = await till.deployment.member(), await till.deployment.member(Role.PROJECT_MANAGER)
    opened = await till.open(buyer)
    assert (opened["provider"], opened["id"]) == ("sandbox", opened["paymentId"])
    await till.pay(opened["paymentId"])
    before = await till.data(buyer, "POST", f"/payments/{opened['id']}/confirm", json={"amount": PRICE})
    assert (before["status"], before["amount"], before["subject"]) == ("pending", PRICE, f"credit_pack:{opened['id']}")
    await till.deployment.work()
    paid = await till.payment(buyer, opened["id"])
    assert (paid["status"], paid["lines"][0]["sku"]) == ("paid", "credits-100")
    assert [(each["operation"], each["status"]) for each in paid["attempts"]] == [("checkout", "succeeded")]
    assert paid["reference"]

    part = {"reason": "some were of no use", "amount": {"amount": 2000, "currency": "KRW"}}
    refund = await till.data(manager, "POST", f"/payments/{opened['id']}/refunds", json=part)
    assert refund["status"] == "queued"
    await till.deployment.work()
    seen = await till.data(buyer, "GET", f"/payments/{opened['id']}/refunds/{refund['id']}")
    assert (seen["status"], seen["amount"]["amount"]) == ("succeeded", 2000)
    assert (await till.payment(buyer, opened["id"]))["status"] == "partly_refunded"
    rest = await till.data(manager, "POST", f"/payments/{opened['id']}/refunds", json={"reason": "the rest, too"})
    await till.deployment.work()
    assert rest["amount"]["amount"] == 3000
    after = await till.payment(manager, opened["id"])
    assert (after["status"], [each["status"] for each in after["refunds"]]) == ("refunded", ["succeeded"] * 2)
    actions = await till.deployment.rows("SELECT action FROM audit_events ORDER BY at")
    assert [row["action"] for row in actions] == ["CHECKOUT_STARTED", "REFUND_REQUESTED", "REFUND_REQUESTED"]


async def test_a_plan_is_handed_to_subscriptions_and_costs_nothing_yet(till: Till) -> None:
    buyer = await till.deployment.member()
    body = {**PACK, "creditPackId": None, "planId": "mockups-pro", "intervalMonths": 12}
    clicks = [await till.call(buyer, "POST", "/checkouts", json=body, key="plan") for _ in range(2)]
    opened = clicks[0].json()["data"]
    assert (clicks[0].status_code, opened["provider"], opened["paymentId"]) == (201, "sandbox", None)
    assert clicks[1].json()["data"] == opened
    assert opened["url"] or opened["clientParams"]
    subjects = await till.deployment.rows("SELECT subject FROM audit_events WHERE action = 'CHECKOUT_STARTED'")
    assert [row["subject"] for row in subjects] == [f"subscription:{opened['id']}"]
    assert await till.deployment.value("SELECT count(*) FROM payments") == 0


async def test_items_cost_what_the_catalogue_says_times_their_number(till: Till) -> None:
    buyer = await till.deployment.member()
    items = [{"productId": "premium-support", "quantity": 2}, {"productId": "custom-domain"}]
    opened = await till.open(buyer, creditPackId=None, items=items)
    payment = await till.payment(buyer, opened["id"])
    assert (payment["amount"]["amount"], payment["purpose"]) == (220_000, "items")
    assert sum(line["quantity"] * line["unitAmount"] for line in payment["lines"]) == 220_000


REFUSED: list[tuple[dict[str, Any], tuple[int, str]]] = [
    ({"planId": "hosting-basic"}, (400, "VALIDATION_ERROR")),
    ({"creditPackId": None}, (400, "VALIDATION_ERROR")),
    ({"creditPackId": "credits-0"}, (404, "CREDIT_PACK_NOT_FOUND")),
    ({"creditPackId": None, "items": [{"productId": "credits-100"}]}, (404, "PRODUCT_NOT_FOUND")),
    ({"creditPackId": None, "items": [{"productId": "premium-support", "quantity": 0}]}, (400, "VALIDATION_ERROR")),
    ({"currency": "XYZ"}, (400, "VALIDATION_ERROR")),
    ({"currency": "EUR"}, (400, "VALIDATION_ERROR")),
    ({"provider": "another"}, (400, "VALIDATION_ERROR")),
    ({"amount": 1}, (400, "VALIDATION_ERROR")),
    ({"successUrl": "javascript:alert(1)"}, (400, "VALIDATION_ERROR")),
    ({"successUrl": "http://shop.example.com/paid"}, (400, "VALIDATION_ERROR")),
    ({"cancelUrl": "https://user@shop.example.com/"}, (400, "VALIDATION_ERROR")),
    ({"cancelUrl": "https:///nowhere"}, (400, "VALIDATION_ERROR")),
]


async def test_an_order_that_is_not_for_sale_like_this_is_refused_and_leaves_nothing(till: Till) -> None:
    buyer = await till.deployment.member()
    for number, (changes, refused) in enumerate(REFUSED):
        answer = await till.call(buyer, "POST", "/checkouts", json={**PACK, **changes}, key=f"order-{number}")
        assert (changes, code(answer)) == (changes, refused)
    assert await till.deployment.value("SELECT count(*) FROM payments") == 0


async def test_a_client_reference_is_good_for_one_order(till: Till) -> None:
    buyer, other = await till.deployment.member(), await till.deployment.member()
    first = await till.open(buyer, clientReference="order-1")
    again = await till.call(buyer, "POST", "/checkouts", json={**PACK, "clientReference": "order-1"}, key="another-try")
    assert code(again) == (409, "ALREADY_EXISTS")
    assert again.json()["error"]["details"] == {"id": first["id"]}
    assert (await till.open(other, clientReference="order-1"))["id"] != first["id"]
    calls = [
        till.call(buyer, "POST", "/checkouts", json={**PACK, "clientReference": "order-2"}, key=f"try-{number}")
        for number in range(5)
    ]
    await asyncio.gather(*calls)
    assert await till.deployment.value("SELECT count(*) FROM payments WHERE client_reference = 'order-2'") == 1


async def test_a_double_click_opens_confirms_and_refunds_once(till: Till) -> None:
    buyer, manager = await till.deployment.member(), await till.deployment.member(Role.PROJECT_MANAGER)
    clicks = [await till.call(buyer, "POST", "/checkouts", json=dict(PACK), key="click") for _ in range(2)]
    assert clicks[0].json()["data"] == clicks[1].json()["data"]
    assert clicks[1].headers["Idempotency-Replayed"] == "true"
    payment_id = clicks[0].json()["data"]["paymentId"]
    await till.pay(payment_id)
    for _ in range(2):
        await till.call(buyer, "POST", f"/payments/{payment_id}/confirm", json={}, key="back")
    await till.deployment.work()
    body = {"reason": "twice", "amount": {"amount": 1000, "currency": "KRW"}}
    for _ in range(2):
        await till.call(manager, "POST", f"/payments/{payment_id}/refunds", json=body, key="refund")
    await till.deployment.work()
    assert (await till.payment(buyer, payment_id))["refunded"]["amount"] == 1000
    assert await till.deployment.value("SELECT count(*) FROM payments") == 1


async def test_a_hundred_refunds_at_once_never_give_back_more_than_was_paid(till: Till) -> None:
    buyer, manager = await till.deployment.member(), await till.deployment.member(Role.PROJECT_MANAGER)
    payment_id = await till.paid(buyer)
    payments, caller = till.deployment.container.payments, Caller(CallerKind.USER, manager.id)

    async def ask() -> str:
        try:
            await payments.request_refund(caller, UUID(payment_id), NewRefund(new_id(), "at once", Money(700, "KRW")))
        except Conflict as refused:
            return refused.error_code
        return "made"

    answers = Counter(await asyncio.gather(*(ask() for _ in range(100))))
    assert answers == {"made": 5000 // 700, "REFUND_EXCEEDS_PAYMENT": 100 - 5000 // 700}
    await till.deployment.work()
    assert (await till.payment(buyer, payment_id))["refunded"]["amount"] == 4900


async def test_who_bought_it_does_not_give_it_back_and_neither_does_who_may_not(till: Till) -> None:
    admin, client = await till.deployment.member(Role.ADMIN), await till.deployment.member()
    payment_id = await till.paid(admin)
    body = {"reason": "mine"}
    assert code(await till.call(admin, "POST", f"/payments/{payment_id}/refunds", json=body)) == (403, "REFUND_OF_OWN_PAYMENT")
    assert code(await till.call(client, "POST", f"/payments/{payment_id}/refunds", json=body)) == (
        403,
        "INSUFFICIENT_PERMISSIONS",
    )
    unpaid = (await till.open(client))["paymentId"]
    assert code(await till.call(admin, "POST", f"/payments/{unpaid}/refunds", json=body)) == (409, "WRONG_STATE")
    dollars = {"reason": "x", "amount": {"amount": 1, "currency": "USD"}}
    other = await till.deployment.member(Role.PROJECT_MANAGER)
    assert code(await till.call(other, "POST", f"/payments/{payment_id}/refunds", json=dollars)) == (400, "VALIDATION_ERROR")


async def test_payments_are_their_buyers_and_staff_sees_them_all(till: Till) -> None:
    buyer, other = await till.deployment.member(), await till.deployment.member()
    admin = await till.deployment.member(Role.ADMIN)
    mine = [(await till.open(buyer))["paymentId"] for _ in range(3)]
    page = (await till.call(buyer, "GET", "/payments?limit=2&page=2")).json()
    assert [each["id"] for each in page["data"]] == [mine[0]]
    assert page["meta"]["pagination"]["total"] == 3
    assert (await till.data(buyer, "GET", "/payments?status=paid")) == []
    assert (await till.data(other, "GET", "/payments")) == []
    assert code(await till.call(other, "GET", f"/payments/{mine[0]}")) == (404, "PAYMENT_NOT_FOUND")
    assert code(await till.call(other, "POST", f"/payments/{mine[0]}/confirm", json={})) == (404, "PAYMENT_NOT_FOUND")
    assert code(await till.call(admin, "POST", f"/payments/{mine[0]}/confirm", json={})) == (404, "PAYMENT_NOT_FOUND")
    assert code(await till.call(buyer, "GET", "/admin/payments")) == (403, "INSUFFICIENT_PERMISSIONS")
    first = (await till.call(admin, "GET", f"/admin/payments?limit=2&userId={buyer.id}")).json()
    cursor = first["meta"]["pagination"]["nextCursor"]
    rest = await till.data(admin, "GET", f"/admin/payments?limit=2&userId={buyer.id}&cursor={cursor}")
    assert [each["id"] for each in [*first["data"], *rest]] == mine[::-1]
    assert (await till.payment(admin, mine[0]))["id"] == mine[0]
    missing = await till.call(buyer, "GET", f"/payments/{mine[0]}/refunds/{new_id()}")
    assert code(missing) == (404, "REFUND_NOT_FOUND")


async def test_administrators_read_the_payments_of_portraits_by_their_time_too(till: Till) -> None:
    buyer, admin = await till.deployment.member(), await till.deployment.member(Role.ADMIN)
    orders = []
    for _ in range(3):
        order = (await till.deployment.client.post("/portraits", json={})).json()["data"]
        orders += [f"portrait:{order['id']}", f"credit_pack:{(await till.open(buyer))['paymentId']}"]
    listed = await till.data(admin, "GET", "/admin/payments")
    assert [each["subject"] for each in listed] == orders[::-1]
    assert {UUID(each["id"]).version for each in listed} == {7}


async def test_an_amount_that_is_not_ours_confirms_nothing_and_fires_the_alert_at_once(till: Till) -> None:
    buyer, admin = await till.deployment.member(), await till.deployment.member(Role.ADMIN)
    payment_id = (await till.open(buyer))["paymentId"]
    wrong = {"amount": {"amount": 1, "currency": "KRW"}}
    await till.pay(payment_id)
    for _ in range(2):
        refused = await till.call(buyer, "POST", f"/payments/{payment_id}/confirm", json=wrong)
        assert code(refused) == (409, "AMOUNT_MISMATCH")
    assert (await till.payment(buyer, payment_id))["status"] == "pending"
    await till.deployment.container.schedule_recurring_work()
    await till.deployment.execute("UPDATE messages SET due_at = now() WHERE topic = $1", EVALUATE)
    await till.deployment.work()
    rules = (await till.data(admin, "GET", "/admin/alerts"))["rules"]
    [rule] = [each for each in rules if each["rule"] == "payment_amounts"]
    assert (rule["state"], rule["value"]) == ("firing", 1.0)


async def test_a_stored_notice_is_listed_and_replayed_by_administrators_and_a_forged_one_leaves_nothing(till: Till) -> None:
    buyer, admin = await till.deployment.member(), await till.deployment.member(Role.ADMIN)
    payment_id = await till.paid(buyer)
    event = {"kind": "payment.paid", "payment_id": payment_id}
    entry = InboxEntry(new_id(), "sandbox", "event-1", "payment.paid", event, till.deployment.container.clock.now())
    async with till.deployment.container.units() as uow:
        await uow.inbox.add(entry)
    for _ in range(2):
        replayed = await till.call(admin, "POST", f"/admin/webhooks/{entry.id}/replay", key="again")
        assert (replayed.status_code, replayed.json()["data"]["outcome"]) == (202, None)
    await till.deployment.work()
    [listed] = await till.data(admin, "GET", "/admin/webhooks?provider=sandbox&handled=true")
    assert (listed["id"], listed["outcome"]) == (str(entry.id), "applied")
    assert (await till.payment(buyer, payment_id))["status"] == "paid"
    assert code(await till.call(admin, "POST", f"/admin/webhooks/{new_id()}/replay")) == (404, "NOTICE_NOT_FOUND")
    assert code(await till.call(buyer, "GET", "/admin/webhooks")) == (403, "INSUFFICIENT_PERMISSIONS")

    client = till.deployment.client
    old = {"webhook-id": "e", "webhook-timestamp": "1000000000", "webhook-signature": "v1,AAAA"}
    forged = await client.post("/webhooks/sandbox", content=b"{}", headers=old)
    assert code(forged) == (401, "SIGNATURE_INVALID")
    large = await client.post("/webhooks/sandbox", content=b"x" * (256 * 1024 + 1))
    assert code(large) == (413, "PAYLOAD_TOO_LARGE")
    assert await till.deployment.value("SELECT count(*) FROM inbox") == 1
