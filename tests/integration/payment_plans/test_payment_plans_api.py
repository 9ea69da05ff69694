"""Payment plans as staff and clients see them: made, looked at, changed, and paid at the plan's amounts."""

import asyncio
from typing import Any

from integration.payment_plans.agency import Agency, day
from madang.core.identity.roles import Role
from madang.core.kernel.ids import new_id


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_project_is_paid_instalment_by_instalment(agency: Agency) -> None:
    plan_id = await agency.plan((3000, 5), (7000, 30), totalAmount=10_000)
    assert await agency.states(plan_id) == ["pending", "pending", "pending"]
    first = await agency.pay(plan_id, 1)
    assert await agency.states(plan_id) == ["partial", "paid", "pending"]
    payment = await agency.till.payment(agency.client, first)
    assert (payment["purpose"], payment["subject"]) == ("payment_plans", f"installment:{plan_id}:1")
    assert payment["lines"] == [{"description": "1차 대금", "quantity": 1, "unitAmount": 3000, "sku": None}]
    await agency.pay(plan_id, 2)
    plan = await agency.read(plan_id)
    assert (plan["status"], plan["paidAmount"]) == ("completed", plan["totalAmount"])
    assert plan["installments"][0]["paymentId"] == first
    assert code(await agency.checkout(plan_id, 1)) == (409, "WRONG_STATE")
    assert await agency.deployment.value("SELECT count(*) FROM invoices WHERE kind = 'invoice'") == 2
    actions = await agency.deployment.rows("SELECT action FROM audit_events ORDER BY at")
    assert [row["action"] for row in actions] == ["PAYMENT_PLAN_CREATED", "CHECKOUT_STARTED", "CHECKOUT_STARTED"]
    assert await agency.broken() == {}


async def test_a_plan_that_does_not_add_up_or_is_out_of_order_is_refused(agency: Agency) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        (agency.body((3000, 5), (7000, 30), totalAmount=9999), "totalAmount"),
        (agency.body((3000, 30), (7000, 5)), "installments.1.dueDate"),
        (agency.body((3000, -1)), "installments.0.dueDate"),
        (agency.body((10**12, 1), (1, 2)), "installments"),
        (agency.body((1, 1), clientId=str(new_id())), "clientId"),
        (agency.body((1, 1), currency="XYZ"), "currency"),
    ]
    for body, path in wrong:
        answer = await agency.till.call(agency.manager, "POST", "/payment-plans", json=body)
        assert (path, code(answer)) == (path, (400, "VALIDATION_ERROR"))
        assert path in [problem["path"] for problem in answer.json()["error"]["details"]]
    assert await agency.deployment.value("SELECT count(*) FROM payment_plans") == 0


async def test_a_double_click_makes_one_plan_and_only_staff_makes_any(agency: Agency) -> None:
    body = agency.body((1000, 3))
    clicks = [await agency.till.call(agency.manager, "POST", "/payment-plans", json=body, key="click") for _ in range(2)]
    assert clicks[0].json()["data"] == clicks[1].json()["data"]
    for member in (agency.client, await agency.deployment.member(Role.DEVELOPER)):
        answer = await agency.till.call(member, "POST", "/payment-plans", json=body)
        assert code(answer) == (403, "INSUFFICIENT_PERMISSIONS")
    assert await agency.deployment.value("SELECT count(*) FROM payment_plans") == 1


async def test_clients_see_their_own_and_those_who_make_plans_see_all(agency: Agency) -> None:
    mine = await agency.plan()
    other = await agency.deployment.member()
    theirs = await agency.plan(clientId=str(other.id))
    for member, seen in ((agency.client, [mine]), (other, [theirs]), (agency.manager, [theirs, mine])):
        assert [plan["id"] for plan in await agency.till.data(member, "GET", "/payment-plans")] == seen
    wanted = f"/payment-plans?clientId={other.id}&status=pending"
    assert [plan["id"] for plan in await agency.till.data(agency.manager, "GET", wanted)] == [theirs]
    assert await agency.till.data(agency.client, "GET", wanted) == []
    assert code(await agency.till.call(agency.client, "GET", f"/payment-plans/{theirs}")) == (404, "PAYMENT_PLAN_NOT_FOUND")
    assert code(await agency.checkout(theirs)) == (404, "PAYMENT_PLAN_NOT_FOUND")
    assert code(await agency.checkout(theirs, member=agency.manager)) == (403, "INSTALLMENT_OF_CLIENT")
    assert code(await agency.checkout(mine, 3)) == (404, "INSTALLMENT_NOT_FOUND")


async def test_one_checkout_is_open_at_a_time_also_for_ten_clicks_at_once(agency: Agency) -> None:
    plan_id = await agency.plan()
    answers = await asyncio.gather(*(agency.checkout(plan_id) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text.partition('"meta"')[0] for answer in answers}) == 1
    assert (await agency.checkout(plan_id)).json()["data"] == answers[0].json()["data"]
    assert await agency.deployment.value("SELECT count(*) FROM payments") == 1


async def test_a_client_never_says_the_amount(agency: Agency) -> None:
    plan_id = await agency.plan()
    for more in ({"amount": 1}, {"amount": {"amount": 1, "currency": "KRW"}}, {"successUrl": "javascript:alert(1)"}):
        assert code(await agency.checkout(plan_id, **more)) == (400, "VALIDATION_ERROR")
    assert await agency.deployment.value("SELECT count(*) FROM payments") == 0


async def test_an_opening_in_doubt_is_opened_again_and_one_that_failed_makes_way(agency: Agency) -> None:
    plan_id = await agency.plan()
    await agency.deployment.told_to("payment.open_checkout:answer_lost@1")
    assert (await agency.checkout(plan_id)).status_code == 502
    assert (await agency.checkout(plan_id)).status_code == 201
    assert await agency.deployment.value("SELECT count(*) FROM payments") == 1
    await agency.deployment.told_to("payment.open_checkout:unavailable@1")
    assert (await agency.checkout(plan_id, 2)).status_code == 503
    assert (await agency.checkout(plan_id, 2)).status_code == 201
    states = await agency.deployment.rows(
        "SELECT status FROM payments WHERE subject = $1 ORDER BY id", f"installment:{plan_id}:2"
    )
    assert [row["status"] for row in states] == ["failed", "pending"]


async def test_what_expired_is_opened_anew_and_what_comes_for_both_goes_back_once(agency: Agency) -> None:
    plan_id = await agency.plan()
    late = (await agency.checkout(plan_id)).json()["data"]["paymentId"]
    await agency.deployment.execute("UPDATE payments SET expires_at = now() - interval '1 second' WHERE id = $1::uuid", late)
    paid = await agency.pay(plan_id)
    assert paid != late
    await agency.arrive(late)
    await agency.deployment.work()
    assert (await agency.till.payment(agency.client, late))["status"] == "refunded"
    assert (await agency.till.payment(agency.client, paid))["status"] == "paid"
    assert (await agency.read(plan_id))["installments"][0]["paymentId"] == paid
    assert await agency.broken() == {}


async def test_staff_changes_what_is_not_paid_and_nobody_overwrites_anybody(agency: Agency) -> None:
    plan_id = await agency.plan()
    got = await agency.till.call(agency.manager, "GET", f"/payment-plans/{plan_id}")
    assert got.headers["ETag"] == '"1"'
    changed = await agency.change(plan_id, 2, version=1, amount=8000, dueDate=day(40).isoformat())
    told = changed.json()["data"]
    assert (changed.headers["ETag"], told["totalAmount"]["amount"]) == ('"2"', 11_000)
    assert told["installments"][1]["dueDate"] == day(40).isoformat()
    assert code(await agency.change(plan_id, 2, version=1, amount=1)) == (412, "STALE_VERSION")
    assert code(await agency.change(plan_id, 2, dueDate=day(1).isoformat())) == (400, "VALIDATION_ERROR")
    assert code(await agency.change(plan_id, 2, dueDate=day(-1).isoformat())) == (400, "VALIDATION_ERROR")
    await agency.checkout(plan_id, 1)
    assert code(await agency.change(plan_id, 1, amount=1)) == (409, "INSTALLMENT_BEING_PAID")
    await agency.pay(plan_id, 1)
    assert code(await agency.change(plan_id, 1, dueDate=day(2).isoformat())) == (409, "WRONG_STATE")


async def test_what_was_refunded_is_not_asked_for_until_staff_gives_it_a_new_day(agency: Agency) -> None:
    plan_id = await agency.plan((3000, 5))
    payment_id = await agency.pay(plan_id)
    part = {"reason": "a discount", "amount": {"amount": 500, "currency": "KRW"}}
    await agency.till.data(agency.manager, "POST", f"/payments/{payment_id}/refunds", json=part)
    await agency.deployment.work()
    assert await agency.states(plan_id) == ["completed", "paid"]
    await agency.till.data(agency.manager, "POST", f"/payments/{payment_id}/refunds", json={"reason": "the rest"})
    await agency.deployment.work()
    assert await agency.states(plan_id) == ["pending", "refunded"]
    assert code(await agency.checkout(plan_id)) == (409, "WRONG_STATE")
    assert (await agency.change(plan_id, 1, dueDate=day(9).isoformat())).status_code == 200
    await agency.pay(plan_id)
    assert await agency.states(plan_id) == ["completed", "paid"]
    assert await agency.broken() == {}


async def test_the_monthly_fee_begins_with_the_launch_and_ends_when_staff_says(agency: Agency) -> None:
    plan_id = await agency.plan(monthlyFee=150_000)
    path = f"/payment-plans/{plan_id}"
    over = await agency.till.call(agency.manager, "POST", f"{path}/launch", json={"startsOn": day(-1).isoformat()})
    assert code(over) == (400, "VALIDATION_ERROR")
    for _ in range(2):
        launched = await agency.till.data(agency.manager, "POST", f"{path}/launch", json={"startsOn": day(2).isoformat()})
    months = [each for each in launched["installments"] if each["kind"] == "monthly"]
    assert [(each["number"], each["dueDate"], each["amount"]["amount"]) for each in months] == [
        (3, day(2).isoformat(), 150_000)
    ]
    assert code(await agency.till.call(agency.manager, "POST", f"{path}/launch", json={})) == (409, "WRONG_STATE")
    payment = await agency.till.payment(agency.client, await agency.pay(plan_id, 3))
    assert payment["description"] == f"월 운영비 {day(2):%Y-%m}"
    assert await agency.states(plan_id) == ["pending", "pending", "pending", "paid"]
    ended = await agency.deployment.client.patch(path, headers=dict(agency.manager.headers), json={"monthlyFee": None})
    assert ended.json()["data"]["monthlyFee"] is None
    again = await agency.deployment.client.patch(path, headers=dict(agency.manager.headers), json={"monthlyFee": 5})
    assert code(again) == (409, "WRONG_STATE")
    await agency.deployment.let_pass(days=60)
    await agency.settle()
    assert len((await agency.read(plan_id))["installments"]) == 3
