"""Everybody's accounts, for administrators."""

from datetime import datetime, tzinfo
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from litestar.types import ASGIApp
from msgspec import UNSET, Meta, UnsetType

from madang.core.identity.administration import Account, UserChange
from madang.core.identity.model import UserStatus
from madang.core.identity.roles import Role
from madang.core.kernel.paging import PageRequest
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import Pagination, Shape
from madang.entrypoints.http.etags import versions_in
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route
from madang.entrypoints.http.portraits.shapes import Input

TAG: Final = "Users"
_ONE: Final = "/users/{user_id:uuid}"
_READER: Final = Access(Audience.API, "users:read")
_EDITOR: Final = Access(Audience.API, "users:write")
_READ_IS_RECORDED: Final = "Reading who somebody is goes into the audit trail."


RoleName = Literal["client", "pm", "developer", "admin"]


class UsersQuery(Input, frozen=True):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    role: RoleName | None = None
    status: Literal["active", "suspended", "erased"] | None = None


class UserPatch(Input, frozen=True):
    """A JSON merge patch: what is left out stays."""

    role: RoleName | UnsetType = UNSET
    status: Literal["active", "suspended"] | UnsetType = UNSET


class AccountShape(Shape, frozen=True):
    """`version` is what the `ETag` says, too. Of who was erased nothing personal is left."""

    id: UUID
    email: str | None
    email_verified: bool
    name: str | None
    role: str
    status: str
    locale: str
    two_factor: bool
    created_at: datetime
    updated_at: datetime
    version: int


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "email": "name@example.com",
    "emailVerified": True,
    "name": "홍길동",
    "role": "client",
    "status": "active",
    "locale": "ko",
    "twoFactor": False,
    "createdAt": "2026-01-05T12:07:30+09:00",
    "updatedAt": "2026-01-05T12:07:30+09:00",
    "version": 3,
}


@route(
    Operation(
        "GET",
        "/users",
        "listUsers",
        TAG,
        "List the users",
        f"The newest first, by role and status. {_READ_IS_RECORDED}",
        list[AccountShape],
        [_EXAMPLE],
        access=_READER,
        query=UsersQuery,
        paginated=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_users(call: Call) -> ASGIApp:
    query: UsersQuery = call.query
    role = None if query.role is None else Role(query.role)
    status = None if query.status is None else UserStatus(query.status)
    request = PageRequest(query.page, query.limit)
    page = await call.container.user_administration.page(call.caller, request, role=role, status=status)
    return call.succeed([_shape(account, call.zone) for account in page.items], pagination=Pagination.of(page))


@route(
    Operation(
        "GET",
        _ONE,
        "getUser",
        TAG,
        "Read a user",
        f"The `ETag` is for the `If-Match` of a change. {_READ_IS_RECORDED}",
        AccountShape,
        _EXAMPLE,
        access=_READER,
        errors=("USER_NOT_FOUND", "NOT_FOUND"),
        etag=True,
    )
)
async def get_user(call: Call) -> ASGIApp:
    account = await call.container.user_administration.get(call.caller, call.request.path_params["user_id"])
    return call.succeed(_shape(account, call.zone), version=account.user.version)


@route(
    Operation(
        "PATCH",
        _ONE,
        "changeUser",
        TAG,
        "Change a role, suspend, reinstate",
        "A changed role ends the user's sessions, since tokens carry permissions; a suspension also revokes their API keys. "
        "The last administrator stays one. An API key gives only roles that may do no more than the key itself.",
        AccountShape,
        {**_EXAMPLE, "role": "pm", "version": 4},
        access=_EDITOR,
        body=JsonBody(UserPatch, {"role": "pm"}),
        errors=("USER_NOT_FOUND", "NOT_FOUND", "LAST_ADMIN", "STALE_VERSION", "GONE"),
        etag=True,
    )
)
async def change_user(call: Call) -> ASGIApp:
    body: UserPatch = call.body
    change = UserChange(
        None if isinstance(body.role, UnsetType) else Role(body.role),
        None if isinstance(body.status, UnsetType) else UserStatus(body.status),
        versions_in(call.request.headers.get("if-match")),
    )
    account = await call.container.user_administration.change(call.caller, call.request.path_params["user_id"], change)
    return call.succeed(_shape(account, call.zone), version=account.user.version)


def _shape(account: Account, zone: tzinfo) -> AccountShape:
    user = account.user
    return AccountShape(
        user.id,
        account.email,
        user.email_verified_at is not None,
        account.name,
        user.role,
        user.status.value,
        user.locale,
        user.two_factor,
        user.created_at.astimezone(zone),
        user.updated_at.astimezone(zone),
        user.version,
    )


ROUTES: Final = (list_users, get_user, change_user)
