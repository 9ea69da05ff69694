"""Rate limits of single users, for administrators."""

from typing import Annotated, Final
from uuid import UUID

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.kernel.errors import Problem, ValidationFailed
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route
from madang.entrypoints.http.portraits.shapes import Input
from madang.entrypoints.http.rate_limits import POLICIES

TAG: Final = "Administration"
_ONE: Final = "/admin/limits/{user_id:uuid}"
_WRITTEN: Final = r"^[1-9][0-9]{0,8}/(second|minute|hour|day)\Z"

Written = Annotated[str, Meta(pattern=_WRITTEN, description="Calls in a time: 5000/day")]
Policy = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\u0000]*$")]


class OwnLimitsBody(Input, frozen=True):
    """By the limit's name; null gives the user the deployment's again, and what is not named stays."""

    limits: Annotated[dict[Policy, Written | None], Meta(min_length=1, max_length=64)]


class OwnLimitsShape(Shape, frozen=True):
    """`own` are this user's, `effective` what counts for them by the limit's name."""

    user_id: UUID
    own: dict[str, str]
    effective: dict[str, str]


_EXAMPLE: Final = {
    "userId": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "own": {"api_key": "5000/day"},
    "effective": {"default": "100/minute", "api_key": "5000/day"},
}


@route(
    Operation(
        "GET", _ONE, "getUserLimits", TAG, "Read a user's rate limits", "Their own, and those that count.",
        OwnLimitsShape, _EXAMPLE, access=Access(Audience.API, "operations:read"), errors=("USER_NOT_FOUND", "NOT_FOUND"),
    )
)  # fmt: skip
async def get_limits(call: Call) -> ASGIApp:
    user_id = call.request.path_params["user_id"]
    return _limits(call, user_id, dict(await call.container.user_limits.shown(user_id)))


@route(
    Operation(
        "PATCH", _ONE, "changeUserLimits", TAG, "Change a user's rate limits",
        "Instead of the deployment's, as a plan may grant them; they count within half a minute.",
        OwnLimitsShape, _EXAMPLE,
        access=Access(Audience.API, "operations:write"), body=JsonBody(OwnLimitsBody, {"limits": {"api_key": "5000/day"}}),
        errors=("USER_NOT_FOUND", "NOT_FOUND"),
    )
)  # fmt: skip
async def change_limits(call: Call) -> ASGIApp:
    body: OwnLimitsBody = call.body
    user_id = call.request.path_params["user_id"]
    problems = [Problem(f"limits.{name}", "there is no such limit") for name in body.limits if name not in POLICIES]
    if problems:
        raise ValidationFailed(*problems)
    return _limits(call, user_id, dict(await call.container.user_limits.change(call.caller, user_id, body.limits)))


def _limits(call: Call, user_id: UUID, own: dict[str, str]) -> ASGIApp:
    return call.succeed(OwnLimitsShape(user_id, own, {**POLICIES, **call.container.settings.limits, **own}))


ROUTES: Final = (get_limits, change_limits)
