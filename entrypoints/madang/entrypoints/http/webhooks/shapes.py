"""What the webhook calls take and answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from madang.core.webhooks.model import WebhookDelivery
from madang.core.webhooks.service import EndpointView
from madang.entrypoints.http.envelope import Shape, zone
from madang.entrypoints.http.live.events import EVENT_TYPE
from madang.entrypoints.http.operation import Call
from madang.entrypoints.http.portraits.shapes import Input

Url = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^[^\u0000]*$", description="Public, and with https://")]
Wanted = Annotated[
    str,
    Meta(max_length=200, pattern=rf"^{EVENT_TYPE}(\.\*)?\Z", description="`files.completed`, or `files.*` for all files"),
]
EventTypes = Annotated[list[Wanted], Meta(max_length=50, description="Empty: all")]
Description = Annotated[str, Meta(max_length=200, pattern=r"^[^\u0000]*$")]


class NewEndpointBody(Input, frozen=True):
    url: Url
    event_types: EventTypes = msgspec.field(default_factory=list)
    description: Description | None = None


class EndpointChangeBody(Input, frozen=True):
    """What is left out stays. `enabled` puts a disabled endpoint back into use."""

    url: Url | None = None
    event_types: EventTypes | None = None
    description: Description | None = None
    enabled: bool | None = None


class DeliveriesQuery(Input, frozen=True):
    cursor: Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class WebhookEndpointShape(Shape, frozen=True):
    """`disabledBecause`: `owner` by you, `failing` after days without success, `gone` after a 410. `failingSince` is when the
    first delivery failed after the last one that succeeded."""

    id: UUID
    url: str
    event_types: list[str]
    description: str | None
    status: Literal["active", "disabled"]
    disabled_because: Literal["owner", "failing", "gone"] | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime


class WebhookSecretShape(WebhookEndpointShape, frozen=True, kw_only=True):
    """`secret` is shown this once."""

    secret: str


class RemovedEndpointShape(Shape, frozen=True):
    id: UUID


class WebhookDeliveryShape(Shape, frozen=True):
    """`eventId` is what you saw as `webhook-id`. Of your answer we keep its status and how long it took, nothing else.
    `failure` says why there was none: `no_connection`, `timeout`, `connection_broke`, `address_refused`."""

    id: UUID
    event_id: UUID
    type: str
    data: Mapping[str, Any]
    status: Literal["pending", "delivered", "failed", "cancelled"]
    attempts: int
    next_attempt_at: datetime | None
    response_status: int | None
    duration_ms: int | None
    failure: str | None
    created_at: datetime
    updated_at: datetime


ENDPOINT: Final[dict[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "url": "https://hooks.example.com/madang",
    "eventTypes": ["files.*"],
    "description": "Our file archive",
    "status": "active",
    "disabledBecause": None,
    "failingSince": None,
    "createdAt": "2026-01-05T12:07:30+09:00",
    "updatedAt": "2026-01-05T12:07:30+09:00",
}
NEW_ENDPOINT: Final = {name: ENDPOINT[name] for name in ("url", "eventTypes", "description")}
SECRET: Final = {**ENDPOINT, "secret": "whsec_example-not-a-secret"}
DELIVERY: Final[dict[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120004",
    "eventId": "01997f2e-6c00-7a10-9c3e-0242ac120005",
    "type": "files.completed",
    "data": {"fileId": "01997f2e-6c00-7a10-9c3e-0242ac120003"},
    "status": "delivered",
    "attempts": 1,
    "nextAttemptAt": None,
    "responseStatus": 204,
    "durationMs": 85,
    "failure": None,
    "createdAt": "2026-01-05T12:07:30+09:00",
    "updatedAt": "2026-01-05T12:07:31+09:00",
}


def of_endpoint(call: Call, view: EndpointView) -> WebhookEndpointShape:
    return WebhookEndpointShape(*_fields(call, view))


def with_secret(call: Call, view: EndpointView) -> WebhookSecretShape:
    return WebhookSecretShape(*_fields(call, view), secret=view.secret or "")


def of_delivery(call: Call, delivery: WebhookDelivery) -> WebhookDeliveryShape:
    return WebhookDeliveryShape(
        delivery.id,
        delivery.event_id,
        delivery.event_type,
        delivery.data,
        delivery.status.value,
        delivery.attempts,
        _local(call, delivery.next_attempt_at),
        delivery.response_status,
        delivery.duration_ms,
        delivery.failure,
        delivery.created_at.astimezone(zone(call.container.settings.timezone)),
        delivery.updated_at.astimezone(zone(call.container.settings.timezone)),
    )


def _fields(call: Call, view: EndpointView) -> tuple[Any, ...]:
    endpoint = view.endpoint
    return (
        endpoint.id,
        view.url,
        list(endpoint.event_types),
        view.description,
        endpoint.status.value,
        None if endpoint.disabled_because is None else endpoint.disabled_because.value,
        _local(call, endpoint.failing_since),
        _local(call, endpoint.created_at),
        _local(call, endpoint.updated_at),
    )


def _local(call: Call, instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(zone(call.container.settings.timezone))
