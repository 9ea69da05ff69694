"""What people do with payment plans: staff makes, changes and launches them; clients look at theirs."""

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from madang.core.billing.checkouts import LARGEST
from madang.core.billing.model import OPEN
from madang.core.billing.payment_plans.calendar import PlanCalendar
from madang.core.billing.payment_plans.model import (
    Installment,
    InstallmentKind,
    InstallmentStatus,
    PaymentPlan,
    PlanStatus,
    launched,
    marked_overdue,
    planned,
    rescheduled,
    with_due_fees,
    with_fee,
)
from madang.core.billing.payment_plans.repository import PaymentPlansUnitOfWork, PlanFilter
from madang.core.identity.model import UserStatus
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, NotFound, Problem, StaleVersion, ValidationFailed, WrongState
from madang.core.kernel.paging import Page, PageRequest
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.ports.money import EXPONENTS

STAFF: Final = "payment-plans:write"
MOST_INSTALLMENTS: Final = 60


@dataclass(frozen=True, slots=True)
class NewInstallment:
    """`amount` is in the minor unit of the plan's currency."""

    phase: str
    amount: int
    due_date: date


@dataclass(frozen=True, slots=True)
class NewPlan:
    """The same id is the same plan. `total` is what the client was told, where staff says it: the instalments must add up."""

    id: UUID
    project_id: UUID
    client_id: UUID
    currency: str
    installments: Sequence[NewInstallment]
    monthly_fee: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class InstallmentChange:
    """What is None stays. `versions` are those of the plan that may be changed; None where any may."""

    amount: int | None = None
    due_date: date | None = None
    versions: Collection[int] | None = None


@dataclass(frozen=True, slots=True)
class FeeChange:
    """Of the months that are still to come; no `fee` ends them."""

    fee: int | None
    versions: Collection[int] | None = None


class PaymentPlans:
    def __init__(
        self,
        units: UnitOfWorkFactory[PaymentPlansUnitOfWork],
        calendar: PlanCalendar,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._calendar = calendar
        self._audit_trail = audit_trail
        self._clock = clock

    async def create(self, caller: Caller, new: NewPlan) -> PaymentPlan:
        """Raises `ValidationFailed`."""
        now = self._clock.now()
        if problems := list(_problems(new, self._calendar.today(now))):
            raise ValidationFailed(*problems)
        async with self._units() as uow:
            earlier = await uow.payment_plans.get(new.id)
            if earlier is not None:
                return earlier
            client = await uow.users.get(new.client_id, lock=True)
            if client is None or client.status is not UserStatus.ACTIVE:
                raise ValidationFailed(Problem("clientId", "is nobody who could pay"))
            plan = self._plan(new, now)
            await uow.payment_plans.add(plan)
            await self._record(uow, caller, AuditAction.PAYMENT_PLAN_CREATED, plan, total=plan.total, currency=plan.currency)
        return plan

    async def page(
        self,
        caller: Caller,
        request: PageRequest,
        *,
        client_id: UUID | None = None,
        project_id: UUID | None = None,
        status: PlanStatus | None = None,
    ) -> Page[PaymentPlan]:
        """The newest first: the caller's own, everybody's for staff."""
        if not caller.may(STAFF):
            if client_id not in (None, caller.person):
                return Page([], 0, request.page, request.limit)
            client_id = caller.person
        async with self._units() as uow:
            return await uow.payment_plans.page(request, PlanFilter(client_id, project_id, status))

    async def get(self, caller: Caller, plan_id: UUID) -> PaymentPlan:
        """Raises `NotFound`, also for one that is another's."""
        async with self._units() as uow:
            return await visible(uow, caller, plan_id)

    async def change_installment(self, caller: Caller, plan_id: UUID, number: int, change: InstallmentChange) -> PaymentPlan:
        """Another day or amount for what is not paid; a new day asks again for what was refunded.

        Raises `NotFound`, `StaleVersion`, `WrongState` for a paid one, `Conflict` for another amount while somebody pays, and
        `ValidationFailed`.
        """
        now = self._clock.now()
        async with self._units() as uow:
            plan = await _of_staff(uow, plan_id, change.versions)
            installment = numbered(plan, number)
            if installment.status is InstallmentStatus.PAID:
                raise WrongState("this instalment is paid", state=installment.status.value, expected="pending, overdue")
            changed = await self._changed(uow, installment, change, now)
            if changed == installment:
                return plan
            plan = plan.with_installment(changed, now)
            if problems := _order_problems(plan):
                raise ValidationFailed(*problems)
            plan = marked_overdue(plan, now)
            await uow.payment_plans.update(plan)
            await self._record(
                uow,
                caller,
                AuditAction.INSTALLMENT_CHANGED,
                plan,
                number=number,
                amount=changed.amount,
                due_date=changed.due_date.isoformat(),
            )
        return plan

    async def launch(self, caller: Caller, plan_id: UUID, starts_on: date | None = None) -> PaymentPlan:
        """The monthly fee begins: its first month is due on that day, today unless it is said. A second launch on the same day
        answers the same.

        Raises `NotFound`, `ValidationFailed` for a day that is over, and `WrongState` without a fee, or once it has begun.
        """
        now = self._clock.now()
        today = self._calendar.today(now)
        if starts_on is not None and starts_on < today:
            raise ValidationFailed(Problem("startsOn", "is over"))
        async with self._units() as uow:
            plan = await _of_staff(uow, plan_id, None)
            anchor = starts_on or today
            if plan.fee_anchor is not None and plan.fee_anchor == anchor:
                return plan
            if plan.fee_anchor is not None or plan.monthly_fee is None:
                state = "launched" if plan.fee_anchor is not None else "without a monthly fee"
                raise WrongState("the monthly fee cannot begin", state=state, expected="a monthly fee that has not begun")
            plan = with_due_fees(launched(plan, anchor, self._calendar, now), self._calendar, now)
            await uow.payment_plans.update(plan)
            await self._record(uow, caller, AuditAction.PAYMENT_PLAN_LAUNCHED, plan, starts_on=anchor.isoformat())
        return plan

    async def change_fee(self, caller: Caller, plan_id: UUID, change: FeeChange) -> PaymentPlan:
        """Of the months to come. What was ended after its launch does not begin again: make another plan.

        Raises `NotFound`, `StaleVersion`, `ValidationFailed`, and `WrongState` for one that has ended.
        """
        if change.fee is not None and not 0 < change.fee <= LARGEST:
            raise ValidationFailed(Problem("monthlyFee", "is more than nothing, and no more than can be paid at once"))
        async with self._units() as uow:
            plan = await _of_staff(uow, plan_id, change.versions)
            if plan.monthly_fee == change.fee:
                return plan
            if plan.fee_anchor is not None and plan.monthly_fee is None:
                raise WrongState("the monthly fee has ended", state="ended", expected="a monthly fee")
            plan = with_fee(plan, change.fee, self._clock.now())
            await uow.payment_plans.update(plan)
            await self._record(uow, caller, AuditAction.MONTHLY_FEE_CHANGED, plan, fee=change.fee)
        return plan

    def _plan(self, new: NewPlan, now: datetime) -> PaymentPlan:
        installments = tuple(
            planned(number, InstallmentKind.MILESTONE, each.phase, each.amount, each.due_date, self._calendar, now)
            for number, each in enumerate(new.installments, 1)
        )
        return PaymentPlan(
            new.id, new.project_id, new.client_id, new.currency, installments, now, now, monthly_fee=new.monthly_fee
        )

    async def _changed(
        self, uow: PaymentPlansUnitOfWork, installment: Installment, change: InstallmentChange, now: datetime
    ) -> Installment:
        changed = installment
        if change.amount is not None and change.amount != installment.amount:
            if not 0 < change.amount <= LARGEST:
                raise ValidationFailed(Problem("amount", "is more than nothing, and no more than can be paid at once"))
            if await _is_being_paid(uow, installment, now):
                raise Conflict("somebody is paying this instalment: its amount stays", code="INSTALLMENT_BEING_PAID")
            changed = dataclasses.replace(changed, amount=change.amount, payment_id=None)
        if change.due_date is not None and (change.due_date != installment.due_date or not installment.is_owed):
            if change.due_date < self._calendar.today(now):
                raise ValidationFailed(Problem("dueDate", "is over"))
            changed = rescheduled(changed, change.due_date, self._calendar, now)
        return changed

    async def _record(
        self, uow: PaymentPlansUnitOfWork, caller: Caller, action: AuditAction, plan: PaymentPlan, **details: Any
    ) -> None:
        await self._audit_trail.record(uow, caller, action, f"payment_plan:{plan.id}", **details)


async def visible(uow: PaymentPlansUnitOfWork, caller: Caller, plan_id: UUID, *, lock: bool = False) -> PaymentPlan:
    """One's own; staff sees everybody's. Raises `NotFound`."""
    plan = await uow.payment_plans.get(plan_id, lock=lock)
    if plan is None or not (caller.may(STAFF) or (plan.client_id is not None and plan.client_id == caller.user_id)):
        raise NotFound("there is no such payment plan", code="PAYMENT_PLAN_NOT_FOUND")
    return plan


def numbered(plan: PaymentPlan, number: int) -> Installment:
    """Raises `NotFound`."""
    installment = plan.installment(number)
    if installment is None:
        raise NotFound("the plan has no such instalment", code="INSTALLMENT_NOT_FOUND")
    return installment


async def _of_staff(uow: PaymentPlansUnitOfWork, plan_id: UUID, versions: Collection[int] | None) -> PaymentPlan:
    plan = await uow.payment_plans.get(plan_id, lock=True)
    if plan is None:
        raise NotFound("there is no such payment plan", code="PAYMENT_PLAN_NOT_FOUND")
    if versions is not None and plan.version not in versions:
        raise StaleVersion("somebody else changed this plan meanwhile")
    return plan


async def _is_being_paid(uow: PaymentPlansUnitOfWork, installment: Installment, now: datetime) -> bool:
    """Its window may still be open. What comes too late for another amount goes back by itself."""
    payment = None if installment.payment_id is None else await uow.payments.get(installment.payment_id)
    return payment is not None and payment.status in OPEN and now < payment.expires_at


def _problems(new: NewPlan, today: date) -> Iterator[Problem]:
    if new.currency not in EXPONENTS:
        yield Problem("currency", "is no currency of ISO 4217")
    if not 0 < len(new.installments) <= MOST_INSTALLMENTS:
        yield Problem("installments", f"are 1 to {MOST_INSTALLMENTS}")
    for place, each in enumerate(new.installments):
        if each.amount <= 0:
            yield Problem(f"installments.{place}.amount", "is more than nothing")
        if each.due_date < today:
            yield Problem(f"installments.{place}.dueDate", "is over")
    if new.monthly_fee is not None and not 0 < new.monthly_fee <= LARGEST:
        yield Problem("monthlyFee", "is more than nothing, and no more than can be paid at once")
    total = sum(each.amount for each in new.installments)
    if total > LARGEST:
        yield Problem("installments", "cost more than can be paid")
    if new.total is not None and new.total != total:
        yield Problem("totalAmount", f"the instalments add up to {total}")
    yield from _out_of_order([each.due_date for each in new.installments])


def _order_problems(plan: PaymentPlan) -> Sequence[Problem]:
    return list(_out_of_order([each.due_date for each in plan.milestones], "dueDate"))


def _out_of_order(days: Sequence[date], path: str | None = None) -> Iterator[Problem]:
    for place, (earlier, later) in enumerate(pairwise(days), 1):
        if later < earlier:
            yield Problem(path or f"installments.{place}.dueDate", "instalments are due in their order")
