"""Answering a dispute that was won after it was lost: by who granted again what was taken back, or by a person."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from madang.core.billing.disputes import Dispute
from madang.core.billing.events import dispute_answered
from madang.core.billing.model import Payment
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound, WrongState
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail


class ReversalsUnitOfWork(BillingUnitOfWork, AuditedUnitOfWork, Protocol):
    """What a person's answer touches."""


async def waiting_reversal(uow: BillingUnitOfWork, payment_id: UUID) -> tuple[Payment, Dispute] | None:
    """The payment, locked, and its reversed dispute; None where nothing waits for an answer."""
    payment = await uow.payments.get(payment_id, lock=True)
    dispute = None if payment is None else await uow.disputes.of_payment(payment_id)
    return (payment, dispute) if payment is not None and dispute is not None and dispute.waits else None


async def answer(uow: BillingUnitOfWork, payment: Payment, dispute: Dispute, clock: Clock) -> None:
    """It alerts nobody any more. The payment's row is locked by the caller."""
    await uow.disputes.save(replace(dispute, answered_at=clock.now()))
    uow.announce(dispute_answered(payment))


class Reversals:
    """For operators."""

    def __init__(self, units: UnitOfWorkFactory[ReversalsUnitOfWork], audit_trail: AuditTrail, clock: Clock) -> None:
        self._units = units
        self._audit_trail = audit_trail
        self._clock = clock

    async def waiting(self) -> Sequence[tuple[Dispute, Payment]]:
        """Those that nobody has answered, the oldest first."""
        async with self._units() as uow:
            found = [(each, await uow.payments.get(each.payment_id)) for each in await uow.disputes.waiting()]
        return [(dispute, payment) for dispute, payment in found if payment is not None]

    async def answer(self, caller: Caller, payment_id: UUID) -> None:
        """A person has given the buyer what is due, or decided that nothing is. Raises `NotFound` for no such payment,
        `WrongState` where no reversed dispute waits."""
        async with self._units() as uow:
            found = await waiting_reversal(uow, payment_id)
            if found is None:
                if await uow.payments.get(payment_id) is None:
                    raise NotFound("there is no such payment", code="PAYMENT_NOT_FOUND")
                raise WrongState("no reversed dispute of this payment waits", state="answered", expected="reversed")
            await answer(uow, *found, self._clock)
            await self._audit_trail.record(uow, caller, AuditAction.DISPUTE_ANSWERED, f"payment:{payment_id}")
