"""Disputes: what a buyer's bank asked back, what became of it, and how the operators hear of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from madang.core.billing.model import Payment, PaymentStatus
from madang.core.kernel.messages import Handler, Message, RetryPolicy, Topic
from madang.core.kernel.unit_of_work import UnitOfWork
from madang.core.operations.alerts import OperatorNotifier
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus

TELL_OF_DISPUTE: Final = "billing.tell_of_dispute"
_PATIENT: Final = RetryPolicy((5, 30, 120, 600, 3600))
_PAID: Final = frozenset({RemotePaymentStatus.PAID, RemotePaymentStatus.PARTLY_REFUNDED})


class DisputeStatus(StrEnum):
    """`LOST`: the money is gone. `REFUNDED`: we gave it back before anybody decided. `REVERSED`: won after it was lost; what
    was taken back is granted anew by who can, and a person answers for the rest."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    REFUNDED = "refunded"
    REVERSED = "reversed"


_D = DisputeStatus


@dataclass(frozen=True, slots=True)
class Dispute:
    """Of one payment, as it stands last. `taken` is what lost disputes took, in the payment's minor unit, and of a reversed one
    what came back. `answered_at`: what a reversed one asks for was granted, or a person has seen to it."""

    payment_id: UUID
    provider: str
    status: DisputeStatus
    taken: int
    opened_at: datetime
    changed_at: datetime
    answered_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """Operators are alerted until it does not."""
        return self.status is DisputeStatus.REVERSED and self.answered_at is None


def money_back(dispute: Dispute | None) -> int:
    """What a lost dispute took and a reversed decision brought back, in the minor unit: `Payment.refunded` still counts it."""
    return dispute.taken if dispute is not None and dispute.status is DisputeStatus.REVERSED else 0


class DisputeRepository(Protocol):
    """Written behind the payment's lock."""

    async def of_payment(self, payment_id: UUID) -> Dispute | None: ...

    async def save(self, dispute: Dispute) -> None: ...

    async def waiting(self) -> Sequence[Dispute]:
        """Those that are reversed and not answered, the oldest first."""
        ...


class DisputesUnitOfWork(UnitOfWork, Protocol):
    @property
    def disputes(self) -> DisputeRepository: ...


def touches_dispute(payment: Payment, settled: Payment, told: PaymentSnapshot) -> bool:
    """Whether a dispute may have changed at all."""
    return told.charged_back is not None or PaymentStatus.DISPUTED in (payment.status, settled.status)


def dispute_after(
    earlier: Dispute | None, payment: Payment, settled: Payment, told: PaymentSnapshot, now: datetime
) -> Dispute | None:
    """The dispute once `payment` became `settled` by this word; None where nothing of it changed. A provider that does not say
    what disputes took has taken what went back while one was open."""
    taken = _taken(payment, settled, told)
    status = _status(earlier, payment, settled, told, taken)
    if status is None or (earlier is not None and (earlier.status, earlier.taken) == (status, taken)):
        return None
    opened_at = now if earlier is None else earlier.opened_at
    if status is _D.REVERSED and earlier is not None:
        taken = earlier.taken
    return Dispute(payment.id, payment.provider, status, taken, opened_at, now)


def confirms_reversal(earlier: Dispute | None, told: PaymentSnapshot) -> bool:
    """Whether a second word says that the bank took nothing in the end: a first one may be older than the loss."""
    nothing_taken = told.charged_back is not None and told.charged_back.amount == 0
    return earlier is not None and earlier.waits and nothing_taken and told.status in _PAID


def _taken(payment: Payment, settled: Payment, told: PaymentSnapshot) -> int:
    if told.charged_back is not None:
        return min(told.charged_back.amount, settled.amount.amount)
    return settled.refunded - payment.refunded if _was_decided(payment, settled) else 0


def _status(
    earlier: Dispute | None, payment: Payment, settled: Payment, told: PaymentSnapshot, taken: int
) -> DisputeStatus | None:
    if settled.status is PaymentStatus.DISPUTED:
        return _D.OPEN
    if taken:
        return _D.LOST
    if earlier is not None and earlier.status is _D.LOST and told.charged_back is not None:
        return _D.REVERSED if told.status in _PAID else None
    if not _was_decided(payment, settled):
        return None
    return _D.REFUNDED if settled.status is PaymentStatus.REFUNDED else _D.WON


def _was_decided(payment: Payment, settled: Payment) -> bool:
    return payment.status is PaymentStatus.DISPUTED and settled.status is not PaymentStatus.DISPUTED


class DisputeAlerts:
    """Each change of a dispute is told to the operators once."""

    def __init__(self, operators: OperatorNotifier) -> None:
        self._operators = operators

    def handlers(self) -> Sequence[Handler[UnitOfWork]]:
        return (Handler(Topic(TELL_OF_DISPUTE, retry=_PATIENT), handle=self.tell),)

    async def tell(self, uow: UnitOfWork, message: Message) -> None:
        told = message.payload
        lost = told["status"] == DisputeStatus.LOST
        values = {name: str(told[name]) for name in ("payment_id", "provider", "amount", *(("taken",) if lost else ()))}
        key = f"dispute:{told['payment_id']}:{told['status']}:{told['changed_at']}"
        await self._operators.tell_operators(uow, f"billing.dispute_{told['status']}", key=key, values=values)
