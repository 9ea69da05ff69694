"""The kinds of work of payment plans, and how payments name an instalment."""

from typing import Final
from uuid import UUID

PAYMENT_CHANGED: Final = "payment_plans.payment_changed"
DISPUTE_REVERSED: Final = "payment_plans.dispute_reversed"
SETTLE_DUE: Final = "payment_plans.settle_due"
PURPOSE: Final = "payment_plans"


def subject_of(plan_id: UUID, number: int) -> str:
    return f"installment:{plan_id}:{number}"


def named_by(subject: str) -> tuple[UUID, int]:
    """The plan and the number of an instalment's subject."""
    _, plan_id, number = subject.split(":")
    return UUID(plan_id), int(number)
