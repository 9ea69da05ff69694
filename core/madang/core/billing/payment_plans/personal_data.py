"""What payment plans know about a person: which are theirs. The plans stay, as the payments do, and are nobody's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.billing.payment_plans.model import PaymentPlan
from madang.core.billing.payment_plans.repository import PaymentPlansUnitOfWork


class PaymentPlansPersonalData:
    """Fulfils `PersonalData`."""

    name: Final = "payment_plans"
    tables: Final = frozenset({"payment_plans"})

    async def export(self, uow: PaymentPlansUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        return {"paymentPlans": [_plan(plan) for plan in await uow.payment_plans.of_client(user_id)]}

    async def forget_outside(self, user_id: UUID) -> None:
        """Nothing of them lies outside."""

    async def erase(self, uow: PaymentPlansUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """Nobody is reminded any more, and no further month begins."""
        return {"payment_plans": await uow.payment_plans.forget_client(user_id)}


def _plan(plan: PaymentPlan) -> Mapping[str, Any]:
    return {
        "id": str(plan.id),
        "projectId": str(plan.project_id),
        "status": plan.status.value,
        "currency": plan.currency,
        "monthlyFee": plan.monthly_fee,
        "createdAt": plan.created_at,
        "installments": [
            {
                "number": each.number,
                "kind": each.kind.value,
                "phase": each.phase,
                "amount": each.amount,
                "dueDate": each.due_date.isoformat(),
                "status": each.status.value,
                "paymentId": None if each.payment_id is None else str(each.payment_id),
                "paidAt": each.paid_at,
            }
            for each in plan.installments
        ],
    }
