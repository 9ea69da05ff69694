"""The audit trail for administrators."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.kernel.caller import CallerKind
from madang.core.kernel.paging import CursorRequest
from madang.core.operations.audit import AuditAction
from madang.core.operations.audit_reading import AuditFilter, ReadEvent
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import Pagination, Shape, zone
from madang.entrypoints.http.operation import Call, Operation, route
from madang.entrypoints.http.portraits.shapes import Input

TAG: Final = "Administration"
_READER: Final = Access(Audience.API, "audit:read")
Instant = Annotated[datetime, Meta(tz=True)]


class AuditQuery(Input, frozen=True):
    """From `since` on, before `until`."""

    cursor: Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    action: AuditAction | None = None
    actor_id: UUID | None = None
    subject: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\u0000]*$")] | None = None
    since: Instant | None = None
    until: Instant | None = None


class AuditEventShape(Shape, frozen=True):
    """`subject` is what it was done to (`user:<id>`), `details` hold ids and words. `address` and `agent` are from where; null
    where that was not kept, and when the person was erased."""

    id: UUID
    at: datetime
    action: AuditAction
    actor_kind: CallerKind
    actor_id: UUID | None
    api_key_id: UUID | None
    subject: str
    request_id: str
    address: str | None
    agent: str | None
    details: Mapping[str, Any]


_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "at": "2026-01-05T12:05:02+09:00",
    "action": "USER_LOGIN",
    "actorKind": "user",
    "actorId": "01997f2e-6c00-7a10-9c3e-0242ac120003",
    "apiKeyId": None,
    "subject": "user:01997f2e-6c00-7a10-9c3e-0242ac120003",
    "requestId": "01997f30-9a10-7c01-b7a2-0242ac120002",
    "address": "198.51.100.7",
    "agent": "Mozilla/5.0",
    "details": {},
}


@route(
    Operation(
        "GET", "/admin/audit-events", "listAuditEvents", TAG, "Read the audit trail",
        "Who did what to whom, from where and by which request: the newest first. Reading is recorded, too.",
        list[AuditEventShape], [_EXAMPLE],
        access=_READER, query=AuditQuery, by_cursor=True, errors=("VALIDATION_ERROR",),
    )
)  # fmt: skip
async def list_audit_events(call: Call) -> ASGIApp:
    query: AuditQuery = call.query
    wanted = AuditFilter(query.action, query.actor_id, query.subject, query.since, query.until)
    page = await call.container.audit_reading.page(call.caller, CursorRequest(query.cursor, query.limit), wanted)
    return call.succeed([_shape(call, read) for read in page.items], pagination=Pagination.by_cursor(page))


def _shape(call: Call, read: ReadEvent) -> AuditEventShape:
    event = read.event
    return AuditEventShape(
        event.id,
        event.at.astimezone(zone(call.container.settings.timezone)),
        event.action,
        event.actor_kind,
        event.actor_id,
        event.api_key_id,
        event.subject,
        event.request_id,
        None if read.origin is None else read.origin.address,
        None if read.origin is None else read.origin.agent,
        event.details,
    )


ROUTES: Final = (list_audit_events,)
