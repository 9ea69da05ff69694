"""Payment plans as staff makes and changes them: what is refused, and what is written in the audit trail, whole."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from madang.core.billing.model import Payment, PaymentStatus
from madang.core.billing.payment_plans.calendar import PlanCalendar
from madang.core.billing.payment_plans.model import InstallmentStatus, PaymentPlan
from madang.core.billing.payment_plans.service import (
    STAFF,
    FeeChange,
    InstallmentChange,
    NewInstallment,
    NewPlan,
    PaymentPlans,
    numbered,
)
from madang.core.identity.model import UserStatus
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import Conflict, NotFound, StaleVersion, ValidationFailed, WrongState
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from unit.billing.billing_in_memory import PaymentRows
from unit.core.core_in_memory import StandingClock

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
TODAY = date(2031, 5, 1)
DAY = timedelta(days=1)
CALENDAR = PlanCalendar(ZoneInfo("Asia/Seoul"))
STAFF_CALLER = Caller(CallerKind.USER, new_id(), permissions=frozenset({STAFF}))


class Office:
    """The rows of plans, who the clients are, and what the audit trail was told."""

    def __init__(self) -> None:
        self.plans: dict[UUID, PaymentPlan] = {}
        self.client: Any = SimpleNamespace(id=new_id(), status=UserStatus.ACTIVE)
        self.payments, self.users, self.payment_plans = PaymentRows(), self, self
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        me: Any = self
        self.service = PaymentPlans(self.unit, CALENDAR, me, StandingClock(NOW))

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Any]:
        yield self

    async def get(self, wanted: UUID, *, lock: bool = False) -> Any:
        return self.client if self.client is not None and wanted == self.client.id else self.plans.get(wanted)

    async def add(self, plan: PaymentPlan) -> None:
        self.plans[plan.id] = plan

    async def update(self, plan: PaymentPlan) -> None:
        assert plan.version > self.plans[plan.id].version
        self.plans[plan.id] = plan

    async def record(self, uow: Any, caller: Caller, action: Any, subject: str, **details: Any) -> None:
        assert caller is STAFF_CALLER
        self.told.append((action.value, subject, details))

    def new(self, *amounts: int, **changes: Any) -> NewPlan:
        parts = tuple(NewInstallment(f"phase {n}", amount, TODAY + n * DAY) for n, amount in enumerate(amounts or (500, 300)))
        return replace(NewPlan(new_id(), new_id(), self.client.id, "KRW", parts), **changes)

    async def made(self, **changes: Any) -> PaymentPlan:
        plan = await self.service.create(STAFF_CALLER, self.new(**changes))
        self.told.clear()
        return plan

    def has(self, plan: PaymentPlan, number: int = 1, **changes: Any) -> None:
        installment = numbered(plan, number)
        self.plans[plan.id] = plan.with_installment(replace(installment, **changes), NOW)

    async def change(self, plan: PaymentPlan, number: int = 1, **changes: Any) -> PaymentPlan:
        return await self.service.change_installment(STAFF_CALLER, plan.id, number, InstallmentChange(**changes))


@pytest.fixture
def office() -> Office:
    return Office()


async def test_a_plan_is_made_once_as_it_was_told_and_audited(office: Office) -> None:
    new = office.new(monthly_fee=100, total=800)
    plan = await office.service.create(STAFF_CALLER, new)
    assert (plan.project_id, plan.client_id, plan.currency, plan.monthly_fee) == (new.project_id, new.client_id, "KRW", 100)
    told = [(each.number, each.kind.value, each.phase, each.amount, each.due_date) for each in plan.installments]
    assert told == [(1, "milestone", "phase 0", 500, TODAY), (2, "milestone", "phase 1", 300, TODAY + DAY)]
    assert office.told == [("PAYMENT_PLAN_CREATED", f"payment_plan:{plan.id}", {"total": 800, "currency": "KRW"})]
    assert await office.service.create(STAFF_CALLER, new) is plan
    assert len(office.told) == 1


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"currency": "XXY"}, ["currency"]),
        ({"installments": ()}, ["installments"]),
        ({"installments": (NewInstallment("a", 0, TODAY),)}, ["installments.0.amount"]),
        ({"installments": (NewInstallment("a", 1, TODAY - DAY),)}, ["installments.0.dueDate"]),
        ({"installments": (NewInstallment("a", 1, TODAY + DAY), NewInstallment("b", 1, TODAY))}, ["installments.1.dueDate"]),
        ({"installments": (NewInstallment("a", 10**12, TODAY), NewInstallment("b", 1, TODAY))}, ["installments"]),
        ({"monthly_fee": 0}, ["monthlyFee"]),
        ({"monthly_fee": 10**12 + 1}, ["monthlyFee"]),
        ({"total": 801}, ["totalAmount"]),
        ({"client_id": new_id()}, ["clientId"]),
    ],
)
async def test_a_plan_that_cannot_be_is_refused_where_it_is_wrong(
    office: Office, changes: dict[str, Any], paths: list[str]
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await office.service.create(STAFF_CALLER, office.new(**changes))
    assert [problem.path for problem in refused.value.problems] == paths
    assert (office.plans, office.told) == ({}, [])


async def test_nobody_who_is_not_active_is_asked_to_pay(office: Office) -> None:
    office.client.status = next(status for status in UserStatus if status is not UserStatus.ACTIVE)
    with pytest.raises(ValidationFailed):
        await office.made()


async def test_an_instalment_that_is_owed_may_have_another_day_and_amount(office: Office) -> None:
    plan = await office.made()
    office.has(plan, payment_id=(opened := new_id()))
    later = await office.change(plan, due_date=TODAY + DAY)
    assert (numbered(later, 1).due_date, numbered(later, 1).payment_id, numbered(later, 1).amount) == (TODAY + DAY, opened, 500)
    dearer = await office.change(plan, amount=501)
    assert (numbered(dearer, 1).amount, numbered(dearer, 1).payment_id) == (501, None)
    assert office.plans[plan.id] == dearer
    subject = f"payment_plan:{plan.id}"
    assert office.told == [
        ("INSTALLMENT_CHANGED", subject, {"number": 1, "amount": amount, "due_date": "2031-05-02"}) for amount in (500, 501)
    ]
    assert await office.change(plan, amount=501, due_date=TODAY + DAY) is dearer
    assert len(office.told) == 2


async def test_what_is_paid_stays_and_what_was_refunded_is_asked_for_again(office: Office) -> None:
    plan = await office.made()
    office.has(plan, status=InstallmentStatus.PAID)
    with pytest.raises(WrongState) as refused:
        await office.change(plan, amount=1)
    assert (refused.value.params["state"], refused.value.params["expected"]) == ("paid", "pending, overdue")
    office.has(plan, status=InstallmentStatus.REFUNDED, payment_id=new_id())
    again = numbered(await office.change(plan, due_date=TODAY), 1)
    assert (again.status, again.payment_id) == (InstallmentStatus.PENDING, None)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": 10**12 + 1}, "amount"),
        ({"due_date": TODAY - DAY}, "dueDate"),
        ({"due_date": TODAY + 2 * DAY}, "dueDate"),
    ],
)
async def test_a_change_that_cannot_be_changes_nothing(office: Office, change: dict[str, Any], path: str) -> None:
    plan = await office.made()
    with pytest.raises(ValidationFailed) as refused:
        await office.change(plan, **change)
    assert [problem.path for problem in refused.value.problems] == [path]
    assert (office.plans[plan.id], office.told) == (plan, [])


async def test_the_amount_stays_while_somebody_pays(office: Office) -> None:
    plan = await office.made()
    times = (NOW, NOW, NOW + timedelta(seconds=1))
    payment = Payment(new_id(), "payment_plans", "x", Money(500, "KRW"), "bank", PaymentStatus.PENDING, *times)
    office.has(plan, payment_id=payment.id)
    office.payments.rows[payment.id] = payment
    with pytest.raises(Conflict) as refused:
        await office.change(plan, amount=1)
    assert refused.value.error_code == "INSTALLMENT_BEING_PAID"
    for over in (replace(payment, expires_at=NOW), replace(payment, status=PaymentStatus.CANCELLED)):
        office.has(plan, payment_id=payment.id)
        office.payments.rows[payment.id] = over
        assert numbered(await office.change(plan, amount=1), 1).amount == 1


async def test_a_change_of_another_version_is_stale_and_of_another_plan_or_number_not_found(office: Office) -> None:
    plan = await office.made()
    with pytest.raises(StaleVersion):
        await office.change(plan, amount=1, versions=[plan.version + 1])
    assert (await office.change(plan, amount=1, versions=[plan.version])).version > plan.version
    with pytest.raises(NotFound) as missing:
        await office.change(plan, 3, amount=1)
    assert missing.value.error_code == "INSTALLMENT_NOT_FOUND"
    for asked in (
        office.change(replace(plan, id=new_id()), amount=1),
        office.service.get(Caller(CallerKind.USER, new_id()), plan.id),
        office.service.get(Caller(CallerKind.USER, office.client.id), new_id()),
    ):
        with pytest.raises(NotFound) as missing:
            await asked
        assert missing.value.error_code == "PAYMENT_PLAN_NOT_FOUND"
    for caller in (STAFF_CALLER, Caller(CallerKind.USER, office.client.id)):
        assert (await office.service.get(caller, plan.id)).id == plan.id
    office.plans[plan.id] = replace(plan, client_id=None)
    with pytest.raises(NotFound):
        await office.service.get(Caller(CallerKind.ANONYMOUS), plan.id)


async def test_the_monthly_fee_begins_once_on_its_day(office: Office) -> None:
    plan = await office.made(monthly_fee=100)
    with pytest.raises(ValidationFailed) as over:
        await office.service.launch(STAFF_CALLER, plan.id, TODAY - DAY)
    assert [problem.path for problem in over.value.problems] == ["startsOn"]
    launched = await office.service.launch(STAFF_CALLER, plan.id)
    fee = launched.installments[-1]
    assert (launched.fee_anchor, launched.fees, fee.kind.value, fee.amount, fee.due_date) == (TODAY, 1, "monthly", 100, TODAY)
    assert office.told == [("PAYMENT_PLAN_LAUNCHED", f"payment_plan:{plan.id}", {"starts_on": "2031-05-01"})]
    assert await office.service.launch(STAFF_CALLER, plan.id, TODAY) is launched
    with pytest.raises(WrongState) as begun:
        await office.service.launch(STAFF_CALLER, plan.id, TODAY + DAY)
    assert begun.value.params["state"] == "launched"
    free = await office.made()
    with pytest.raises(WrongState) as without:
        await office.service.launch(STAFF_CALLER, free.id)
    assert without.value.params["state"] == "without a monthly fee"


async def test_the_monthly_fee_changes_and_what_was_ended_does_not_begin_again(office: Office) -> None:
    plan = await office.made(monthly_fee=100)

    async def change(fee: int | None) -> PaymentPlan:
        return await office.service.change_fee(STAFF_CALLER, plan.id, FeeChange(fee))

    for wrong in (0, 10**12 + 1):
        with pytest.raises(ValidationFailed) as refused:
            await change(wrong)
        assert [problem.path for problem in refused.value.problems] == ["monthlyFee"]
    assert (await change(100), office.told) == (plan, [])
    assert (await change(200)).monthly_fee == 200
    assert (await change(None)).next_fee_at is None
    assert (await change(300)).monthly_fee == 300
    await office.service.launch(STAFF_CALLER, plan.id)
    await change(None)
    with pytest.raises(WrongState) as ended:
        await change(1)
    assert ended.value.params["state"] == "ended"
    changed = [details for action, _, details in office.told if action == "MONTHLY_FEE_CHANGED"]
    assert changed == [{"fee": 200}, {"fee": None}, {"fee": 300}, {"fee": None}]
