"""What payment providers told us, for administrators."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.billing.inbox_keeping import NoticeFilter
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.paging import CursorRequest
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.billing.payment_shapes import Cursor, ProviderName
from madang.entrypoints.http.envelope import Pagination, Shape
from madang.entrypoints.http.identity.shapes import NoFields
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route
from madang.entrypoints.http.portraits.shapes import Input

TAG: Final = "Administration"


class NoticesQuery(Input, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None
    provider: ProviderName | None = None
    handled: bool | None = None


class NoticeShape(Shape, frozen=True):
    """`eventId` and `kind` are the provider's. `outcome`: `applied`, `nothing_known_yet`, `paid_twice`, `unknown_payment`,
    `unknown_subscription` or `amount_mismatch`; null while it is not handled."""

    id: UUID
    provider: str
    event_id: str
    kind: str
    payment_id: str | None
    reference: str | None
    received_at: datetime
    handled_at: datetime | None
    outcome: str | None


_EXAMPLE: Final = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "provider": "sandbox",
    "eventId": "evt_1",
    "kind": "payment.paid",
    "paymentId": "01997f2e-6c00-7a10-9c3e-0242ac120003",
    "reference": "sbx_1",
    "receivedAt": "2026-01-05T12:07:30+09:00",
    "handledAt": "2026-01-05T12:07:31+09:00",
    "outcome": "applied",
}


@route(
    Operation(
        "GET", "/admin/webhooks", "listNotices", TAG, "List the notices of payment providers", "The newest first.",
        list[NoticeShape], [_EXAMPLE],
        access=Access(Audience.API, "operations:read"), query=NoticesQuery, by_cursor=True, errors=("VALIDATION_ERROR",),
    )
)  # fmt: skip
async def list_notices(call: Call) -> ASGIApp:
    query: NoticesQuery = call.query
    wanted = NoticeFilter(query.provider, query.handled)
    page = await call.container.inbox_keeping.page(CursorRequest(query.cursor, query.limit), wanted)
    return call.succeed([_notice(call, each) for each in page.items], pagination=Pagination.by_cursor(page))


@route(
    Operation(
        "POST", "/admin/webhooks/{notice_id:uuid}/replay", "replayNotice", TAG, "Handle a notice again",
        "As if it had just come: its provider is asked what is true, and the end is the same.",
        NoticeShape, {**_EXAMPLE, "handledAt": None, "outcome": None}, status=202,
        access=Access(Audience.API, "operations:write"), body=JsonBody(NoFields, {}, optional=True),
        errors=("NOTICE_NOT_FOUND", "NOT_FOUND"), idempotent=True,
    )
)  # fmt: skip
async def replay_notice(call: Call) -> ASGIApp:
    notice_id: UUID = call.request.path_params["notice_id"]
    return call.succeed(_notice(call, await call.container.inbox_keeping.replay(call.caller, notice_id)))


def _notice(call: Call, entry: InboxEntry) -> NoticeShape:
    return NoticeShape(
        entry.id,
        entry.provider,
        entry.event_id,
        entry.kind,
        entry.notice.get("payment_id"),
        entry.notice.get("reference"),
        entry.received_at.astimezone(call.zone),
        None if entry.handled_at is None else entry.handled_at.astimezone(call.zone),
        entry.outcome,
    )


ROUTES: Final = (list_notices, replay_notice)
