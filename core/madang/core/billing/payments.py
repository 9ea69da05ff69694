"""What people do with a payment: look at it, bring back the key that confirms it, and – not its buyer – give it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from madang.core.billing.attempts import PaymentAttempt
from madang.core.billing.disputes import Dispute
from madang.core.billing.model import OPEN, SETTLED, Payment, PaymentStatus, Refund, left_to_refund
from madang.core.billing.repository import BillingUnitOfWork, PaymentFilter
from madang.core.billing.routing import PaymentRouting
from madang.core.billing.service import BillingService
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import Conflict, NotFound, PermissionDenied, Problem, ValidationFailed, WrongState
from madang.core.kernel.paging import CursorPage, CursorRequest, Page, PageRequest
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail
from madang.ports.money import Money

STAFF: Final = "payments:refund"
"""Who may give money back may also see everybody's payments."""


_DOUBTS: Final = 5
"""How many wrong amounts of a payment are kept that its browser told: anybody can make up more."""


class PaymentsUnitOfWork(BillingUnitOfWork, AuditedUnitOfWork, Protocol):
    """What these use cases touch."""


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment with every try to be paid and every refund, in their order, and what its buyer's bank asked back."""

    payment: Payment
    attempts: Sequence[PaymentAttempt]
    refunds: Sequence[Refund]
    dispute: Dispute | None = None


@dataclass(frozen=True, slots=True)
class NewRefund:
    """`amount` None: all that is left."""

    id: UUID
    reason: str
    amount: Money | None = None


class Payments:
    def __init__(
        self,
        units: UnitOfWorkFactory[PaymentsUnitOfWork],
        billing: BillingService,
        routing: PaymentRouting,
        audit_trail: AuditTrail,
    ) -> None:
        self._units = units
        self._billing = billing
        self._routing = routing
        self._audit_trail = audit_trail

    async def page(self, caller: Caller, request: PageRequest, *, status: PaymentStatus | None = None) -> Page[Payment]:
        """The caller's own, the newest first."""
        async with self._units() as uow:
            return await uow.payments.page_of(caller.person, request, status=status)

    async def listing(self, request: CursorRequest, wanted: PaymentFilter) -> CursorPage[Payment]:
        """Everybody's, for staff."""
        async with self._units() as uow:
            return await uow.payments.page(request, wanted)

    async def get(self, caller: Caller, payment_id: UUID) -> PaymentView:
        """Raises `NotFound`, also for one that is another's."""
        async with self._units() as uow:
            return await _view(uow, await _visible(uow, caller, payment_id))

    async def confirm(
        self, caller: Caller, payment_id: UUID, *, key: str | None = None, amount: Money | None = None
    ) -> PaymentView:
        """The browser is back. Where the provider wants its key spent, that is done once, by the worker, and for our amount;
        any other provider is asked what is true.

        Raises `NotFound`, `ValidationFailed` without a key where one is needed, `WrongState` for a payment that is over, and
        `Conflict` for an amount that is not ours: that is alerted, and nothing is spent.
        """
        async with self._units() as uow:
            payment = await _visible(uow, caller, payment_id, lock=True)
            if payment.user_id is not None and payment.user_id != caller.user_id:
                raise _no_such_payment()
            doubtful = amount is not None and amount != payment.amount
            if doubtful and amount is not None:
                await self._billing.doubt_amount(uow, payment, amount, at_most=_DOUBTS)
            else:
                await self._confirm(uow, caller, payment, key)
            view = await _view(uow, payment)
        if doubtful:
            raise Conflict("this is not the amount of the payment: nothing was confirmed", code="AMOUNT_MISMATCH")
        return view

    async def request_refund(self, caller: Caller, payment_id: UUID, new: NewRefund) -> Refund:
        """Give back part or all; the same id is the same refund. Never more than was paid, also with two at once.

        Raises `NotFound`, `PermissionDenied` for the buyer themself, `WrongState` for a payment whose money never came,
        `ValidationFailed` for another currency, and `Conflict` where less is left or only the whole can be given back.
        """
        async with self._units() as uow:
            payment = await _existing(uow, payment_id, lock=True)
            if payment.user_id is not None and payment.user_id == caller.user_id:
                raise PermissionDenied("nobody refunds what they bought themselves", code="REFUND_OF_OWN_PAYMENT")
            key = f"request:{new.id}"
            earlier = await uow.payments.refund_by_key(key)
            if earlier is not None:
                return earlier
            left = await self._refundable(uow, payment, new.amount)
            amount = None if new.amount is None else new.amount.amount
            refund = await self._billing.request_refund(
                uow, payment_id, key=key, reason=new.reason, amount=amount, refund_id=new.id
            )
            if refund is None:
                raise _too_much(left, payment)
            await self._audit_trail.record(
                uow,
                caller,
                AuditAction.REFUND_REQUESTED,
                f"refund:{refund.id}",
                payment_id=str(payment_id),
                amount=refund.amount.amount,
                currency=refund.amount.currency,
            )
        return refund

    async def refund(self, caller: Caller, payment_id: UUID, refund_id: UUID) -> Refund:
        """Raises `NotFound`, also for one of another payment, or of another's."""
        async with self._units() as uow:
            await _visible(uow, caller, payment_id)
            refund = await uow.payments.get_refund(refund_id)
        if refund is None or refund.payment_id != payment_id:
            raise NotFound("there is no such refund", code="REFUND_NOT_FOUND")
        return refund

    async def _confirm(self, uow: PaymentsUnitOfWork, caller: Caller, payment: Payment, key: str | None) -> None:
        if payment.status in SETTLED:
            return
        if payment.status not in OPEN:
            raise WrongState("this payment is over", state=payment.status.value, expected="pending")
        confirms = self._routing.gateway(payment.provider).capabilities.confirms
        if confirms and key is None:
            raise ValidationFailed(Problem("key", "is needed: it is what the provider gave to the browser"))
        await self._billing.come_back(uow, payment, key)
        if not confirms:
            return
        subject, provider = f"payment:{payment.id}", payment.provider
        await self._audit_trail.record(uow, caller, AuditAction.PAYMENT_CONFIRMED, subject, provider=provider)

    async def _refundable(self, uow: PaymentsUnitOfWork, payment: Payment, amount: Money | None) -> int:
        """What is left to give back; raises unless this much can be."""
        if payment.status not in SETTLED:
            raise WrongState("no money has come", state=payment.status.value, expected="paid, partly_refunded")
        left = left_to_refund(payment, await uow.payments.refunds(payment.id))
        if amount is not None and amount.currency != payment.amount.currency:
            raise ValidationFailed(Problem("amount.currency", f"this was paid in {payment.amount.currency}"))
        if left == 0 or (amount is not None and amount.amount > left):
            raise _too_much(left, payment)
        whole = amount is None or amount.amount == payment.amount.amount
        if not whole and not self._routing.gateway(payment.provider).capabilities.partial_refunds:
            raise Conflict("this provider gives back the whole payment only", code="PARTIAL_REFUND_NOT_POSSIBLE")
        return left


async def _view(uow: BillingUnitOfWork, payment: Payment) -> PaymentView:
    attempts = await uow.payment_attempts.of_payment(payment.id)
    refunds = await uow.payments.refunds(payment.id)
    return PaymentView(payment, attempts, refunds, await uow.disputes.of_payment(payment.id))


async def _visible(uow: BillingUnitOfWork, caller: Caller, payment_id: UUID, *, lock: bool = False) -> Payment:
    """One's own; staff sees everybody's."""
    payment = await _existing(uow, payment_id, lock=lock)
    if not caller.may(STAFF) and (payment.user_id is None or payment.user_id != caller.user_id):
        raise _no_such_payment()
    return payment


async def _existing(uow: BillingUnitOfWork, payment_id: UUID, *, lock: bool = False) -> Payment:
    payment = await uow.payments.get(payment_id, lock=lock)
    if payment is None:
        raise _no_such_payment()
    return payment


def _no_such_payment() -> NotFound:
    return NotFound("there is no such payment", code="PAYMENT_NOT_FOUND")


def _too_much(left: int, payment: Payment) -> Conflict:
    return Conflict(
        "that is more than is left to give back",
        code="REFUND_EXCEEDS_PAYMENT",
        left={"amount": left, "currency": payment.amount.currency},
    )
