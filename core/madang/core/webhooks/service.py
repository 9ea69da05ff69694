"""Use cases of those who want webhooks."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, NotFound, WrongState
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.core.webhooks.delivering import delivery_message, new_delivery
from madang.core.webhooks.model import (
    BOTH_SECRETS,
    DESCRIPTION_PURPOSE,
    MAX_ENDPOINTS,
    PREVIOUS_SECRET_PURPOSE,
    SECRET_PURPOSE,
    URL_PURPOSE,
    DeliveryStatus,
    DisabledBecause,
    EndpointStatus,
    WebhookDelivery,
    WebhookEndpoint,
)
from madang.core.webhooks.repository import WebhooksUnitOfWork
from madang.core.webhooks.sending import WebhookSender

TEST_EVENT = "webhooks.test"


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    id: UUID
    url: str
    event_types: Sequence[str]
    description: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """None leaves a field as it is; an empty description removes it."""

    url: str | None = None
    event_types: Sequence[str] | None = None
    description: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class EndpointView:
    endpoint: WebhookEndpoint
    url: str
    description: str | None
    secret: str | None = dataclasses.field(default=None, repr=False)


class WebhookService:
    """Another's endpoint looks like none: `NotFound`."""

    def __init__(
        self,
        units: UnitOfWorkFactory[WebhooksUnitOfWork],
        sender: WebhookSender,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._sender = sender
        self._cipher = cipher
        self._audit = audit_trail
        self._clock = clock

    async def create(self, caller: Caller, new: NewEndpoint) -> EndpointView:
        """With the secret, which is not shown again; the same id again answers the same. Raises `ValidationFailed` for an
        address that we do not send to, `Conflict` with too many endpoints."""
        await self._sender.check(new.url)
        async with self._units() as uow:
            count = await uow.webhook_endpoints.room(caller.person)
            found = await uow.webhook_endpoints.get(new.id)
            if found is not None and found.user_id == caller.person:
                return self._view(found, with_secret=True)
            if count >= MAX_ENDPOINTS:
                raise Conflict(f"an account has at most {MAX_ENDPOINTS} endpoints", code="TOO_MANY_WEBHOOK_ENDPOINTS")
            endpoint = self._made(caller.person, new)
            await uow.webhook_endpoints.add(endpoint)
            await self._record(uow, caller, AuditAction.WEBHOOK_ENDPOINT_CREATED, endpoint)
        return self._view(endpoint, with_secret=True)

    async def list(self, caller: Caller) -> Sequence[EndpointView]:
        async with self._units() as uow:
            return [self._view(endpoint) for endpoint in await uow.webhook_endpoints.of_user(caller.person)]

    async def get(self, caller: Caller, endpoint_id: UUID) -> EndpointView:
        async with self._units() as uow:
            return self._view(await _own(uow, caller, endpoint_id))

    async def change(self, caller: Caller, endpoint_id: UUID, change: EndpointChange) -> EndpointView:
        if change.url is not None:
            await self._sender.check(change.url)
        async with self._units() as uow:
            endpoint = self._changed(await _own(uow, caller, endpoint_id, lock=True), change)
            await uow.webhook_endpoints.update(endpoint)
            if change.enabled is False:
                await self._record(uow, caller, AuditAction.WEBHOOK_ENDPOINT_DISABLED, endpoint, because="owner")
        return self._view(endpoint)

    async def delete(self, caller: Caller, endpoint_id: UUID) -> None:
        async with self._units() as uow:
            endpoint = await _own(uow, caller, endpoint_id, lock=True)
            await uow.webhook_endpoints.delete(endpoint.id)
            await self._record(uow, caller, AuditAction.WEBHOOK_ENDPOINT_DELETED, endpoint)

    async def rotate_secret(self, caller: Caller, endpoint_id: UUID, rotation: UUID) -> EndpointView:
        """For a day deliveries are signed under both secrets. The same `rotation` again answers the same."""
        now = self._clock.now()
        async with self._units() as uow:
            endpoint = await _own(uow, caller, endpoint_id, lock=True)
            if endpoint.rotation != rotation:
                old = self._cipher.decrypt(endpoint.secret, purpose=SECRET_PURPOSE)
                endpoint = dataclasses.replace(
                    endpoint,
                    secret=self._cipher.encrypt(self._sender.new_secret(), purpose=SECRET_PURPOSE),
                    previous_secret=self._cipher.encrypt(old, purpose=PREVIOUS_SECRET_PURPOSE),
                    previous_secret_until=now + BOTH_SECRETS,
                    rotation=rotation,
                    updated_at=now,
                )
                await uow.webhook_endpoints.update(endpoint)
        return self._view(endpoint, with_secret=True)

    async def deliveries(self, caller: Caller, endpoint_id: UUID, request: CursorRequest) -> CursorPage[WebhookDelivery]:
        async with self._units() as uow:
            endpoint = await _own(uow, caller, endpoint_id)
            return await uow.webhook_deliveries.page(endpoint.id, request)

    async def redeliver(self, caller: Caller, endpoint_id: UUID, delivery_id: UUID, run: UUID) -> WebhookDelivery:
        """All tries anew, with the same `webhook-id`. Raises `WrongState` for a disabled endpoint."""
        now = self._clock.now()
        async with self._units() as uow:
            endpoint = _active(await _own(uow, caller, endpoint_id))
            delivery = await uow.webhook_deliveries.get(delivery_id, lock=True)
            if delivery is None or delivery.endpoint_id != endpoint.id:
                raise NotFound("there is no such delivery", code="WEBHOOK_DELIVERY_NOT_FOUND")
            if delivery.run == run:
                return delivery
            delivery = delivery.to(DeliveryStatus.PENDING, now, run=run, attempts=0, next_attempt_at=now, failure=None)
            await uow.webhook_deliveries.update(delivery)
            uow.send(delivery_message(delivery))
            await self._record(uow, caller, AuditAction.WEBHOOK_REDELIVERED, endpoint, deliveryId=str(delivery.id))
        return delivery

    async def test(self, caller: Caller, endpoint_id: UUID, event_id: UUID) -> WebhookDelivery:
        """An event that says nothing, whatever types the endpoint wants. Raises `WrongState` for a disabled endpoint."""
        now = self._clock.now()
        async with self._units() as uow:
            endpoint = _active(await _own(uow, caller, endpoint_id))
            delivery = new_delivery(endpoint, event_id, TEST_EVENT, {"endpointId": str(endpoint.id)}, now, now, event_id)
            if not await uow.webhook_deliveries.add(delivery):
                return await uow.webhook_deliveries.get(event_id) or delivery
            uow.send(delivery_message(delivery))
        return delivery

    def _made(self, user_id: UUID, new: NewEndpoint) -> WebhookEndpoint:
        now = self._clock.now()
        return WebhookEndpoint(
            id=new.id,
            user_id=user_id,
            url=self._cipher.encrypt(new.url, purpose=URL_PURPOSE),
            event_types=tuple(dict.fromkeys(new.event_types)),
            status=EndpointStatus.ACTIVE,
            secret=self._cipher.encrypt(self._sender.new_secret(), purpose=SECRET_PURPOSE),
            created_at=now,
            updated_at=now,
            description=self._sealed_description(new.description),
        )

    def _changed(self, endpoint: WebhookEndpoint, change: EndpointChange) -> WebhookEndpoint:
        now = self._clock.now()
        if change.url is not None:
            endpoint = dataclasses.replace(endpoint, url=self._cipher.encrypt(change.url, purpose=URL_PURPOSE))
        if change.event_types is not None:
            endpoint = dataclasses.replace(endpoint, event_types=tuple(dict.fromkeys(change.event_types)))
        if change.description is not None:
            endpoint = dataclasses.replace(endpoint, description=self._sealed_description(change.description))
        if change.enabled is not None:
            endpoint = endpoint.enabled(now) if change.enabled else endpoint.disabled(DisabledBecause.OWNER, now)
        return dataclasses.replace(endpoint, updated_at=now)

    def _sealed_description(self, description: str | None) -> bytes | None:
        return self._cipher.encrypt(description, purpose=DESCRIPTION_PURPOSE) if description else None

    def _view(self, endpoint: WebhookEndpoint, *, with_secret: bool = False) -> EndpointView:
        decrypt = self._cipher.decrypt
        return EndpointView(
            endpoint,
            decrypt(endpoint.url, purpose=URL_PURPOSE),
            None if endpoint.description is None else decrypt(endpoint.description, purpose=DESCRIPTION_PURPOSE),
            decrypt(endpoint.secret, purpose=SECRET_PURPOSE) if with_secret else None,
        )

    async def _record(
        self, uow: WebhooksUnitOfWork, caller: Caller, action: AuditAction, endpoint: WebhookEndpoint, **details: Any
    ) -> None:
        await self._audit.record(uow, caller, action, f"webhook_endpoint:{endpoint.id}", **details)


async def _own(uow: WebhooksUnitOfWork, caller: Caller, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint:
    endpoint = await uow.webhook_endpoints.get(endpoint_id, lock=lock)
    if endpoint is None or endpoint.user_id != caller.person:
        raise NotFound("there is no such endpoint", code="WEBHOOK_ENDPOINT_NOT_FOUND")
    return endpoint


def _active(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    if endpoint.status is not EndpointStatus.ACTIVE:
        raise WrongState("the endpoint is disabled", state=endpoint.status.value, expected="active")
    return endpoint
