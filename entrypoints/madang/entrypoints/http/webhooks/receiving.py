"""What providers tell us: checked, stored once, answered at once; the worker does the rest."""

from typing import Annotated, Final

from litestar.types import ASGIApp
from msgspec import Meta

from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.operation import Call, Operation, RawBody, route
from madang.entrypoints.http.portraits.shapes import Input
from madang.ports.webhook import WebhookRequest

MAX_BODY: Final = 256 * 1024
MAX_PREDICTION: Final = 2 * 1024**2
"""A prediction repeats its inputs, and with them a photo."""


class ReceivedShape(Shape, frozen=True):
    """The same for a delivery that came before: a provider must not learn more than that we have it."""

    received: bool


class PurchaseQuery(Input, frozen=True):
    """What the address of an announcement says: whose purchase it is about, and our proof that we wrote so."""

    purchase: Annotated[str, Meta(max_length=300)] | None = None
    proof: Annotated[str, Meta(max_length=64)] | None = None


@route(
    Operation(
        "POST",
        "/webhooks/{provider:str}",
        "receiveWebhook",
        "Webhooks",
        "Take in a provider's notice",
        "The raw body, signed as the provider signs. Stored once by the provider's event id and answered before it is handled; "
        "twice or out of order changes nothing. A bad signature is refused and stores nothing.",
        ReceivedShape,
        {"received": True},
        body=RawBody(MAX_BODY, (), "Whatever the provider sends, byte by byte as it was signed.", '{"type": "payment.paid"}'),
        errors=("SIGNATURE_INVALID", "NOT_FOUND", "PROVIDER_NOT_CONFIGURED"),
        limit="webhook",
    )
)
async def receive_webhook(call: Call) -> ASGIApp:
    await call.container.billing.receive_webhook(call.request.path_params["provider"], _delivery(call))
    return call.succeed(ReceivedShape(True))


@route(
    Operation(
        "POST",
        "/webhooks/email/{provider:str}",
        "receiveEmailWebhook",
        "Webhooks",
        "Take in what became of e-mails",
        "The raw body, signed as the provider signs; treated like the notices of payment providers. To an address that refused "
        "a letter for good, or whose reader called one unwanted, only security messages go from then on.",
        ReceivedShape,
        {"received": True},
        body=RawBody(MAX_BODY, (), "Whatever the provider sends, byte by byte as it was signed.", '{"type": "email.bounced"}'),
        errors=("SIGNATURE_INVALID", "PROVIDER_NOT_FOUND", "PROVIDER_NOT_CONFIGURED"),
        limit="webhook",
    )
)
async def receive_email_webhook(call: Call) -> ASGIApp:
    await call.container.delivery_reports.receive_webhook(call.request.path_params["provider"], _delivery(call))
    return call.succeed(ReceivedShape(True))


@route(
    Operation(
        "POST",
        "/webhooks/images/{provider:str}",
        "receiveImageWebhook",
        "Webhooks",
        "Take in the end of a prediction",
        "The raw body, signed as the provider signs; treated like the notices of payment providers. What is asked of the "
        "provider afterwards decides: an announcement only shortens the wait. The address is one of ours, made for a purchase.",
        ReceivedShape,
        {"received": True},
        query=PurchaseQuery,
        body=RawBody(MAX_PREDICTION, (), "The prediction, byte by byte as signed.", '{"id": "p1", "status": "succeeded"}'),
        errors=("SIGNATURE_INVALID", "PROVIDER_NOT_FOUND", "PROVIDER_NOT_CONFIGURED"),
        limit="webhook",
    )
)
async def receive_image_webhook(call: Call) -> ASGIApp:
    query: PurchaseQuery = call.query
    await call.container.picture_notices.receive_webhook(
        call.request.path_params["provider"], _delivery(call), purchase=query.purchase, proof=query.proof
    )
    return call.succeed(ReceivedShape(True))


def _delivery(call: Call) -> WebhookRequest:
    headers = {name.lower(): value for name, value in call.request.headers.items()}
    return WebhookRequest(headers, call.body, call.container.clock.now())


ROUTES: Final = (receive_webhook, receive_email_webhook, receive_image_webhook)
