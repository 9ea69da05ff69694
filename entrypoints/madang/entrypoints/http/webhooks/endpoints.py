"""Our own webhooks to clients: endpoints, their secrets, and what became of each delivery."""

from typing import Final
from uuid import UUID

from litestar.types import ASGIApp

from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import PermissionDenied
from madang.core.kernel.paging import CursorRequest
from madang.core.webhooks.service import EndpointChange, NewEndpoint
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import Pagination
from madang.entrypoints.http.identity.shapes import NoFields
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route
from madang.entrypoints.http.webhooks.shapes import (
    DELIVERY,
    ENDPOINT,
    NEW_ENDPOINT,
    SECRET,
    DeliveriesQuery,
    EndpointChangeBody,
    NewEndpointBody,
    RemovedEndpointShape,
    WebhookDeliveryShape,
    WebhookEndpointShape,
    WebhookSecretShape,
    of_delivery,
    of_endpoint,
    with_secret,
)

TAG: Final = "Webhook endpoints"
_READ: Final = Access(Audience.API, "webhooks:read")
_WRITE: Final = Access(Audience.API, "webhooks:write")
_ALL: Final = "/webhook-endpoints"
_ONE: Final = "/webhook-endpoints/{endpoint_id:uuid}"
_MISSING: Final = ("WEBHOOK_ENDPOINT_NOT_FOUND", "NOT_FOUND")


@route(
    Operation(
        "POST",
        _ALL,
        "createWebhookEndpoint",
        TAG,
        "Name an endpoint",
        "Events that you own are posted there as `{type, timestamp, data}`, signed as Standard Webhooks 1.0 has it, at least "
        "once and in no promised order: `webhook-id` tells a repetition. Answer 2xx within 15 seconds. Otherwise we try again "
        "over a day; 410 disables the endpoint at once, days without success disable it, too. The address must be public, also "
        "behind its name; redirects are not followed.",
        WebhookSecretShape,
        SECRET,
        status=201,
        access=_WRITE,
        body=JsonBody(NewEndpointBody, NEW_ENDPOINT),
        errors=("TOO_MANY_WEBHOOK_ENDPOINTS",),
        idempotent=True,
    )
)
async def create_endpoint(call: Call) -> ASGIApp:
    body: NewEndpointBody = call.body
    new = NewEndpoint(call.subject_id, body.url, body.event_types, body.description)
    return call.succeed(with_secret(call, await call.container.webhooks.create(_user(call), new)))


@route(
    Operation(
        "GET",
        _ALL,
        "listWebhookEndpoints",
        TAG,
        "List your endpoints",
        "The oldest first; an account has at most 20.",
        list[WebhookEndpointShape],
        [ENDPOINT],
        access=_READ,
    )
)
async def list_endpoints(call: Call) -> ASGIApp:
    return call.succeed([of_endpoint(call, view) for view in await call.container.webhooks.list(_user(call))])


@route(
    Operation(
        "GET",
        _ONE,
        "getWebhookEndpoint",
        TAG,
        "Read an endpoint",
        "Without its secret.",
        WebhookEndpointShape,
        ENDPOINT,
        access=_READ,
        errors=_MISSING,
    )
)
async def get_endpoint(call: Call) -> ASGIApp:
    return call.succeed(of_endpoint(call, await call.container.webhooks.get(_user(call), _endpoint_id(call))))


@route(
    Operation(
        "PATCH",
        _ONE,
        "changeWebhookEndpoint",
        TAG,
        "Change an endpoint",
        "What is left out stays; `enabled` disables it, or puts it back into use.",
        WebhookEndpointShape,
        ENDPOINT,
        access=_WRITE,
        body=JsonBody(EndpointChangeBody, {"enabled": True}),
        errors=_MISSING,
    )
)
async def change_endpoint(call: Call) -> ASGIApp:
    body: EndpointChangeBody = call.body
    change = EndpointChange(body.url, body.event_types, body.description, body.enabled)
    return call.succeed(of_endpoint(call, await call.container.webhooks.change(_user(call), _endpoint_id(call), change)))


@route(
    Operation(
        "DELETE",
        _ONE,
        "deleteWebhookEndpoint",
        TAG,
        "Remove an endpoint",
        "With its deliveries; what is under way ends.",
        RemovedEndpointShape,
        {"id": ENDPOINT["id"]},
        access=_WRITE,
        errors=_MISSING,
    )
)
async def delete_endpoint(call: Call) -> ASGIApp:
    await call.container.webhooks.delete(_user(call), _endpoint_id(call))
    return call.succeed(RemovedEndpointShape(_endpoint_id(call)))


@route(
    Operation(
        "POST",
        _ONE + "/rotate-secret",
        "rotateWebhookSecret",
        TAG,
        "Replace an endpoint's secret",
        "For 24 hours each delivery carries two signatures, the second under the old secret.",
        WebhookSecretShape,
        SECRET,
        access=_WRITE,
        body=JsonBody(NoFields, {}, optional=True),
        errors=_MISSING,
        idempotent=True,
    )
)
async def rotate_secret(call: Call) -> ASGIApp:
    view = await call.container.webhooks.rotate_secret(_user(call), _endpoint_id(call), call.subject_id)
    return call.succeed(with_secret(call, view))


@route(
    Operation(
        "POST",
        _ONE + "/test",
        "testWebhookEndpoint",
        TAG,
        "Send a test event",
        "`webhooks.test`, whatever types the endpoint wants.",
        WebhookDeliveryShape,
        {**DELIVERY, "type": "webhooks.test"},
        status=202,
        access=_WRITE,
        body=JsonBody(NoFields, {}, optional=True),
        errors=(*_MISSING, "WRONG_STATE"),
        idempotent=True,
    )
)
async def test_endpoint(call: Call) -> ASGIApp:
    delivery = await call.container.webhooks.test(_user(call), _endpoint_id(call), call.subject_id)
    return call.succeed(of_delivery(call, delivery))


@route(
    Operation(
        "GET",
        _ONE + "/deliveries",
        "listWebhookDeliveries",
        TAG,
        "List an endpoint's deliveries",
        "The newest first; kept for 30 days.",
        list[WebhookDeliveryShape],
        [DELIVERY],
        access=_READ,
        query=DeliveriesQuery,
        by_cursor=True,
        errors=(*_MISSING, "VALIDATION_ERROR"),
    )
)
async def list_deliveries(call: Call) -> ASGIApp:
    query: DeliveriesQuery = call.query
    request = CursorRequest(query.cursor, query.limit)
    page = await call.container.webhooks.deliveries(_user(call), _endpoint_id(call), request)
    return call.succeed([of_delivery(call, found) for found in page.items], pagination=Pagination.by_cursor(page))


@route(
    Operation(
        "POST",
        _ONE + "/deliveries/{delivery_id:uuid}/redeliver",
        "redeliverWebhook",
        TAG,
        "Deliver an event again",
        "At once, with the same `webhook-id`, and with all tries anew.",
        WebhookDeliveryShape,
        {**DELIVERY, "status": "pending"},
        status=202,
        access=_WRITE,
        body=JsonBody(NoFields, {}, optional=True),
        errors=(*_MISSING, "WEBHOOK_DELIVERY_NOT_FOUND", "WRONG_STATE"),
        idempotent=True,
    )
)
async def redeliver(call: Call) -> ASGIApp:
    delivery_id: UUID = call.request.path_params["delivery_id"]
    delivery = await call.container.webhooks.redeliver(_user(call), _endpoint_id(call), delivery_id, call.subject_id)
    return call.succeed(of_delivery(call, delivery))


def _endpoint_id(call: Call) -> UUID:
    found: UUID = call.request.path_params["endpoint_id"]
    return found


def _user(call: Call) -> Caller:
    """Endpoints belong to people: an operator's token names none."""
    caller = call.caller
    if caller.user_id is None:
        raise PermissionDenied("this needs the token or the key of a user", permission="webhooks:read")
    return caller


ROUTES: Final = (
    create_endpoint,
    list_endpoints,
    get_endpoint,
    change_endpoint,
    delete_endpoint,
    rotate_secret,
    test_endpoint,
    list_deliveries,
    redeliver,
)
