"""What happens to what is yours, as it happens: server-sent events."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.kernel.errors import PermissionDenied, Unauthenticated
from madang.core.kernel.live import LiveEvent, channel_of
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import zone
from madang.entrypoints.http.exchange import exchange_of
from madang.entrypoints.http.live.streams import MEDIA_TYPE, EventStream, OpenStreams
from madang.entrypoints.http.operation import Call, Header, Operation, route
from madang.entrypoints.http.portraits.shapes import Input

TAG: Final = "Events"
LONGEST: Final = 3600.0
"""Seconds after which a stream ends in any case: its reader comes back and shows a token that is still good."""
STATE: Final = "open_streams"

EVENT_TYPE: Final = r"[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39}){0,3}"
Types = Annotated[
    str,
    Meta(
        max_length=1000,
        pattern=rf"^{EVENT_TYPE}(,{EVENT_TYPE})*\Z",
        description="Only events of these types, joined by commas: `files.completed,files.rejected`.",
    ),
]


class EventsQuery(Input, frozen=True):
    types: Types | None = None


_EXAMPLE: Final = (
    "retry: 3000\n\n"
    "id: 1795219200000-0\n"
    "event: files.completed\n"
    'data: {"id":"01997f2e-6c00-7a10-9c3e-0242ac120002","type":"files.completed",'
    '"timestamp":"2026-01-05T12:07:30+09:00","data":{"fileId":"01997f2e-6c00-7a10-9c3e-0242ac120003"}}\n\n'
    ": still here\n\n"
)


@route(
    Operation(
        "GET",
        "/events",
        "listenToEvents",
        TAG,
        "Listen to what happens",
        "Server-sent events about what is yours, outside the envelope. `event` is the type, `data` an object "
        "`{id, type, timestamp, data}`, the same that a webhook tells. Come back with the last `id` in `Last-Event-ID` and "
        "hear what was missed: some 200 events are kept, until an hour after the newest. Events come at least once, those of "
        "one moment in any order; `data.id` tells a repetition. A comment is sent after 15 seconds of silence. The stream ends "
        "with the session, token or key that opened it, after an hour at the latest, and when the server is replaced: come "
        "back then.",
        None,
        _EXAMPLE,
        access=Access(Audience.API, "events:read"),
        query=EventsQuery,
        headers=(Header("Last-Event-ID", "The last `id` that was heard.", "1795219200000-0"),),
        errors=("VALIDATION_ERROR", "TOO_MANY_STREAMS"),
        media_type=MEDIA_TYPE,
    )
)
async def listen_to_events(call: Call) -> ASGIApp:
    query: EventsQuery = call.query
    streams: OpenStreams = call.request.app.state[STATE]
    owner = _person(call)
    after = call.request.headers.get("last-event-id")
    events = call.container.live.listen(channel_of(owner), after=after)
    return EventStream(
        events,
        _written_for(frozenset(query.types.split(",")) if query.types else None, call.container.settings.timezone),
        streams,
        str(owner),
        _seconds_left(call),
        partial(_still_allowed, call),
    )


def _person(call: Call) -> UUID:
    """Events belong to people: an operator's token names none."""
    owner = call.caller.user_id
    if owner is None:
        raise PermissionDenied("this needs the token or the key of a user", permission="events:read")
    return owner


async def _still_allowed(call: Call) -> bool:
    """Whether the session has not ended, and the key was not revoked, since the stream began."""
    if call.claims is None or call.container.revocations.ended(call.claims.extra.get("sid")):
        return False
    key = exchange_of(call.request.scope).api_key
    try:
        if key is not None and "keyId" in call.claims.extra:
            await call.container.api_key_check.verify(key.decode("latin-1").strip())
    except Unauthenticated:
        return False
    return True


def _seconds_left(call: Call) -> float:
    if call.claims is None:
        return LONGEST
    return min(LONGEST, max(0.0, (call.claims.expires_at - call.container.clock.now()).total_seconds()))


def _written_for(types: frozenset[str] | None, timezone: str) -> Callable[[LiveEvent], bytes | None]:
    def written(event: LiveEvent) -> bytes | None:
        if types is not None and event.name not in types:
            return None
        data = msgspec.json.encode(_in_zone(event.data, timezone))
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.name.encode(), data)

    return written


def _in_zone(data: Any, timezone: str) -> Any:
    moment = datetime.fromisoformat(data["timestamp"]).astimezone(zone(timezone))
    return {**data, "timestamp": moment.isoformat()}


ROUTES: Final = (listen_to_events,)
