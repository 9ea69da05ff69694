"""One payment plan for the fast tests, of whoever asks."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from madang.core.billing.payment_plans.calendar import PlanCalendar
from madang.core.billing.payment_plans.checkouts import InstallmentOrder
from madang.core.billing.payment_plans.model import InstallmentKind, PaymentPlan, PlanStatus, planned
from madang.core.billing.payment_plans.service import FeeChange, InstallmentChange, NewPlan
from madang.core.billing.plan_checkouts import OpenedCheckout
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import NotFound, StaleVersion
from madang.core.kernel.ids import new_id
from madang.core.kernel.paging import Page, PageRequest


class InMemoryPaymentPlans:
    """Plans and the checkouts of their instalments."""

    def __init__(self, clock: Any) -> None:
        now = clock.now()
        calendar, day = PlanCalendar(ZoneInfo("Asia/Seoul")), now.date() + timedelta(days=30)
        parts = (planned(1, InstallmentKind.MILESTONE, "계약금", 3000, day, calendar, now),)
        self.plan = PaymentPlan(new_id(), new_id(), new_id(), "KRW", parts, now, now, monthly_fee=100)

    async def create(self, caller: Caller, new: NewPlan) -> PaymentPlan:
        return replace(self.plan, id=new.id)

    async def page(
        self,
        caller: Caller,
        request: PageRequest,
        *,
        client_id: UUID | None = None,
        project_id: UUID | None = None,
        status: PlanStatus | None = None,
    ) -> Page[PaymentPlan]:
        return Page([self.plan], 1, request.page, request.limit)

    async def get(self, caller: Caller, plan_id: UUID) -> PaymentPlan:
        return replace(self.plan, id=plan_id)

    async def change_installment(self, caller: Caller, plan_id: UUID, number: int, change: InstallmentChange) -> PaymentPlan:
        self._there(number, change.versions)
        return self.plan

    async def launch(self, caller: Caller, plan_id: UUID, starts_on: date | None = None) -> PaymentPlan:
        return replace(self.plan, fee_anchor=starts_on)

    async def change_fee(self, caller: Caller, plan_id: UUID, change: FeeChange) -> PaymentPlan:
        self._there(1, change.versions)
        return replace(self.plan, monthly_fee=change.fee)

    async def open(self, caller: Caller, plan_id: UUID, number: int, order: InstallmentOrder) -> OpenedCheckout:
        self._there(number, None)
        return OpenedCheckout(plan_id, "sandbox", "https://pay.test.invalid/c", {}, plan_id)

    def _there(self, number: int, versions: Collection[int] | None) -> None:
        if number != 1:
            raise NotFound("none", code="INSTALLMENT_NOT_FOUND")
        if versions is not None and self.plan.version not in versions:
            raise StaleVersion("stale")
