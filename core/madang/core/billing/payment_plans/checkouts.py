"""Paying an instalment: one open checkout at a time, at the plan's amount."""

import dataclasses
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from madang.core.billing.attempts import AttemptOperation, begin_attempt
from madang.core.billing.checkouts import CHECKOUT_TIME, Checkouts, opened_checkout
from madang.core.billing.model import SETTLED, Payment, PaymentLine, PaymentStatus
from madang.core.billing.payment_plans.model import Installment, InstallmentKind, PaymentPlan
from madang.core.billing.payment_plans.repository import PaymentPlansUnitOfWork
from madang.core.billing.payment_plans.service import numbered, visible
from madang.core.billing.payment_plans.topics import PURPOSE, subject_of
from madang.core.billing.plan_checkouts import OpenedCheckout
from madang.core.billing.routing import PaymentRouting, Sale
from madang.core.billing.service import NewPayment, look_up_message, payment_of
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import PermissionDenied, WrongState
from madang.core.kernel.ids import new_id
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail

_AT_HAND: Final = frozenset({PaymentStatus.CREATED, PaymentStatus.PENDING, PaymentStatus.AUTHORISED})
_MONTHLY: Final = {"ko": "월 운영비 {}", "en": "Monthly fee {}"}


@dataclass(frozen=True, slots=True)
class InstallmentOrder:
    success_url: str
    cancel_url: str
    country: str | None = None
    provider: str | None = None
    locale: str = "ko"


class InstallmentCheckouts:
    def __init__(
        self,
        units: UnitOfWorkFactory[PaymentPlansUnitOfWork],
        checkouts: Checkouts,
        routing: PaymentRouting,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._checkouts = checkouts
        self._routing = routing
        self._audit_trail = audit_trail
        self._clock = clock

    async def open(self, caller: Caller, plan_id: UUID, number: int, order: InstallmentOrder) -> OpenedCheckout:
        """Where the client pays; while that is open, the same again.

        The payment is written under the plan's lock before its provider is asked: of two at once, both open the same. Raises
        `NotFound`, `PermissionDenied` for staff, `WrongState` for what is not owed, `ValidationFailed`, and what the gateway
        raises.
        """
        self._checkouts.check_pages(order.success_url, order.cancel_url)
        async with self._units() as uow:
            plan = await visible(uow, caller, plan_id, lock=True)
            if plan.client_id is None or plan.client_id != caller.user_id:
                raise PermissionDenied("the client alone pays", code="INSTALLMENT_OF_CLIENT")
            installment = numbered(plan, number)
            payment = await self._at_hand(uow, installment)
            if payment is not None:
                gateways = [self._routing.gateway(payment.provider)]
            else:
                sale = Sale(plan.currency, order.country, frozenset({PURPOSE}))
                gateways = list(self._routing.gateways(sale, order.provider))
                payment = await self._placed(uow, caller, plan, installment, order, gateways[0].name)
        if payment.status is not PaymentStatus.CREATED:
            return opened_checkout(payment)
        return opened_checkout(await self._checkouts.open_placed(_wanted(payment, order), gateways))

    async def _at_hand(self, uow: PaymentPlansUnitOfWork, installment: Installment) -> Payment | None:
        """The payment that was begun and may still be paid. Raises `WrongState` where nothing is owed."""
        payment = None if installment.payment_id is None else await uow.payments.get(installment.payment_id)
        if not installment.is_owed or (payment is not None and payment.status in SETTLED):
            state = installment.status.value if not installment.is_owed else "paid"
            raise WrongState("nothing is owed for this instalment", state=state, expected="pending, overdue")
        if payment is None or payment.status not in _AT_HAND or self._clock.now() >= payment.expires_at:
            return None
        return payment

    async def _placed(
        self,
        uow: PaymentPlansUnitOfWork,
        caller: Caller,
        plan: PaymentPlan,
        installment: Installment,
        order: InstallmentOrder,
        provider: str,
    ) -> Payment:
        now = self._clock.now()
        text = described(installment, order.locale)
        wanted = NewPayment(
            id=new_id(),
            purpose=PURPOSE,
            subject=subject_of(plan.id, installment.number),
            amount=plan.money(installment),
            description=text,
            success_url=order.success_url,
            cancel_url=order.cancel_url,
            expires_at=now + CHECKOUT_TIME,
            locale=order.locale,
            user_id=plan.client_id,
            country=order.country,
            lines=(PaymentLine(text, 1, installment.amount),),
        )
        payment = payment_of(wanted, provider, now)
        await uow.payments.add(payment)
        await begin_attempt(uow, payment, AttemptOperation.CHECKOUT, now)
        uow.send(look_up_message(payment.id, 0, now))
        begun = dataclasses.replace(installment, payment_id=payment.id)
        await uow.payment_plans.update(plan.with_installment(begun, now))
        await self._audit_trail.record(
            uow,
            caller,
            AuditAction.CHECKOUT_STARTED,
            f"payment:{payment.id}",
            purpose=PURPOSE,
            provider=provider,
            amount=payment.amount.amount,
            currency=payment.amount.currency,
        )
        return payment


def described(installment: Installment, locale: str) -> str:
    """As payments and invoices say it."""
    if installment.kind is InstallmentKind.MILESTONE:
        return installment.phase
    return _MONTHLY.get(locale, _MONTHLY["ko"]).format(installment.phase)


def _wanted(payment: Payment, order: InstallmentOrder) -> NewPayment:
    """As it was written; the pages are those of this try."""
    return NewPayment(
        id=payment.id,
        purpose=payment.purpose,
        subject=payment.subject,
        amount=payment.amount,
        description=payment.description,
        success_url=order.success_url,
        cancel_url=order.cancel_url,
        expires_at=payment.expires_at,
        locale=payment.locale,
        user_id=payment.user_id,
        country=payment.country,
        lines=payment.lines,
    )
