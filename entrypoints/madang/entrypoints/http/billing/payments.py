"""Checkouts, payments and refunds."""

from typing import Final
from uuid import UUID

from litestar.types import ASGIApp

from madang.core.billing.checkouts import ItemOrder, NewCheckout
from madang.core.billing.payments import NewRefund
from madang.core.billing.repository import PaymentFilter
from madang.core.kernel.errors import Problem, ValidationFailed
from madang.core.kernel.paging import CursorRequest, PageRequest
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.billing import payment_shapes as shapes
from madang.entrypoints.http.envelope import Pagination
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route
from madang.ports.money import Money

TAG: Final = "Payments"
_READ: Final = Access(Audience.API, "payments:read")
_WRITE: Final = Access(Audience.API, "payments:write")
_REFUND: Final = Access(Audience.API, "payments:refund")
_ONE: Final = "/payments/{payment_id:uuid}"
_MISSING: Final = ("PAYMENT_NOT_FOUND", "NOT_FOUND")
_PROVIDER: Final = ("PROVIDER_API_ERROR", "PROVIDER_NOT_CONFIGURED")


@route(
    Operation(
        "POST",
        "/checkouts",
        "openCheckout",
        TAG,
        "Open a checkout",
        "Exactly one of `items`, `planId` and `creditPackId`; prices are the catalogue's. With no `provider` named, the "
        "routing picks one by currency, country and product, and the answer says which. Where an outcome is unknown, no "
        "second provider is asked: try again with the same `clientReference`.",
        shapes.CheckoutOpenedShape,
        shapes.OPENED,
        status=201,
        access=_WRITE,
        body=JsonBody(shapes.CheckoutBody, shapes.CHECKOUT),
        errors=(
            "ALREADY_EXISTS",
            "CREDIT_PACK_NOT_FOUND",
            "PLAN_NOT_FOUND",
            "PRODUCT_NOT_FOUND",
            "NOT_FOUND",
            "TOO_MANY_ATTEMPTS",
            *_PROVIDER,
        ),
        idempotent=True,
    )
)
async def open_checkout(call: Call) -> ASGIApp:
    body: shapes.CheckoutBody = call.body
    opened = await call.container.checkouts.open(
        call.caller,
        NewCheckout(
            id=call.subject_id,
            currency=body.currency,
            success_url=body.success_url,
            cancel_url=body.cancel_url,
            items=[ItemOrder(item.product_id, item.quantity) for item in body.items],
            plan_id=body.plan_id,
            credit_pack_id=body.credit_pack_id,
            interval_months=body.interval_months,
            country=body.country,
            provider=body.provider,
            client_reference=body.client_reference,
            locale=body.locale,
        ),
    )
    return call.succeed(
        shapes.CheckoutOpenedShape(opened.id, opened.provider, opened.url, opened.client_params, opened.payment_id)
    )


@route(
    Operation(
        "GET",
        "/payments",
        "listPayments",
        TAG,
        "List your payments",
        "The newest first.",
        list[shapes.PaymentShape],
        [shapes.PAYMENT],
        access=_READ,
        query=shapes.PaymentsQuery,
        paginated=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_payments(call: Call) -> ASGIApp:
    query: shapes.PaymentsQuery = call.query
    page = await call.container.payments.page(call.caller, PageRequest(query.page, query.limit), status=query.status)
    return call.succeed([shapes.of_payment(each, call.zone) for each in page.items], pagination=Pagination.of(page))


@route(
    Operation(
        "GET",
        "/admin/payments",
        "listAllPayments",
        TAG,
        "List everybody's payments",
        "The newest first, for those who may refund.",
        list[shapes.PaymentShape],
        [shapes.PAYMENT],
        access=_REFUND,
        query=shapes.AllPaymentsQuery,
        by_cursor=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_all_payments(call: Call) -> ASGIApp:
    query: shapes.AllPaymentsQuery = call.query
    wanted = PaymentFilter(query.user_id, query.provider, query.status)
    page = await call.container.payments.listing(CursorRequest(query.cursor, query.limit), wanted)
    return call.succeed([shapes.of_payment(each, call.zone) for each in page.items], pagination=Pagination.by_cursor(page))


@route(
    Operation(
        "GET",
        _ONE,
        "getPayment",
        TAG,
        "Read a payment",
        "With every try to be paid, every refund and the provider's reference. Those who may refund read anybody's.",
        shapes.PaymentDetailShape,
        shapes.DETAIL,
        access=_READ,
        errors=_MISSING,
    )
)
async def get_payment(call: Call) -> ASGIApp:
    view = await call.container.payments.get(call.caller, _payment_id(call))
    return call.succeed(shapes.of_view(view, call.zone))


@route(
    Operation(
        "POST",
        f"{_ONE}/confirm",
        "confirmPayment",
        TAG,
        "Say that the browser came back from the checkout",
        "With the `key` that the provider gave it, where the provider wants one spent: that is done once, for our amount. The "
        "answer is the payment as it is now; read it again a moment later, or wait for the webhook to do its part.",
        shapes.PaymentDetailShape,
        {**shapes.DETAIL, "status": "pending", "paidAt": None, "refunds": []},
        status=202,
        access=_WRITE,
        body=JsonBody(shapes.ConfirmPaymentBody, {"key": "test-payment-key", "amount": {"amount": 5000, "currency": "KRW"}}),
        errors=(*_MISSING, "AMOUNT_MISMATCH", "WRONG_STATE", "PROVIDER_NOT_CONFIGURED"),
        idempotent=True,
    )
)
async def confirm_payment(call: Call) -> ASGIApp:
    body: shapes.ConfirmPaymentBody = call.body
    view = await call.container.payments.confirm(
        call.caller, _payment_id(call), key=body.key, amount=_money(body.amount, "amount")
    )
    return call.succeed(shapes.of_view(view, call.zone))


@route(
    Operation(
        "POST",
        f"{_ONE}/refunds",
        "refundPayment",
        TAG,
        "Give money back",
        "All that is left, or a part; never more than was paid, also with two at once. Nobody refunds what they bought "
        "themselves. The refund ends `succeeded`, `failed` or `unknown`.",
        shapes.RefundShape,
        {**shapes.REFUND, "status": "queued"},
        status=202,
        access=_REFUND,
        body=JsonBody(shapes.RefundBody, {"reason": "one of three was missing", "amount": {"amount": 3000, "currency": "KRW"}}),
        errors=(
            *_MISSING,
            "PARTIAL_REFUND_NOT_POSSIBLE",
            "REFUND_EXCEEDS_PAYMENT",
            "REFUND_OF_OWN_PAYMENT",
            "WRONG_STATE",
            "PROVIDER_NOT_CONFIGURED",
        ),
        idempotent=True,
    )
)
async def refund_payment(call: Call) -> ASGIApp:
    body: shapes.RefundBody = call.body
    new = NewRefund(call.subject_id, body.reason, _money(body.amount, "amount"))
    refund = await call.container.payments.request_refund(call.caller, _payment_id(call), new)
    return call.succeed(shapes.of_refund(refund, call.zone))


@route(
    Operation(
        "GET",
        f"{_ONE}/refunds/{{refund_id:uuid}}",
        "getRefund",
        TAG,
        "Read a refund",
        "The buyer reads it, and those who may refund.",
        shapes.RefundShape,
        shapes.REFUND,
        access=_READ,
        errors=(*_MISSING, "REFUND_NOT_FOUND"),
    )
)
async def get_refund(call: Call) -> ASGIApp:
    refund_id: UUID = call.request.path_params["refund_id"]
    refund = await call.container.payments.refund(call.caller, _payment_id(call), refund_id)
    return call.succeed(shapes.of_refund(refund, call.zone))


def _payment_id(call: Call) -> UUID:
    found: UUID = call.request.path_params["payment_id"]
    return found


def _money(body: shapes.AmountBody | None, path: str) -> Money | None:
    try:
        return None if body is None else Money(body.amount, body.currency)
    except ValueError:
        raise ValidationFailed(Problem(f"{path}.currency", "is no currency of ISO 4217")) from None


ROUTES: Final = (
    open_checkout,
    list_payments,
    list_all_payments,
    get_payment,
    confirm_payment,
    refund_payment,
    get_refund,
)
