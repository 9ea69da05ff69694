"""What HTTP asks of the composed process about payment plans: the part of the container that these routes touch."""

from datetime import date
from typing import Protocol
from uuid import UUID

from madang.core.billing.payment_plans.checkouts import InstallmentOrder
from madang.core.billing.payment_plans.model import PaymentPlan, PlanStatus
from madang.core.billing.payment_plans.service import FeeChange, InstallmentChange, NewPlan
from madang.core.billing.plan_checkouts import OpenedCheckout
from madang.core.kernel.caller import Caller
from madang.core.kernel.paging import Page, PageRequest


class PaymentPlans(Protocol):
    """`PaymentPlans` of the core."""

    async def create(self, caller: Caller, new: NewPlan) -> PaymentPlan: ...

    async def page(
        self,
        caller: Caller,
        request: PageRequest,
        *,
        client_id: UUID | None = None,
        project_id: UUID | None = None,
        status: PlanStatus | None = None,
    ) -> Page[PaymentPlan]: ...

    async def get(self, caller: Caller, plan_id: UUID) -> PaymentPlan: ...

    async def change_installment(
        self, caller: Caller, plan_id: UUID, number: int, change: InstallmentChange
    ) -> PaymentPlan: ...

    async def launch(self, caller: Caller, plan_id: UUID, starts_on: date | None = None) -> PaymentPlan: ...

    async def change_fee(self, caller: Caller, plan_id: UUID, change: FeeChange) -> PaymentPlan: ...


class InstallmentCheckouts(Protocol):
    async def open(self, caller: Caller, plan_id: UUID, number: int, order: InstallmentOrder) -> OpenedCheckout: ...


class PaymentPlanParts(Protocol):
    """Fulfilled by the process's container."""

    @property
    def payment_plans(self) -> PaymentPlans: ...

    @property
    def installment_checkouts(self) -> InstallmentCheckouts: ...
