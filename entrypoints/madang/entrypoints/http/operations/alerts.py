"""Alert rules, what fires, and what fired, for administrators."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.kernel.paging import CursorRequest
from madang.core.operations.alert_states import AlertState
from madang.core.operations.alerts import Episode, Standing
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import Pagination, Shape, zone
from madang.entrypoints.http.operation import Call, Operation, route
from madang.entrypoints.http.portraits.shapes import Input

TAG: Final = "Administration"


class AlertsQuery(Input, frozen=True):
    """A page of the history; the rules are on each."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$")] | None = None


class AlertRuleShape(Shape, frozen=True):
    """`value` is in `unit`, null where there was too little to tell. A `pending` rule has been above its threshold for less
    than `lastingSeconds`; a `calming` one still fires, and has been at or below `clearsAt` for a while."""

    rule: str
    unit: str
    threshold: float
    clears_at: float
    at_least: int
    window_seconds: int
    lasting_seconds: int
    state: AlertState
    value: float | None
    firing_since: datetime | None


class EpisodeShape(Shape, frozen=True):
    """One time that a rule fired; `value` is the one that raised it."""

    id: UUID
    rule: str
    threshold: float
    value: float
    raised_at: datetime
    cleared_at: datetime | None


class AlertsShape(Shape, frozen=True):
    rules: list[AlertRuleShape]
    history: list[EpisodeShape]


_EXAMPLE: Final = {
    "rules": [
        {
            "rule": "payment_failures",
            "unit": "%",
            "threshold": 10.0,
            "clearsAt": 9.0,
            "atLeast": 10,
            "windowSeconds": 900,
            "lastingSeconds": 120,
            "state": "firing",
            "value": 24.0,
            "firingSince": "2026-01-05T12:07:30+09:00",
        }
    ],
    "history": [
        {
            "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
            "rule": "payment_failures",
            "threshold": 10.0,
            "value": 24.0,
            "raisedAt": "2026-01-05T12:07:30+09:00",
            "clearedAt": None,
        }
    ],
}


@route(
    Operation(
        "GET", "/admin/alerts", "listAlerts", TAG, "Read the alert rules, and what fires",
        "Every rule with its threshold and its last value, and the times that one fired, the newest first.",
        AlertsShape, _EXAMPLE,
        access=Access(Audience.API, "operations:read"), query=AlertsQuery, by_cursor=True, errors=("VALIDATION_ERROR",),
    )
)  # fmt: skip
async def list_alerts(call: Call) -> ASGIApp:
    query: AlertsQuery = call.query
    standing = await call.container.alerts.standing()
    page = await call.container.alerts.history(CursorRequest(query.cursor, query.limit))
    data = AlertsShape([_rule(call, each) for each in standing], [_episode(call, each) for each in page.items])
    return call.succeed(data, pagination=Pagination.by_cursor(page))


def _rule(call: Call, standing: Standing) -> AlertRuleShape:
    rule, alert = standing.rule, standing.alert
    return AlertRuleShape(
        rule.name,
        rule.unit,
        rule.threshold,
        round(rule.clears_at, 3),
        rule.at_least,
        int(rule.window.total_seconds()),
        int(rule.lasting.total_seconds()),
        AlertState.QUIET if alert is None else alert.state,
        None if alert is None or alert.value is None else round(alert.value, 3),
        None if standing.episode is None else _here(call, standing.episode.raised_at),
    )


def _episode(call: Call, episode: Episode) -> EpisodeShape:
    cleared_at = None if episode.cleared_at is None else _here(call, episode.cleared_at)
    raised_at = _here(call, episode.raised_at)
    return EpisodeShape(episode.id, episode.rule, episode.threshold, round(episode.value, 3), raised_at, cleared_at)


def _here(call: Call, when: datetime) -> datetime:
    return when.astimezone(zone(call.container.settings.timezone))


ROUTES: Final = (list_alerts,)
