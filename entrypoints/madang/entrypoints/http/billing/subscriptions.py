"""Plans, subscriptions, and the means of payment that they are paid by."""

from typing import Final
from uuid import UUID

from litestar.types import ASGIApp

from madang.core.billing.plan_checkouts import PlanOrder
from madang.core.kernel.paging import CursorRequest
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.billing import subscription_shapes as shapes
from madang.entrypoints.http.envelope import Pagination
from madang.entrypoints.http.identity.shapes import NoFields
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route

TAG: Final = "Subscriptions"
_READ: Final = Access(Audience.API, "subscriptions:read")
_WRITE: Final = Access(Audience.API, "subscriptions:write")
_ALL: Final = "/subscriptions"
_ONE: Final = "/subscriptions/{subscription_id:uuid}"
_MISSING: Final = ("SUBSCRIPTION_NOT_FOUND", "NOT_FOUND")
_PROVIDER: Final = ("PROVIDER_API_ERROR", "PROVIDER_NOT_CONFIGURED")


@route(
    Operation(
        "GET",
        "/plans",
        "listPlans",
        TAG,
        "List the plans",
        "What can be subscribed to, with its prices per currency and interval (tax included), the credits of each month and "
        "the product's limits; of one product only, where it is named.",
        list[shapes.PlanShape],
        [shapes.PLAN],
        query=shapes.PlansQuery,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_plans(call: Call) -> ASGIApp:
    query: shapes.PlansQuery = call.query
    plans = call.container.catalogue.plans
    return call.succeed([shapes.of_plan(plan) for plan in plans if query.product in (None, plan.product)])


@route(
    Operation(
        "POST",
        _ALL,
        "createSubscription",
        TAG,
        "Subscribe to a plan",
        "One subscription of a product at a time. The answer is `incomplete` with its checkout: where the person leaves a "
        "means of payment, whose key `POST /subscriptions/{id}/activate` takes, or agrees at a provider that renews by "
        "itself. A plan with a trial charges nothing before its end; everybody has one trial of a product. One of the same "
        "plan that is still `incomplete` is gone on with, and answered; who begins too many in a day waits.",
        shapes.SubscriptionShape,
        shapes.BEGUN,
        status=201,
        access=_WRITE,
        body=JsonBody(shapes.NewSubscriptionBody, shapes.NEW),
        errors=("ALREADY_EXISTS", "PLAN_NOT_FOUND", "NOT_FOUND", "TOO_MANY_ATTEMPTS", *_PROVIDER),
        idempotent=True,
    )
)
async def create_subscription(call: Call) -> ASGIApp:
    body: shapes.NewSubscriptionBody = call.body
    call.container.checkouts.check_pages(body.success_url, body.cancel_url)
    order = PlanOrder(
        id=call.subject_id,
        user_id=call.caller.person,
        plan_id=body.plan_id,
        currency=body.currency,
        success_url=body.success_url,
        cancel_url=body.cancel_url,
        interval_months=body.interval_months,
        country=body.country,
        provider=body.provider,
        client_reference=body.client_reference,
        locale=body.locale,
    )
    view = await call.container.subscribing.subscribe(call.caller, order, body.method_id)
    return call.succeed(shapes.of_view(view, call.zone))


@route(
    Operation(
        "GET",
        _ALL,
        "listSubscriptions",
        TAG,
        "List your subscriptions",
        "The newest first, with those that are over.",
        list[shapes.SubscriptionShape],
        [shapes.SUBSCRIPTION],
        access=_READ,
        query=shapes.SubscriptionsQuery,
        by_cursor=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_subscriptions(call: Call) -> ASGIApp:
    query: shapes.SubscriptionsQuery = call.query
    page = await call.container.subscriptions.page(call.caller.person, CursorRequest(query.cursor, query.limit))
    return call.succeed([shapes.of_view(view, call.zone) for view in page.items], pagination=Pagination.by_cursor(page))


@route(
    Operation(
        "GET",
        _ONE,
        "getSubscription",
        TAG,
        "Read a subscription",
        "With all its periods.",
        shapes.SubscriptionDetailShape,
        shapes.DETAIL,
        access=_READ,
        errors=_MISSING,
    )
)
async def get_subscription(call: Call) -> ASGIApp:
    view = await call.container.subscriptions.get(call.caller.person, _id(call))
    return call.succeed(shapes.of_detail(view, call.zone))


@route(
    Operation(
        "POST",
        _ONE + "/activate",
        "activateSubscription",
        TAG,
        "Bring the key of a means of payment",
        "The means is kept, and charged from now on: this begins the trial or the first charge, and pays what is owed. The "
        "same key twice is one means.",
        shapes.SubscriptionShape,
        shapes.SUBSCRIPTION,
        status=202,
        access=_WRITE,
        body=JsonBody(shapes.ActivateBody, {"clientKey": "auth-key-of-the-browser"}),
        errors=(*_MISSING, "WRONG_STATE", "NOT_SUPPORTED_BY_PROVIDER", *_PROVIDER),
        idempotent=True,
    )
)
async def activate_subscription(call: Call) -> ASGIApp:
    body: shapes.ActivateBody = call.body
    view = await call.container.subscription_means.activate(call.caller, _id(call), body.client_key)
    return call.succeed(shapes.of_view(view, call.zone))


@route(
    Operation(
        "POST",
        _ONE + "/payment-method",
        "changePaymentMethod",
        TAG,
        "Pay by another means",
        "With `methodId` it is charged from now on, and pays what is owed at once. Without, the answer's checkout is the "
        "window in which the person leaves one.",
        shapes.SubscriptionShape,
        shapes.SUBSCRIPTION,
        status=202,
        access=_WRITE,
        body=JsonBody(shapes.MethodBody, {"successUrl": shapes.NEW["successUrl"], "cancelUrl": shapes.NEW["cancelUrl"]}),
        errors=(*_MISSING, "WRONG_STATE", "NOT_SUPPORTED_BY_PROVIDER", *_PROVIDER),
        idempotent=True,
    )
)
async def change_payment_method(call: Call) -> ASGIApp:
    body: shapes.MethodBody = call.body
    call.container.checkouts.check_pages(body.success_url, body.cancel_url)
    view = await call.container.subscription_means.bring_method(
        call.caller, _id(call), success_url=body.success_url, cancel_url=body.cancel_url, method_id=body.method_id
    )
    return call.succeed(shapes.of_view(view, call.zone))


@route(
    Operation(
        "POST",
        _ONE + "/change",
        "changeSubscription",
        TAG,
        "Change the plan",
        "To another plan of the same product. A higher price is charged for the rest of the period at once: the difference of "
        "the prices by the time that is left, rounded down to the minor unit. A lower one waits for the period's end, and "
        "gives nothing back. `prorate` false lets a higher one wait, too. Naming the present plan takes that back.",
        shapes.SubscriptionShape,
        shapes.SUBSCRIPTION,
        status=202,
        access=_WRITE,
        body=JsonBody(shapes.ChangePlanBody, {"planId": "hosting-premium"}),
        errors=(*_MISSING, "PLAN_NOT_FOUND", "WRONG_STATE", "NOT_SUPPORTED_BY_PROVIDER", *_PROVIDER),
        idempotent=True,
    )
)
async def change_subscription(call: Call) -> ASGIApp:
    body: shapes.ChangePlanBody = call.body
    view = await call.container.subscriptions.change(call.caller, _id(call), body.plan_id, prorate=body.prorate)
    return call.succeed(shapes.of_view(view, call.zone))


@route(
    Operation(
        "POST",
        _ONE + "/cancel",
        "cancelSubscription",
        TAG,
        "Cancel a subscription",
        "At the end of the period, which runs on and can be resumed; or now. One that is not paid ends now in any case. What "
        "is paid is not given back by this.",
        shapes.SubscriptionShape,
        {**shapes.SUBSCRIPTION, "cancelAtPeriodEnd": True},
        status=202,
        access=_WRITE,
        body=JsonBody(shapes.CancelBody, {"atPeriodEnd": True}, optional=True),
        errors=(*_MISSING, "WRONG_STATE", *_PROVIDER),
        idempotent=True,
    )
)
async def cancel_subscription(call: Call) -> ASGIApp:
    body: shapes.CancelBody = call.body
    view = await call.container.subscriptions.cancel(call.caller, _id(call), at_period_end=body.at_period_end)
    return call.succeed(shapes.of_view(view, call.zone))


@route(
    Operation(
        "POST",
        _ONE + "/resume",
        "resumeSubscription",
        TAG,
        "Take a cancellation back",
        "While the period still runs.",
        shapes.SubscriptionShape,
        shapes.SUBSCRIPTION,
        status=202,
        access=_WRITE,
        body=JsonBody(NoFields, {}, optional=True),
        errors=(*_MISSING, "WRONG_STATE", *_PROVIDER),
        idempotent=True,
    )
)
async def resume_subscription(call: Call) -> ASGIApp:
    return call.succeed(shapes.of_view(await call.container.subscriptions.resume(call.caller, _id(call)), call.zone))


@route(
    Operation(
        "GET",
        "/payment-methods",
        "listPaymentMethods",
        TAG,
        "List your means of payment",
        "Those that providers keep for later charges, the newest first.",
        list[shapes.PaymentMethodShape],
        [shapes.METHOD],
        access=_READ,
        query=shapes.SubscriptionsQuery,
        by_cursor=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_payment_methods(call: Call) -> ASGIApp:
    query: shapes.SubscriptionsQuery = call.query
    page = await call.container.stored_methods.page(call.caller.person, CursorRequest(query.cursor, query.limit))
    return call.succeed([shapes.of_method(each, call.zone) for each in page.items], pagination=Pagination.by_cursor(page))


@route(
    Operation(
        "DELETE",
        "/payment-methods/{method_id:uuid}",
        "deletePaymentMethod",
        TAG,
        "Remove a means of payment",
        "It is charged no more, and its provider is told to forget it. One that a subscription is paid by stays.",
        shapes.RemovedMethodShape,
        {"id": shapes.METHOD["id"]},
        status=202,
        access=_WRITE,
        errors=("PAYMENT_METHOD_NOT_FOUND", "NOT_FOUND", "PAYMENT_METHOD_IN_USE"),
    )
)
async def delete_payment_method(call: Call) -> ASGIApp:
    method_id: UUID = call.request.path_params["method_id"]
    await call.container.stored_methods.remove(call.caller, method_id)
    return call.succeed(shapes.RemovedMethodShape(method_id))


def _id(call: Call) -> UUID:
    found: UUID = call.request.path_params["subscription_id"]
    return found


ROUTES: Final = (
    list_plans,
    create_subscription,
    list_subscriptions,
    get_subscription,
    activate_subscription,
    change_payment_method,
    change_subscription,
    cancel_subscription,
    resume_subscription,
    list_payment_methods,
    delete_payment_method,
)
