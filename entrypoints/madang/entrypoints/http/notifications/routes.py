"""What was sent to a person, and by which channels they want it."""

from collections.abc import Sequence
from typing import Final

from litestar.types import ASGIApp

from madang.core.kernel.paging import CursorRequest
from madang.core.notifications.model import Category, Channel
from madang.entrypoints.http.authentication import SIGNED_IN, Access, Audience
from madang.entrypoints.http.envelope import Pagination, zone
from madang.entrypoints.http.notifications import shapes
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route

TAG: Final = "Notifications"
_READ: Final = Access(Audience.API, "notifications:read")
_PREFERENCES: Final = "/notifications/preferences"


@route(
    Operation(
        "GET",
        "/notifications",
        "listNotifications",
        TAG,
        "List what was sent to you",
        "The newest first, with the channel and what became of it. The words are not kept once they have arrived.",
        list[shapes.NotificationShape],
        [shapes.NOTIFICATION],
        access=_READ,
        query=shapes.NotificationsQuery,
        by_cursor=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_notifications(call: Call) -> ASGIApp:
    query: shapes.NotificationsQuery = call.query
    page = await call.container.delivery_log.page(call.caller.person, CursorRequest(query.cursor, query.limit))
    where = zone(call.container.settings.timezone)
    return call.succeed(
        [shapes.NotificationShape.of(entry, where) for entry in page.items], pagination=Pagination.by_cursor(page)
    )


@route(
    Operation(
        "GET",
        _PREFERENCES,
        "readNotificationPreferences",
        TAG,
        "Read which messages you want",
        "By category and channel. What concerns the account's security always goes by e-mail.",
        shapes.PreferencesShape,
        shapes.PREFERENCES,
        access=_READ,
        etag=True,
    )
)
async def read_preferences(call: Call) -> ASGIApp:
    found = await call.container.notification_preferences.of(call.caller.person)
    return call.succeed(shapes.PreferencesShape.of(found), version=found.version)


@route(
    Operation(
        "PUT",
        _PREFERENCES,
        "replaceNotificationPreferences",
        TAG,
        "Say which messages you want",
        "Channels by category, the best first: where you have no address for it, the next is used. An empty list switches a "
        "category off, which `transactional` cannot be.",
        shapes.PreferencesShape,
        shapes.PREFERENCES,
        access=SIGNED_IN,
        body=JsonBody(shapes.PreferencesBody, shapes.CHOICES),
        errors=("NOT_FOUND",),
        etag=True,
    )
)
async def replace_preferences(call: Call) -> ASGIApp:
    body: shapes.PreferencesBody = call.body
    choices = {
        Category.TRANSACTIONAL: _channels(body.transactional),
        Category.PRODUCT: _channels(body.product),
        Category.MARKETING: _channels(body.marketing),
    }
    changed = await call.container.notification_preferences.choose(call.caller, choices, call.versions)
    return call.succeed(shapes.PreferencesShape.of(changed), version=changed.version)


def _channels(names: Sequence[str]) -> Sequence[Channel]:
    return [Channel(name) for name in names]


ROUTES: Final = (list_notifications, read_preferences, replace_preferences)
