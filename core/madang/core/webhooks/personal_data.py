"""What webhooks owe a person."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.kernel.protection import PersonalDataCipher
from madang.core.webhooks.model import DESCRIPTION_PURPOSE, URL_PURPOSE, WebhookDelivery, WebhookEndpoint
from madang.core.webhooks.repository import WebhooksUnitOfWork


class WebhooksPersonalData:
    """Fulfils `PersonalData`."""

    name: Final = "webhooks"
    tables: Final = frozenset({"webhook_endpoints", "webhook_deliveries"})

    def __init__(self, cipher: PersonalDataCipher) -> None:
        self._cipher = cipher

    async def export(self, uow: WebhooksUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        return {
            "endpoints": [self._endpoint(endpoint) for endpoint in await uow.webhook_endpoints.of_user(user_id)],
            "deliveries": [_delivery(delivery) for delivery in await uow.webhook_deliveries.of_user(user_id)],
        }

    async def forget_outside(self, user_id: UUID) -> None:
        """What was told is with its receiver."""

    async def erase(self, uow: WebhooksUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        deliveries = await uow.webhook_deliveries.delete_all(user_id)
        return {"webhook_deliveries": deliveries, "webhook_endpoints": await uow.webhook_endpoints.delete_all(user_id)}

    def _endpoint(self, endpoint: WebhookEndpoint) -> Mapping[str, Any]:
        described = endpoint.description
        return {
            "id": str(endpoint.id),
            "url": self._cipher.decrypt(endpoint.url, purpose=URL_PURPOSE),
            "description": None if described is None else self._cipher.decrypt(described, purpose=DESCRIPTION_PURPOSE),
            "eventTypes": list(endpoint.event_types),
            "status": endpoint.status.value,
            "createdAt": endpoint.created_at,
        }


def _delivery(delivery: WebhookDelivery) -> Mapping[str, Any]:
    return {
        "id": str(delivery.id),
        "endpointId": str(delivery.endpoint_id),
        "type": delivery.event_type,
        "data": delivery.data,
        "status": delivery.status.value,
        "createdAt": delivery.created_at,
    }
