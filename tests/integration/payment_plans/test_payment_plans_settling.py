"""What time and the law do to payment plans: overdue, reminded, month by month, exported, forgotten, and checked."""

import asyncio

from integration.payment_plans.agency import Agency, day


async def test_what_is_not_paid_by_the_end_of_its_day_is_overdue_and_can_still_be_paid(agency: Agency) -> None:
    plan_id = await agency.plan((3000, 5), (7000, 30))
    await agency.deployment.container.schedule_recurring_work()
    await agency.deployment.let_pass(days=6)
    await agency.deployment.work()
    assert await agency.states(plan_id) == ["pending", "overdue", "pending"]
    await agency.pay(plan_id)
    assert await agency.states(plan_id) == ["partial", "paid", "pending"]
    assert await agency.broken() == {}


async def test_each_reminder_is_sent_once_and_none_for_what_is_paid(agency: Agency) -> None:
    plan_id = await agency.plan((3000, 5), (7000, 30))
    await agency.pay(plan_id, 2)
    before = len(await agency.told())
    expected = {3: "까지 결제해 주세요", 6: "까지 결제해 주세요", 9: "지났습니다", 13: "지났습니다"}
    passed, sent = 0, before
    for days, words in expected.items():
        await agency.deployment.let_pass(days=days - passed)
        passed = days
        for _ in range(2):
            await agency.settle()
        told = await agency.told()
        sent += 1
        assert (days, len(told), words in told[-1], "1차" in told[-1]) == (days, sent, True, True)
    await agency.deployment.let_pass(days=60)
    await agency.settle()
    assert len(await agency.told()) == sent


async def test_a_plan_is_settled_once_by_many_workers(agency: Agency) -> None:
    plan_id = await agency.plan((3000, 2), monthlyFee=99_000)
    await agency.till.data(agency.manager, "POST", f"/payment-plans/{plan_id}/launch", json={"startsOn": day(0).isoformat()})
    await agency.deployment.let_pass(days=40)
    before = len(await agency.told())
    await asyncio.gather(*(agency.settle() for _ in range(5)))
    plan = await agency.read(plan_id)
    assert [each["status"] for each in plan["installments"]] == ["overdue", "overdue", "pending"]
    assert len(await agency.told()) == before + 2
    assert await agency.broken() == {}


async def test_months_that_nobody_made_in_time_are_all_made(agency: Agency) -> None:
    plan_id = await agency.plan((3000, 2), monthlyFee=99_000)
    await agency.till.data(agency.manager, "POST", f"/payment-plans/{plan_id}/launch", json={})
    long_ago = day(-100)
    await agency.deployment.execute("UPDATE payment_plans SET fee_anchor = $1, next_fee_at = now()", long_ago)
    await agency.settle()
    months = [each["phase"] for each in (await agency.read(plan_id))["installments"][2:]]
    assert len(months) == len(set(months)) >= 3
    assert sorted(months) == months


async def test_a_person_takes_out_their_plans_and_is_forgotten_by_them(agency: Agency) -> None:
    plan_id = await agency.plan((3000, 5), monthlyFee=99_000)
    await agency.till.data(agency.manager, "POST", f"/payment-plans/{plan_id}/launch", json={})
    [context] = [each for each in agency.deployment.container.personal_data if each.name == "payment_plans"]
    now = agency.deployment.container.clock.now()
    async with agency.deployment.container.units() as uow:
        [exported] = (await context.export(uow, agency.client.id))["paymentPlans"]
        assert (exported["id"], exported["installments"][0]["amount"]) == (plan_id, 3000)
        assert await context.erase(uow, agency.client.id, now) == {"payment_plans": 1}
        assert await context.export(uow, agency.client.id) == {"paymentPlans": []}
    before = len(await agency.told())
    await agency.deployment.let_pass(days=60)
    await agency.settle()
    plan = await agency.read(plan_id, agency.manager)
    assert (plan["clientId"], len(plan["installments"])) == (None, 2)
    assert len(await agency.told()) == before
    assert await agency.broken() == {}


async def test_doctor_finds_what_was_broken_on_purpose_and_mends_it(agency: Agency) -> None:
    plan_id = await agency.plan((3000, 5), (7000, 30))
    await agency.pay(plan_id)
    assert await agency.broken() == {}
    await agency.deployment.execute("UPDATE payment_plans SET status = 'completed'")
    assert await agency.broken() == {"every-payment-plan-has-the-status-of-its-instalments": 1}
    await agency.mend()
    assert await agency.broken() == {}
    await agency.deployment.execute("UPDATE payment_installments SET overdue_at = now() - interval '1 hour' WHERE number = 2")
    assert await agency.broken() == {"no-instalment-is-past-its-day-unmarked": 1}
    await agency.mend()
    assert await agency.states(plan_id) == ["partial", "paid", "overdue"]
    await agency.deployment.execute("UPDATE payment_installments SET status = 'pending' WHERE number = 1")
    await agency.deployment.execute("UPDATE payment_plans SET status = 'pending'")
    await agency.deployment.execute("UPDATE payments SET updated_at = now() - interval '1 hour'")
    assert await agency.broken() == {"every-payment-of-an-instalment-was-heard": 1}
    await agency.mend()
    assert await agency.states(plan_id) == ["partial", "paid", "overdue"]
    assert await agency.broken() == {}
