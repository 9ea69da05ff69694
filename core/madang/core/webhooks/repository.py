"""What webhooks ask of storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.core.operations.audit import AuditedUnitOfWork
from madang.core.webhooks.model import WebhookDelivery, WebhookEndpoint


class WebhookEndpointRepository(Protocol):
    async def room(self, user_id: UUID) -> int:
        """How many the user has; who asks at the same time waits until this commit."""
        ...

    async def add(self, endpoint: WebhookEndpoint) -> None: ...

    async def get(self, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint | None: ...

    async def update(self, endpoint: WebhookEndpoint) -> None: ...

    async def of_user(self, user_id: UUID) -> Sequence[WebhookEndpoint]:
        """The oldest first."""
        ...

    async def delete(self, endpoint_id: UUID) -> None:
        """With its deliveries."""
        ...

    async def delete_all(self, user_id: UUID) -> int: ...


class WebhookDeliveryRepository(Protocol):
    async def add(self, delivery: WebhookDelivery) -> bool:
        """False when this endpoint has this event already."""
        ...

    async def get(self, delivery_id: UUID, *, lock: bool = False) -> WebhookDelivery | None: ...

    async def update(self, delivery: WebhookDelivery) -> None: ...

    async def page(self, endpoint_id: UUID, request: CursorRequest) -> CursorPage[WebhookDelivery]:
        """The newest first. Raises `ValidationFailed` at `cursor`."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[WebhookDelivery]: ...

    async def delete_all(self, user_id: UUID) -> int: ...

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete those that are older and not pending; how many."""
        ...


class WebhooksUnitOfWork(AuditedUnitOfWork, NotificationsUnitOfWork, Protocol):
    @property
    def webhook_endpoints(self) -> WebhookEndpointRepository: ...

    @property
    def webhook_deliveries(self) -> WebhookDeliveryRepository: ...
