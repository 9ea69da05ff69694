"""What payment plans ask of storage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from madang.core.billing.payment_plans.model import PaymentPlan, PlanStatus
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.kernel.paging import Page, PageRequest
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.core.operations.audit import AuditedUnitOfWork


@dataclass(frozen=True, slots=True)
class PlanFilter:
    client_id: UUID | None = None
    project_id: UUID | None = None
    status: PlanStatus | None = None


class PaymentPlanRepository(Protocol):
    async def get(self, plan_id: UUID, *, lock: bool = False, wait: bool = True) -> PaymentPlan | None:
        """With all its instalments. With `lock` the plan's row is held until the unit of work ends; without `wait`, one that
        somebody else holds is None."""
        ...

    async def add(self, plan: PaymentPlan) -> None: ...

    async def update(self, plan: PaymentPlan) -> None:
        """With every instalment; whoever calls this holds the row."""
        ...

    async def page(self, request: PageRequest, wanted: PlanFilter) -> Page[PaymentPlan]:
        """The newest first."""
        ...

    async def due(self, now: datetime, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Plans with something that has come due, in the order of their ids."""
        ...

    async def of_client(self, client_id: UUID) -> Sequence[PaymentPlan]:
        """The oldest first."""
        ...

    async def forget_client(self, client_id: UUID) -> int:
        """The plans stay, and are nobody's; nothing more is asked of anybody. Answers how many there were."""
        ...


class PaymentPlansUnitOfWork(BillingUnitOfWork, AuditedUnitOfWork, NotificationsUnitOfWork, Protocol):
    @property
    def payment_plans(self) -> PaymentPlanRepository: ...
