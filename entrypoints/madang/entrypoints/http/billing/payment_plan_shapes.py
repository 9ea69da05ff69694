"""What the calls of payment plans take and answer."""

from datetime import date, datetime
from typing import Annotated, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, UnsetType

from madang.core.billing.payment_plans.model import Installment, InstallmentKind, InstallmentStatus, PaymentPlan, PlanStatus
from madang.entrypoints.http.billing.payment_shapes import Country, Currency, PageUrl, ProviderName
from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.portraits.shapes import Input, MoneyShape

Amount = Annotated[int, Meta(ge=1, le=10**12, description="in the minor unit of the plan's currency")]
Phase = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\u0000-\u001f]*\Z")]
NullableAmount = Amount | None


class InstallmentBody(Input, frozen=True):
    """`dueDate` is a day in the deployment's zone; it is overdue when that day has ended."""

    phase: Phase
    amount: Amount
    due_date: date


class PaymentPlanBody(Input, frozen=True):
    """`clientId` is the user who pays. The instalments are due in their order, and add up to `totalAmount`."""

    project_id: UUID
    client_id: UUID
    currency: Currency
    installments: Annotated[list[InstallmentBody], Meta(min_length=1, max_length=60)]
    monthly_fee: Amount | None = None
    total_amount: Amount | None = None


class PaymentPlanPatch(Input, frozen=True):
    """`monthlyFee`: of the months that are still to come; null ends it."""

    monthly_fee: NullableAmount | UnsetType = UNSET


class InstallmentPatch(Input, frozen=True):
    """What is left out stays."""

    amount: Amount | UnsetType = UNSET
    due_date: date | UnsetType = UNSET


class LaunchBody(Input, frozen=True):
    """The day on which the first month is due; today unless it is said."""

    starts_on: date | None = None


class InstallmentCheckoutBody(Input, frozen=True):
    """The browser comes back to `successUrl` or `cancelUrl`: a hint, never the truth."""

    success_url: PageUrl
    cancel_url: PageUrl
    country: Country | None = None
    provider: ProviderName | None = None
    locale: Literal["ko", "en"] = "ko"


class PaymentPlansQuery(Input, frozen=True):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    project_id: UUID | None = None
    client_id: UUID | None = None
    status: PlanStatus | None = None


class InstallmentShape(Shape, frozen=True):
    """`refunded`: all of it went back; a new `dueDate` asks for it again. `paymentId` is the payment that was begun last, or
    the one that paid it."""

    number: int
    kind: InstallmentKind
    phase: str
    amount: MoneyShape
    due_date: date
    status: InstallmentStatus
    payment_id: UUID | None
    paid_at: datetime | None


class PaymentPlanShape(Shape, frozen=True, kw_only=True):
    """`status` is that of the project's instalments: none is paid, some are, all are. Monthly fees come after them in
    `installments` and do not count; `launchedOn` is the first month's day."""

    id: UUID
    project_id: UUID
    client_id: UUID | None
    status: PlanStatus
    total_amount: MoneyShape
    paid_amount: MoneyShape
    monthly_fee: MoneyShape | None
    launched_on: date | None
    installments: list[InstallmentShape]
    created_at: datetime
    updated_at: datetime
    version: int


def of_plan(plan: PaymentPlan, here: ZoneInfo) -> PaymentPlanShape:
    paid = sum(each.amount for each in plan.milestones if each.status is InstallmentStatus.PAID)
    return PaymentPlanShape(
        id=plan.id,
        project_id=plan.project_id,
        client_id=plan.client_id,
        status=plan.status,
        total_amount=MoneyShape(plan.total, plan.currency),
        paid_amount=MoneyShape(paid, plan.currency),
        monthly_fee=None if plan.monthly_fee is None else MoneyShape(plan.monthly_fee, plan.currency),
        launched_on=plan.fee_anchor,
        installments=[_installment(each, plan.currency, here) for each in plan.installments],
        created_at=plan.created_at.astimezone(here),
        updated_at=plan.updated_at.astimezone(here),
        version=plan.version,
    )


def _installment(each: Installment, currency: str, here: ZoneInfo) -> InstallmentShape:
    return InstallmentShape(
        each.number,
        each.kind,
        each.phase,
        MoneyShape(each.amount, currency),
        each.due_date,
        each.status,
        each.payment_id,
        None if each.paid_at is None else each.paid_at.astimezone(here),
    )


_ID: Final = "01997f2e-6c00-7a10-9c3e-0242ac120011"
NEW_PLAN: Final = {
    "projectId": "01997f2e-6c00-7a10-9c3e-0242ac120012",
    "clientId": "01997f2e-6c00-7a10-9c3e-0242ac120013",
    "currency": "KRW",
    "installments": [
        {"phase": "계약금", "amount": 3000000, "dueDate": "2026-01-15"},
        {"phase": "잔금", "amount": 7000000, "dueDate": "2026-03-31"},
    ],
    "monthlyFee": 150000,
    "totalAmount": 10000000,
}
_KRW: Final = "KRW"
PLAN: Final = {
    "id": _ID,
    "projectId": NEW_PLAN["projectId"],
    "clientId": NEW_PLAN["clientId"],
    "status": "partial",
    "totalAmount": {"amount": 10000000, "currency": _KRW},
    "paidAmount": {"amount": 3000000, "currency": _KRW},
    "monthlyFee": {"amount": 150000, "currency": _KRW},
    "launchedOn": None,
    "installments": [
        {
            "number": 1,
            "kind": "milestone",
            "phase": "계약금",
            "amount": {"amount": 3000000, "currency": _KRW},
            "dueDate": "2026-01-15",
            "status": "paid",
            "paymentId": "01997f2e-6c00-7a10-9c3e-0242ac120014",
            "paidAt": "2026-01-14T10:02:11+09:00",
        },
        {
            "number": 2,
            "kind": "milestone",
            "phase": "잔금",
            "amount": {"amount": 7000000, "currency": _KRW},
            "dueDate": "2026-03-31",
            "status": "pending",
            "paymentId": None,
            "paidAt": None,
        },
    ],
    "createdAt": "2026-01-05T12:07:30+09:00",
    "updatedAt": "2026-01-14T10:02:12+09:00",
    "version": 3,
}
CHECKOUT: Final = {"successUrl": "https://shop.example.com/paid", "cancelUrl": "https://shop.example.com/plan"}
