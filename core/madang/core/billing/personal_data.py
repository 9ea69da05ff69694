"""What billing knows about a person. The law keeps payments: their amounts, dates and references stay, without the person."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.billing.closing import close_message
from madang.core.billing.model import Payment
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import is_open


class BillingPersonalData:
    """Fulfils `PersonalData`."""

    name: Final = "billing"
    tables: Final = frozenset({"payments"})

    async def export(self, uow: BillingUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        return {"payments": [_payment(payment) for payment in await uow.payments.of_user(user_id)]}

    async def forget_outside(self, user_id: UUID) -> None:
        """What payment providers keep of their own buyers is theirs."""

    async def erase(self, uow: BillingUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """A checkout that is still open is closed, as a message of this commit; a payment there all the same is nobody's."""
        for payment in await uow.payments.of_user(user_id):
            if is_open(payment) and payment.reference is not None:
                uow.send(close_message(payment.id))
        return {"payments": await uow.payments.forget_user(user_id)}


def _payment(payment: Payment) -> Mapping[str, Any]:
    return {
        "id": str(payment.id),
        "description": payment.description,
        "amount": payment.amount.amount,
        "currency": payment.amount.currency,
        "refunded": payment.refunded,
        "provider": payment.provider,
        "reference": payment.reference,
        "status": payment.status.value,
        "createdAt": payment.created_at,
        "paidAt": payment.paid_at,
    }
