"""What payment providers tell us: checked, stored once, answered at once; the worker does the rest."""

from typing import Final

from litestar.types import ASGIApp

from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.operation import Call, Operation, RawBody, route
from madang.ports.webhook import WebhookRequest

MAX_BODY: Final = 256 * 1024


class ReceivedShape(Shape, frozen=True):
    """The same for a delivery that came before: a provider must not learn more than that we have it."""

    received: bool


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
        limit_by_path=True,
    )
)
async def receive_webhook(call: Call) -> ASGIApp:
    headers = {name.lower(): value for name, value in call.request.headers.items()}
    delivery = WebhookRequest(headers, call.body, call.container.clock.now())
    await call.container.billing.receive_webhook(call.request.path_params["provider"], delivery)
    return call.succeed(ReceivedShape(True))


ROUTES: Final = (receive_webhook,)
