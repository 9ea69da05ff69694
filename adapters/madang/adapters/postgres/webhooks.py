"""Webhook endpoints and their deliveries in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.operations.audit import id_in
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.kernel.errors import Unauthenticated
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.webhooks.model import DeliveryStatus, DisabledBecause, EndpointStatus, WebhookDelivery, WebhookEndpoint

_ENDPOINT: Final = (
    "id",
    "user_id",
    "url",
    "event_types",
    "status",
    "secret",
    "created_at",
    "updated_at",
    "description",
    "previous_secret",
    "previous_secret_until",
    "rotation",
    "disabled_because",
    "failing_since",
)
_DELIVERY: Final = (
    "id",
    "endpoint_id",
    "user_id",
    "event_id",
    "event_type",
    "data",
    "occurred_at",
    "status",
    "run",
    "created_at",
    "updated_at",
    "attempts",
    "next_attempt_at",
    "response_status",
    "duration_ms",
    "failure",
)
_ADD_ENDPOINT: Final = insert("webhook_endpoints", _ENDPOINT)
_GET_ENDPOINT: Final = {lock: select("webhook_endpoints", _ENDPOINT, "id = $1", lock=lock) for lock in (False, True)}
_UPDATE_ENDPOINT: Final = update("webhook_endpoints", _ENDPOINT)
_OF_USER: Final = select("webhook_endpoints", _ENDPOINT, "user_id = $1 ORDER BY id")
_LOCK_ENDPOINTS: Final = "SELECT id FROM webhook_endpoints WHERE user_id = $1 ORDER BY id FOR UPDATE"
_ADD_DELIVERY: Final = insert("webhook_deliveries", _DELIVERY, on_conflict="ON CONFLICT DO NOTHING")
_GET_DELIVERY: Final = {lock: select("webhook_deliveries", _DELIVERY, "id = $1", lock=lock) for lock in (False, True)}
_UPDATE_DELIVERY: Final = update("webhook_deliveries", _DELIVERY)
_DELIVERIES_OF: Final = select("webhook_deliveries", _DELIVERY, "user_id = $1 ORDER BY id")
_PAGE: Final = select(
    "webhook_deliveries", _DELIVERY, "endpoint_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
)
_PRUNE: Final = """
DELETE FROM webhook_deliveries WHERE id = ANY (ARRAY(
    SELECT id FROM webhook_deliveries WHERE status <> 'pending' AND created_at < $1 ORDER BY created_at LIMIT $2
))
"""


class PostgresWebhookEndpoints:
    """Fulfils `WebhookEndpointRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def room(self, user_id: UUID) -> int:
        if await self._connection.fetchval("SELECT 1 FROM users WHERE id = $1 FOR UPDATE", user_id) is None:
            raise Unauthenticated("this account is not there any more")
        count: int = await self._connection.fetchval("SELECT count(*) FROM webhook_endpoints WHERE user_id = $1", user_id)
        return count

    async def add(self, endpoint: WebhookEndpoint) -> None:
        await self._connection.execute(_ADD_ENDPOINT, *_values(endpoint, _ENDPOINT))

    async def get(self, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint | None:
        row = await self._connection.fetchrow(_GET_ENDPOINT[lock], endpoint_id)
        return None if row is None else _endpoint(row)

    async def update(self, endpoint: WebhookEndpoint) -> None:
        await self._connection.execute(_UPDATE_ENDPOINT, *_values(endpoint, _ENDPOINT))

    async def of_user(self, user_id: UUID) -> Sequence[WebhookEndpoint]:
        return [_endpoint(row) for row in await self._connection.fetch(_OF_USER, user_id)]

    async def delete(self, endpoint_id: UUID) -> None:
        await self._connection.execute("DELETE FROM webhook_endpoints WHERE id = $1", endpoint_id)

    async def delete_all(self, user_id: UUID) -> int:
        return affected(await self._connection.execute("DELETE FROM webhook_endpoints WHERE user_id = $1", user_id))


class PostgresWebhookDeliveries:
    """Fulfils `WebhookDeliveryRepository`; a cursor is the id of the last delivery of the page before."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, delivery: WebhookDelivery) -> bool:
        return affected(await self._connection.execute(_ADD_DELIVERY, *_values(delivery, _DELIVERY))) == 1

    async def get(self, delivery_id: UUID, *, lock: bool = False) -> WebhookDelivery | None:
        row = await self._connection.fetchrow(_GET_DELIVERY[lock], delivery_id)
        return None if row is None else _delivery(row)

    async def update(self, delivery: WebhookDelivery) -> None:
        await self._connection.execute(_UPDATE_DELIVERY, *_values(delivery, _DELIVERY))

    async def page(self, endpoint_id: UUID, request: CursorRequest) -> CursorPage[WebhookDelivery]:
        rows = await self._connection.fetch(_PAGE, endpoint_id, id_in(request.cursor), request.limit + 1)
        found = [_delivery(row) for row in rows[: request.limit]]
        return CursorPage(found, request.limit, found[-1].id.hex if len(rows) > request.limit else None)

    async def of_user(self, user_id: UUID) -> Sequence[WebhookDelivery]:
        return [_delivery(row) for row in await self._connection.fetch(_DELIVERIES_OF, user_id)]

    async def delete_all(self, user_id: UUID) -> int:
        """The endpoints are locked before their deliveries, as everybody does it."""
        await self._connection.execute(_LOCK_ENDPOINTS, user_id)
        return affected(await self._connection.execute("DELETE FROM webhook_deliveries WHERE user_id = $1", user_id))

    async def prune(self, before: datetime, *, limit: int) -> int:
        return affected(await self._connection.execute(_PRUNE, before, limit))


def _values(row: Any, columns: Sequence[str]) -> list[Any]:
    found = (getattr(row, column) for column in columns)
    return [list(value) if isinstance(value, tuple) else value for value in found]


def _endpoint(row: asyncpg.Record) -> WebhookEndpoint:
    because = row["disabled_because"]
    changed = {
        "status": EndpointStatus(row["status"]),
        "event_types": tuple(row["event_types"]),
        "disabled_because": None if because is None else DisabledBecause(because),
    }
    return WebhookEndpoint(**{**dict(row), **changed})


def _delivery(row: asyncpg.Record) -> WebhookDelivery:
    return WebhookDelivery(**{**dict(row), "status": DeliveryStatus(row["status"])})
