"""Every try to be paid, and what became of it: a window that was opened, a key that was spent, money that was taken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from madang.core.billing.model import SETTLED, Payment, PaymentStatus
from madang.core.kernel.ids import new_id


class AttemptOperation(StrEnum):
    CHECKOUT = "checkout"
    CONFIRM = "confirm"
    CAPTURE = "capture"
    CHARGE = "charge"


class AttemptStatus(StrEnum):
    """`PENDING` until the provider has said what became of it; `UNKNOWN` while it is being looked up."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


IN_FLIGHT: Final = frozenset({AttemptStatus.PENDING, AttemptStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class PaymentAttempt:
    """`number` counts within the payment, from 1; `code` is the provider's own word for a failure."""

    id: UUID
    payment_id: UUID
    number: int
    provider: str
    operation: AttemptOperation
    status: AttemptStatus
    created_at: datetime
    updated_at: datetime
    reference: str | None = None
    code: str | None = None
    failure: str | None = None

    @property
    def is_open(self) -> bool:
        return self.status in IN_FLIGHT

    def ended(
        self, status: AttemptStatus, now: datetime, *, failure: str | None = None, code: str | None = None
    ) -> "PaymentAttempt":
        return replace(self, status=status, failure=failure, code=code, updated_at=now)


class AttemptRepository(Protocol):
    async def of_payment(self, payment_id: UUID) -> Sequence[PaymentAttempt]:
        """In the order of their numbers."""
        ...

    async def add(self, attempt: PaymentAttempt) -> None: ...

    async def update(self, attempt: PaymentAttempt) -> None: ...


class AttemptsUnitOfWork(Protocol):
    @property
    def payment_attempts(self) -> AttemptRepository: ...


async def begin_attempt(
    uow: AttemptsUnitOfWork, payment: Payment, operation: AttemptOperation, now: datetime, *, reference: str | None = None
) -> PaymentAttempt:
    """Whoever calls this holds the payment's row, so that no number is given twice."""
    number = len(await uow.payment_attempts.of_payment(payment.id)) + 1
    pending = AttemptStatus.PENDING
    attempt = PaymentAttempt(new_id(), payment.id, number, payment.provider, operation, pending, now, now, reference)
    await uow.payment_attempts.add(attempt)
    return attempt


async def follow_payment(uow: AttemptsUnitOfWork, payment: Payment, now: datetime) -> None:
    """What became of the payment became of its last try; a window whose person has approved has done its part."""
    attempts = await uow.payment_attempts.of_payment(payment.id)
    status = _status_after(payment, attempts[-1]) if attempts else None
    if attempts and status is not None and status is not attempts[-1].status:
        failure = payment.failure or payment.status.value if status is AttemptStatus.FAILED else None
        code = attempts[-1].code if status is AttemptStatus.FAILED else None
        await uow.payment_attempts.update(attempts[-1].ended(status, now, failure=failure, code=code))


def _status_after(payment: Payment, attempt: PaymentAttempt) -> AttemptStatus | None:
    if payment.status in SETTLED:
        return AttemptStatus.SUCCEEDED
    if payment.status in (PaymentStatus.FAILED, PaymentStatus.CANCELLED, PaymentStatus.EXPIRED):
        return None if attempt.status is AttemptStatus.SUCCEEDED else AttemptStatus.FAILED
    if payment.status is PaymentStatus.AUTHORISED and attempt.operation is AttemptOperation.CHECKOUT:
        return AttemptStatus.SUCCEEDED
    return None
