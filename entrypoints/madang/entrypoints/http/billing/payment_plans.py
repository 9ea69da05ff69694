"""Payment plans: a project's instalments and its monthly fee."""

from typing import Final
from uuid import UUID

from litestar.types import ASGIApp
from msgspec import UnsetType

from madang.core.billing.payment_plans.checkouts import InstallmentOrder
from madang.core.billing.payment_plans.service import FeeChange, InstallmentChange, NewInstallment, NewPlan
from madang.core.kernel.paging import PageRequest
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.billing import payment_plan_shapes as shapes
from madang.entrypoints.http.billing.payment_shapes import OPENED, CheckoutOpenedShape
from madang.entrypoints.http.envelope import Pagination
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route

TAG: Final = "Payment plans"
_READ: Final = Access(Audience.API, "payments:read")
_PAY: Final = Access(Audience.API, "payments:write")
_STAFF: Final = Access(Audience.API, "payment-plans:write")
_ONE: Final = "/payment-plans/{plan_id:uuid}"
_INSTALLMENT: Final = f"{_ONE}/installments/{{number:int}}"
_MISSING: Final = ("PAYMENT_PLAN_NOT_FOUND", "NOT_FOUND")


@route(
    Operation(
        "POST",
        "/payment-plans",
        "createPaymentPlan",
        TAG,
        "Make a payment plan",
        "A project's instalments, in the order of their due days, and what it costs a month once it is launched. The client "
        "is reminded by the deployment's settings, and pays each instalment by a checkout.",
        shapes.PaymentPlanShape,
        {**shapes.PLAN, "status": "pending", "paidAmount": {"amount": 0, "currency": "KRW"}, "version": 1},
        status=201,
        access=_STAFF,
        body=JsonBody(shapes.PaymentPlanBody, shapes.NEW_PLAN),
        errors=(),
        idempotent=True,
    )
)
async def create_plan(call: Call) -> ASGIApp:
    body: shapes.PaymentPlanBody = call.body
    plan = await call.container.payment_plans.create(
        call.caller,
        NewPlan(
            id=call.subject_id,
            project_id=body.project_id,
            client_id=body.client_id,
            currency=body.currency,
            installments=[NewInstallment(each.phase, each.amount, each.due_date) for each in body.installments],
            monthly_fee=body.monthly_fee,
            total=body.total_amount,
        ),
    )
    return call.succeed(shapes.of_plan(plan, call.zone))


@route(
    Operation(
        "GET",
        "/payment-plans",
        "listPaymentPlans",
        TAG,
        "List payment plans",
        "The newest first: your own, and everybody's for those who make them.",
        list[shapes.PaymentPlanShape],
        [shapes.PLAN],
        access=_READ,
        query=shapes.PaymentPlansQuery,
        paginated=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_plans(call: Call) -> ASGIApp:
    query: shapes.PaymentPlansQuery = call.query
    page = await call.container.payment_plans.page(
        call.caller,
        PageRequest(query.page, query.limit),
        client_id=query.client_id,
        project_id=query.project_id,
        status=query.status,
    )
    return call.succeed([shapes.of_plan(each, call.zone) for each in page.items], pagination=Pagination.of(page))


@route(
    Operation(
        "GET",
        _ONE,
        "getPaymentPlan",
        TAG,
        "Read a payment plan",
        "The `ETag` is for the `If-Match` of a change.",
        shapes.PaymentPlanShape,
        shapes.PLAN,
        access=_READ,
        errors=_MISSING,
        etag=True,
    )
)
async def get_plan(call: Call) -> ASGIApp:
    plan = await call.container.payment_plans.get(call.caller, _plan_id(call))
    return call.succeed(shapes.of_plan(plan, call.zone), version=plan.version)


@route(
    Operation(
        "PATCH",
        _ONE,
        "changePaymentPlan",
        TAG,
        "Change the monthly fee, or end it",
        "Of the months that are still to come; null ends it, and it does not begin again.",
        shapes.PaymentPlanShape,
        {**shapes.PLAN, "monthlyFee": None, "version": 4},
        access=_STAFF,
        body=JsonBody(shapes.PaymentPlanPatch, {"monthlyFee": None}, merge_patch=True),
        errors=(*_MISSING, "WRONG_STATE"),
        etag=True,
    )
)
async def change_plan(call: Call) -> ASGIApp:
    body: shapes.PaymentPlanPatch = call.body
    if isinstance(body.monthly_fee, UnsetType):
        return await get_plan.handler(call)
    change = FeeChange(body.monthly_fee, call.versions)
    plan = await call.container.payment_plans.change_fee(call.caller, _plan_id(call), change)
    return call.succeed(shapes.of_plan(plan, call.zone), version=plan.version)


@route(
    Operation(
        "PATCH",
        _INSTALLMENT,
        "changeInstallment",
        TAG,
        "Change what is not paid yet",
        "Its amount, unless somebody is paying it, or its day; a new day asks again for one that was refunded.",
        shapes.PaymentPlanShape,
        {**shapes.PLAN, "version": 4},
        access=_STAFF,
        body=JsonBody(shapes.InstallmentPatch, {"dueDate": "2026-03-31"}, merge_patch=True),
        errors=(*_MISSING, "INSTALLMENT_NOT_FOUND", "INSTALLMENT_BEING_PAID", "WRONG_STATE"),
        etag=True,
    )
)
async def change_installment(call: Call) -> ASGIApp:
    body: shapes.InstallmentPatch = call.body
    change = InstallmentChange(
        None if isinstance(body.amount, UnsetType) else body.amount,
        None if isinstance(body.due_date, UnsetType) else body.due_date,
        call.versions,
    )
    plan = await call.container.payment_plans.change_installment(call.caller, _plan_id(call), _number(call), change)
    return call.succeed(shapes.of_plan(plan, call.zone), version=plan.version)


@route(
    Operation(
        "POST",
        f"{_ONE}/launch",
        "launchPaymentPlan",
        TAG,
        "Start the monthly fee",
        "From `startsOn`, today unless it is said, on the same day of every month, or on its last one. Each month can be "
        "paid a week before its day.",
        shapes.PaymentPlanShape,
        {**shapes.PLAN, "launchedOn": "2026-04-30"},
        access=_STAFF,
        body=JsonBody(shapes.LaunchBody, {"startsOn": "2026-04-30"}, optional=True),
        errors=(*_MISSING, "WRONG_STATE"),
        idempotent=True,
    )
)
async def launch_plan(call: Call) -> ASGIApp:
    body: shapes.LaunchBody = call.body
    plan = await call.container.payment_plans.launch(call.caller, _plan_id(call), body.starts_on)
    return call.succeed(shapes.of_plan(plan, call.zone))


@route(
    Operation(
        "POST",
        f"{_INSTALLMENT}/checkout",
        "payInstallment",
        TAG,
        "Pay an instalment",
        "At the plan's amount. While a checkout of it is open, the same is answered again; what is paid twice goes back "
        "by itself. The client alone pays.",
        CheckoutOpenedShape,
        OPENED,
        status=201,
        access=_PAY,
        body=JsonBody(shapes.InstallmentCheckoutBody, shapes.CHECKOUT),
        errors=(
            *_MISSING,
            "INSTALLMENT_NOT_FOUND",
            "INSTALLMENT_OF_CLIENT",
            "WRONG_STATE",
            "PROVIDER_API_ERROR",
            "PROVIDER_NOT_CONFIGURED",
        ),
        idempotent=True,
    )
)
async def pay_installment(call: Call) -> ASGIApp:
    body: shapes.InstallmentCheckoutBody = call.body
    order = InstallmentOrder(body.success_url, body.cancel_url, body.country, body.provider, body.locale)
    opened = await call.container.installment_checkouts.open(call.caller, _plan_id(call), _number(call), order)
    return call.succeed(CheckoutOpenedShape(opened.id, opened.provider, opened.url, opened.client_params, opened.payment_id))


def _plan_id(call: Call) -> UUID:
    found: UUID = call.request.path_params["plan_id"]
    return found


def _number(call: Call) -> int:
    found: int = call.request.path_params["number"]
    return found


ROUTES: Final = (create_plan, list_plans, get_plan, change_plan, change_installment, launch_plan, pay_installment)
