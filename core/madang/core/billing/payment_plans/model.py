"""A payment plan and its instalments (seed 002, section 6), and everything that can become of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from madang.core.billing.model import Payment, PaymentStatus
from madang.core.billing.payment_plans.calendar import PlanCalendar, Reminder
from madang.ports.money import Money


class PlanStatus(StrEnum):
    """Of the project's instalments: none is paid, some are, all are. Monthly fees do not count."""

    PENDING = "pending"
    PARTIAL = "partial"
    COMPLETED = "completed"


class InstallmentStatus(StrEnum):
    """`REFUNDED`: it was paid, and all of it went back. Nobody is asked for it again until staff gives it a new day."""

    PENDING = "pending"
    PAID = "paid"
    OVERDUE = "overdue"
    REFUNDED = "refunded"


class InstallmentKind(StrEnum):
    """Of the project, or a month's fee after its launch."""

    MILESTONE = "milestone"
    MONTHLY = "monthly"


_ARRIVED = frozenset({PaymentStatus.PAID, PaymentStatus.PARTLY_REFUNDED, PaymentStatus.DISPUTED})
_OWED = frozenset({InstallmentStatus.PENDING, InstallmentStatus.OVERDUE})


@dataclass(frozen=True, slots=True)
class Installment:
    """`number` counts within the plan, from 1; `amount` is in the minor unit of the plan's currency. `overdue_at` is the end
    of the due day. `payment_id` is the payment that was begun last, or the one that paid it."""

    number: int
    kind: InstallmentKind
    phase: str
    amount: int
    due_date: date
    overdue_at: datetime
    status: InstallmentStatus = InstallmentStatus.PENDING
    reminder: Reminder | None = None
    payment_id: UUID | None = None
    paid_at: datetime | None = None

    @property
    def is_owed(self) -> bool:
        return self.status in _OWED


@dataclass(frozen=True, slots=True)
class PaymentPlan:
    """`client_id` is who pays, until they are erased. `fee_anchor` is the first month's day once the project is launched,
    `fees` counts the months that were made, and `next_fee_at` is when the next one is. `version` counts changes."""

    id: UUID
    project_id: UUID
    client_id: UUID | None
    currency: str
    installments: Sequence[Installment]
    created_at: datetime
    updated_at: datetime
    monthly_fee: int | None = None
    fee_anchor: date | None = None
    fees: int = 0
    next_fee_at: datetime | None = None
    version: int = 1

    @property
    def milestones(self) -> Sequence[Installment]:
        return [each for each in self.installments if each.kind is InstallmentKind.MILESTONE]

    @property
    def total(self) -> int:
        return sum(each.amount for each in self.milestones)

    @property
    def status(self) -> PlanStatus:
        paid = [each.status is InstallmentStatus.PAID for each in self.milestones]
        return PlanStatus.COMPLETED if all(paid) else PlanStatus.PARTIAL if any(paid) else PlanStatus.PENDING

    def installment(self, number: int) -> Installment | None:
        return next((each for each in self.installments if each.number == number), None)

    def money(self, installment: Installment) -> Money:
        return Money(installment.amount, self.currency)

    def with_installment(self, changed: Installment, now: datetime) -> "PaymentPlan":
        installments = tuple(changed if each.number == changed.number else each for each in self.installments)
        return self.changed(now, installments=installments)

    def changed(self, now: datetime, **fields: Any) -> "PaymentPlan":
        return replace(self, version=self.version + 1, updated_at=now, **fields)


def planned(
    number: int, kind: InstallmentKind, phase: str, amount: int, due: date, calendar: PlanCalendar, now: datetime
) -> Installment:
    """Not paid yet; what is past its day already is marked with the next due work."""
    reminder = calendar.first_reminder(due, now)
    return Installment(number, kind, phase, amount, due, calendar.end_of(due), reminder=reminder)


def rescheduled(installment: Installment, due: date, calendar: PlanCalendar, now: datetime) -> Installment:
    """Asked for on another day; one that was refunded is asked for again."""
    fresh = planned(installment.number, installment.kind, installment.phase, installment.amount, due, calendar, now)
    keeps = installment.payment_id if installment.is_owed else None
    return replace(fresh, payment_id=keeps)


class Verdict(StrEnum):
    """What a payment means to its plan. `EXTRA`: it paid what is not owed, and goes back."""

    NOTHING = "nothing"
    CHANGED = "changed"
    EXTRA = "extra"


def settled_by(plan: PaymentPlan, number: int, payment: Payment, now: datetime) -> tuple[PaymentPlan, Verdict]:
    """The plan after the payment's row as it is now, whatever was said of it before, how often, and in which order."""
    installment = plan.installment(number)
    if payment.status in _ARRIVED:
        return _arrived(plan, installment, payment, now)
    if payment.status is not PaymentStatus.REFUNDED or installment is None or installment.payment_id != payment.id:
        return plan, Verdict.NOTHING
    if installment.status is InstallmentStatus.REFUNDED:
        return plan, Verdict.NOTHING
    refunded = replace(installment, status=InstallmentStatus.REFUNDED, reminder=None)
    return plan.with_installment(refunded, now), Verdict.CHANGED


def _arrived(
    plan: PaymentPlan, installment: Installment | None, payment: Payment, now: datetime
) -> tuple[PaymentPlan, Verdict]:
    """Money in dispute is held by the provider: it goes back, if it must, once that is over."""
    if installment is not None and installment.payment_id == payment.id and not installment.is_owed:
        return plan, Verdict.NOTHING
    if installment is None or not installment.is_owed or plan.money(installment) != payment.amount:
        return plan, Verdict.NOTHING if payment.status is PaymentStatus.DISPUTED else Verdict.EXTRA
    paid_at = payment.paid_at or now
    paid = replace(installment, status=InstallmentStatus.PAID, reminder=None, payment_id=payment.id, paid_at=paid_at)
    return plan.with_installment(paid, now), Verdict.CHANGED


def paid_after_all(plan: PaymentPlan, number: int, payment: Payment, now: datetime) -> PaymentPlan | None:
    """The plan with what a lost dispute took back and a reversed one returned. None where the instalment was asked for anew, or
    paid otherwise: a person decides."""
    installment = plan.installment(number)
    if installment is None or installment.payment_id != payment.id:
        return None
    if installment.status is InstallmentStatus.REFUNDED:
        return plan.with_installment(replace(installment, status=InstallmentStatus.PAID), now)
    return plan if installment.status is InstallmentStatus.PAID else None


def marked_overdue(plan: PaymentPlan, now: datetime) -> PaymentPlan:
    """Whatever was not paid by the end of its day."""
    for each in plan.installments:
        if each.status is InstallmentStatus.PENDING and each.overdue_at <= now:
            plan = plan.with_installment(replace(each, status=InstallmentStatus.OVERDUE), now)
    return plan


def reminded(plan: PaymentPlan, calendar: PlanCalendar, now: datetime) -> tuple[PaymentPlan, Sequence[tuple[Installment, int]]]:
    """The reminders that are due, with their days. Of several that were missed the last one is sent alone."""
    due: list[tuple[Installment, int]] = []
    for each in plan.installments:
        reminder = each.reminder
        if reminder is None or reminder.at > now:
            continue
        day, following = reminder.day, calendar.after(reminder)
        while following is not None and following.at <= now:
            day, following = following.day, calendar.after(following)
        if each.is_owed:
            due.append((each, day))
        plan = plan.with_installment(replace(each, reminder=following), now)
    return plan, due


def launched(plan: PaymentPlan, anchor: date, calendar: PlanCalendar, now: datetime) -> PaymentPlan:
    """The first month is due on the anchor."""
    return plan.changed(now, fee_anchor=anchor, next_fee_at=calendar.fee_made_at(anchor))


def with_fee(plan: PaymentPlan, fee: int | None, now: datetime) -> PaymentPlan:
    """Of the months from now on; None ends them."""
    return plan.changed(now, monthly_fee=fee, next_fee_at=None if fee is None else plan.next_fee_at)


def with_due_fees(plan: PaymentPlan, calendar: PlanCalendar, now: datetime) -> PaymentPlan:
    """Every month whose time has come. A plan whose client was erased asks nobody any more."""
    while plan.fee_anchor and plan.monthly_fee and plan.client_id and plan.next_fee_at and plan.next_fee_at <= now:
        day = calendar.fee_day(plan.fee_anchor, plan.fees)
        number = max(each.number for each in plan.installments) + 1
        made = planned(number, InstallmentKind.MONTHLY, f"{day:%Y-%m}", plan.monthly_fee, day, calendar, now)
        following = calendar.fee_day(plan.fee_anchor, plan.fees + 1)
        plan = plan.changed(
            now,
            installments=(*plan.installments, made),
            fees=plan.fees + 1,
            next_fee_at=calendar.fee_made_at(following),
        )
    return plan
