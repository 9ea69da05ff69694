"""API keys of the signed-in user: made, listed, revoked."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.identity.api_keys import NewApiKey
from madang.core.identity.model import ApiKey
from madang.entrypoints.http.authentication import SIGNED_IN
from madang.entrypoints.http.envelope import Shape, zone
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route
from madang.entrypoints.http.portraits.shapes import Input

TAG: Final = "Identity"
Permission = Annotated[str, Meta(pattern=r"^[a-z-]+:[a-z-]+\Z", max_length=60, description="One of your role's: files:read")]
KeyName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000]*$")]
Instant = Annotated[datetime, Meta(tz=True)]


class NewApiKeyBody(Input, frozen=True):
    """`permissions` are some of your role's. Without `expiresAt` the key lasts until it is revoked."""

    name: KeyName
    permissions: Annotated[list[Permission], Meta(min_length=1, max_length=50)]
    expires_at: Instant | None = None


class ApiKeyShape(Shape, frozen=True):
    """`prefix` is what you recognise the key by. `lastUsedAt` is written at most once a minute."""

    id: UUID
    name: str
    prefix: str
    permissions: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class CreatedApiKeyShape(ApiKeyShape, frozen=True, kw_only=True):
    """`key` is shown this once."""

    key: str


class RevokedKeyShape(Shape, frozen=True):
    id: UUID


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "name": "Nightly export",
    "prefix": "madang_Xk3v9Q",
    "permissions": ["files:read"],
    "createdAt": "2026-01-05T12:07:30+09:00",
    "expiresAt": "2027-01-05T12:07:30+09:00",
    "lastUsedAt": None,
}
_BODY: Final = {"name": "Nightly export", "permissions": ["files:read"], "expiresAt": "2027-01-05T12:07:30+09:00"}


@route(
    Operation(
        "POST",
        "/api-keys",
        "createApiKey",
        TAG,
        "Make an API key",
        "Send it as `X-API-Key`, without a token. It can do what its permissions say and your role still allows, and nothing "
        "that concerns your account's security.",
        CreatedApiKeyShape,
        {**_EXAMPLE, "key": "madang_Xk3v9Q-example-not-a-key"},
        status=201,
        access=SIGNED_IN,
        body=JsonBody(NewApiKeyBody, _BODY),
        errors=("TOO_MANY_API_KEYS",),
        idempotent=True,
    )
)
async def create_api_key(call: Call) -> ASGIApp:
    body: NewApiKeyBody = call.body
    wanted = NewApiKey(call.subject_id, body.name, frozenset(body.permissions), body.expires_at)
    created = await call.container.api_keys.create(call.caller, wanted)
    return call.succeed(CreatedApiKeyShape(*_fields(call, created.key), key=created.secret))


@route(
    Operation(
        "GET",
        "/api-keys",
        "listApiKeys",
        TAG,
        "List your API keys",
        "Those that are not revoked, the newest first; an account has at most 50.",
        list[ApiKeyShape],
        [_EXAMPLE],
        access=SIGNED_IN,
    )
)
async def list_api_keys(call: Call) -> ASGIApp:
    return call.succeed([ApiKeyShape(*_fields(call, key)) for key in await call.container.api_keys.of_caller(call.caller)])


@route(
    Operation(
        "DELETE",
        "/api-keys/{key_id:uuid}",
        "revokeApiKey",
        TAG,
        "Revoke an API key",
        "It is refused at once, everywhere.",
        RevokedKeyShape,
        {"id": _EXAMPLE["id"]},
        access=SIGNED_IN,
        errors=("API_KEY_NOT_FOUND", "NOT_FOUND"),
    )
)
async def revoke_api_key(call: Call) -> ASGIApp:
    key_id: UUID = call.request.path_params["key_id"]
    await call.container.api_keys.revoke(call.caller, key_id)
    return call.succeed(RevokedKeyShape(key_id))


def _fields(call: Call, key: ApiKey) -> tuple[Any, ...]:
    def local(instant: datetime | None) -> datetime | None:
        return None if instant is None else instant.astimezone(zone(call.container.settings.timezone))

    times = (local(key.created_at), local(key.expires_at), local(key.last_used_at))
    return (key.id, key.name, key.prefix, sorted(key.permissions), *times)


ROUTES: Final = (create_api_key, list_api_keys, revoke_api_key)
