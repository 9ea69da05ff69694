"""What the worker does for webhooks: record what every endpoint wants to hear, deliver it, and give up on what is dead.

At least once: a worker that dies between the receiver's answer and our record of it makes the next one send again, with the
same `webhook-id`, by which the receiver knows it. Tries are rows and messages of our own, not retries of the outbox: a dead
endpoint is nobody's alert but its owner's.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import UUID

from madang.core.kernel.caller import SYSTEM
from madang.core.kernel.clock import Clock
from madang.core.kernel.events import Event, OwnedEvent
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, NewMessage, Topic
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.schedules import Recurring
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.core.webhooks.model import (
    DISABLE_AFTER,
    KEPT,
    PREVIOUS_SECRET_PURPOSE,
    SECRET_PURPOSE,
    URL_PURPOSE,
    DeliveryStatus,
    DisabledBecause,
    EndpointStatus,
    WebhookDelivery,
    WebhookEndpoint,
    wait_before,
)
from madang.core.webhooks.repository import WebhooksUnitOfWork
from madang.core.webhooks.sending import OutgoingWebhook, WebhookAnswer, WebhookSender
from madang.ports.errors import ProviderError

DELIVER: Final = "webhooks.deliver"
PRUNE: Final = "webhooks.prune"
ENDPOINT_DISABLED: Final = "webhooks.endpoint_disabled"
_TIME_LIMIT: Final = 90.0
_AT_ONCE: Final = 32
_OF_ONE_ENDPOINT: Final = 4
_NO_ROOM: Final = timedelta(seconds=5)
_PRUNED_AT_ONCE: Final = 1000
_GONE: Final = 410


class Delivering:
    """Fulfils `Hearing` of the kernel's owned events. A slow receiver holds few of the worker's slots: what finds no room comes
    again some seconds later."""

    def __init__(
        self,
        sender: WebhookSender,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        notifier: Notifier,
        clock: Clock,
        zone: tzinfo,
    ) -> None:
        self._sender = sender
        self._cipher = cipher
        self._audit = audit_trail
        self._notifier = notifier
        self._clock = clock
        self._zone = zone
        self._busy: Counter[UUID] = Counter()

    def handlers(self) -> Sequence[Handler[WebhooksUnitOfWork]]:
        return (Handler(Topic(DELIVER, time_limit=_TIME_LIMIT), run=self.deliver, give_up=self.give_up),)

    def recurring(self) -> Sequence[Recurring]:
        return (Recurring(Topic(PRUNE), timedelta(hours=1), self.prune),)

    async def hear(self, uow: WebhooksUnitOfWork, event: OwnedEvent) -> None:
        """One delivery for each active endpoint of the owner that wants this type."""
        now = self._clock.now()
        for endpoint in await uow.webhook_endpoints.of_user(event.owner):
            if endpoint.status is EndpointStatus.ACTIVE and endpoint.wants(event.name):
                delivery = new_delivery(endpoint, event.id, event.name, event.data, event.occurred_at, now)
                if await uow.webhook_deliveries.add(delivery):
                    uow.send(delivery_message(delivery))

    async def deliver(self, work: Delivery[WebhooksUnitOfWork]) -> None:
        payload = work.message.payload
        async with work.step() as uow:
            delivery = await uow.webhook_deliveries.get(UUID(payload["delivery_id"]))
            endpoint = await uow.webhook_endpoints.get(delivery.endpoint_id) if delivery else None
        if delivery is None or endpoint is None or not _is_meant(delivery, payload):
            return
        if endpoint.status is not EndpointStatus.ACTIVE:
            await self._cancel(work, delivery)
            return
        if self._busy.total() >= _AT_ONCE or self._busy[endpoint.id] >= _OF_ONE_ENDPOINT:
            async with work.finish() as uow:
                uow.send(dataclasses.replace(delivery_message(delivery), key=None, due_at=self._clock.now() + _NO_ROOM))
            return
        with self._slot(endpoint.id):
            outcome = await self._send(endpoint, delivery)
        async with work.finish() as uow:
            await self._record(uow, delivery, outcome)

    async def give_up(self, uow: WebhooksUnitOfWork, message: Message, failure: Failure) -> None:
        """Our own fault, again and again: the owner sees it as failed and may ask for it anew."""
        delivery = await uow.webhook_deliveries.get(UUID(message.payload["delivery_id"]), lock=True)
        if delivery is not None and _is_meant(delivery, message.payload):
            failed = delivery.to(DeliveryStatus.FAILED, self._clock.now(), failure="internal", next_attempt_at=None)
            await uow.webhook_deliveries.update(failed)

    async def prune(self, work: Delivery[WebhooksUnitOfWork]) -> None:
        before = self._clock.now() - KEPT
        deleted = _PRUNED_AT_ONCE
        while deleted == _PRUNED_AT_ONCE:
            async with work.step() as uow:
                deleted = await uow.webhook_deliveries.prune(before, limit=_PRUNED_AT_ONCE)

    async def _send(self, endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> WebhookAnswer | str:
        """The answer, or the kind of what went wrong."""
        now = self._clock.now()
        webhook = OutgoingWebhook(
            id=str(delivery.event_id),
            url=self._cipher.decrypt(endpoint.url, purpose=URL_PURPOSE),
            body=body_of(delivery, self._zone),
            sent_at=now,
            secrets=self._secrets(endpoint, now),
        )
        try:
            return await self._sender.send(webhook)
        except ProviderError as error:
            return error.code or error.kind

    def _secrets(self, endpoint: WebhookEndpoint, now: datetime) -> Sequence[str]:
        secrets = [self._cipher.decrypt(endpoint.secret, purpose=SECRET_PURPOSE)]
        until = endpoint.previous_secret_until
        if endpoint.previous_secret is not None and until is not None and now < until:
            secrets.append(self._cipher.decrypt(endpoint.previous_secret, purpose=PREVIOUS_SECRET_PURPOSE))
        return secrets

    async def _record(self, uow: WebhooksUnitOfWork, sent: WebhookDelivery, outcome: WebhookAnswer | str) -> None:
        """The endpoint before the delivery, as everybody locks them."""
        now = self._clock.now()
        endpoint = await uow.webhook_endpoints.get(sent.endpoint_id, lock=True)
        delivery = await uow.webhook_deliveries.get(sent.id, lock=True)
        if endpoint is None or delivery is None or (delivery.run, delivery.attempts) != (sent.run, sent.attempts):
            return
        answer = outcome if isinstance(outcome, WebhookAnswer) else None
        changes: dict[str, Any] = {
            "attempts": delivery.attempts + 1,
            "response_status": answer.status if answer else None,
            "duration_ms": answer.duration_ms if answer else None,
            "failure": None if answer else outcome,
            "next_attempt_at": None,
        }
        if answer is not None and answer.taken:
            await uow.webhook_deliveries.update(delivery.to(DeliveryStatus.DELIVERED, now, **changes))
            if endpoint.failing_since is not None:
                await uow.webhook_endpoints.update(dataclasses.replace(endpoint, failing_since=None))
            return
        await self._record_failure(uow, endpoint, delivery, answer, changes)

    async def _record_failure(
        self,
        uow: WebhooksUnitOfWork,
        endpoint: WebhookEndpoint,
        delivery: WebhookDelivery,
        answer: WebhookAnswer | None,
        changes: dict[str, Any],
    ) -> None:
        now = self._clock.now()
        gone = answer is not None and answer.status == _GONE
        wait = None if gone else wait_before(delivery.attempts + 1, answer.retry_after if answer else None)
        endpoint = dataclasses.replace(endpoint, failing_since=endpoint.failing_since or now)
        if wait is not None:
            changes["next_attempt_at"] = now + wait
            delivery = delivery.to(DeliveryStatus.PENDING, now, **changes)
            uow.send(delivery_message(delivery))
        else:
            delivery = delivery.to(DeliveryStatus.FAILED, now, **changes)
        await uow.webhook_deliveries.update(delivery)
        failing_since = endpoint.failing_since or now
        if gone or (wait is None and now - failing_since >= DISABLE_AFTER):
            endpoint = await self._disable(uow, endpoint, DisabledBecause.GONE if gone else DisabledBecause.FAILING)
        await uow.webhook_endpoints.update(endpoint)

    async def _disable(self, uow: WebhooksUnitOfWork, endpoint: WebhookEndpoint, because: DisabledBecause) -> WebhookEndpoint:
        if endpoint.status is EndpointStatus.DISABLED:
            return endpoint
        now = self._clock.now()
        subject = f"webhook_endpoint:{endpoint.id}"
        await self._audit.record(uow, SYSTEM, AuditAction.WEBHOOK_ENDPOINT_DISABLED, subject, because=because.value)
        host = self._sender.host_of(self._cipher.decrypt(endpoint.url, purpose=URL_PURPOSE))
        key = f"webhook-disabled:{endpoint.id}:{now.isoformat()}"
        await self._notifier.notify(uow, endpoint.user_id, ENDPOINT_DISABLED, key=key, values={"host": host})
        data = {"endpointId": str(endpoint.id), "because": because.value}
        uow.announce(Event(ENDPOINT_DISABLED, subject, data, owner=endpoint.user_id))
        return endpoint.disabled(because, now)

    async def _cancel(self, work: Delivery[WebhooksUnitOfWork], delivery: WebhookDelivery) -> None:
        async with work.finish() as uow:
            current = await uow.webhook_deliveries.get(delivery.id, lock=True)
            if current is not None and _is_meant(current, work.message.payload):
                now = self._clock.now()
                cancelled = current.to(DeliveryStatus.CANCELLED, now, failure="endpoint_disabled", next_attempt_at=None)
                await uow.webhook_deliveries.update(cancelled)

    @contextmanager
    def _slot(self, endpoint_id: UUID) -> Iterator[None]:
        self._busy[endpoint_id] += 1
        try:
            yield
        finally:
            self._busy[endpoint_id] -= 1
            if not self._busy[endpoint_id]:
                del self._busy[endpoint_id]


def new_delivery(
    endpoint: WebhookEndpoint,
    event_id: UUID,
    event_type: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
    now: datetime,
    delivery_id: UUID | None = None,
) -> WebhookDelivery:
    chosen = delivery_id or new_id()
    return WebhookDelivery(
        id=chosen,
        endpoint_id=endpoint.id,
        user_id=endpoint.user_id,
        event_id=event_id,
        event_type=event_type,
        data=data,
        occurred_at=occurred_at,
        status=DeliveryStatus.PENDING,
        run=chosen,
        created_at=now,
        updated_at=now,
        next_attempt_at=now,
    )


def delivery_message(delivery: WebhookDelivery) -> NewMessage:
    """Of the next try, due when it is."""
    payload = {"delivery_id": str(delivery.id), "run": str(delivery.run), "attempt": delivery.attempts + 1}
    return NewMessage(
        DELIVER,
        payload,
        key=f"webhook:{delivery.id}:{delivery.run}:{delivery.attempts + 1}",
        subject=f"webhook_endpoint:{delivery.endpoint_id}",
        due_at=delivery.next_attempt_at if delivery.attempts else None,
    )


def body_of(delivery: WebhookDelivery, zone: tzinfo) -> bytes:
    """As Standard Webhooks has it, and the same bytes in every try; the time has the offset that the API answers."""
    told = {"type": delivery.event_type, "timestamp": delivery.occurred_at.astimezone(zone).isoformat(), "data": delivery.data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _is_meant(delivery: WebhookDelivery, payload: Mapping[str, Any]) -> bool:
    """Whether this message is about the try that comes next."""
    is_next = (str(delivery.run), delivery.attempts + 1) == (payload["run"], payload["attempt"])
    return delivery.status is DeliveryStatus.PENDING and is_next
