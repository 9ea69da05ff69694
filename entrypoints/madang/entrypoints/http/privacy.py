"""What we owe a person: a copy of everything about them, and to forget them."""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any, Final
from uuid import UUID

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.kernel.errors import NotFound, Problem, ValidationFailed
from madang.core.kernel.ids import new_id
from madang.core.privacy.model import Erasure, ErasureStatus
from madang.core.privacy.service import ErasureView
from madang.entrypoints.http.authentication import SIGNED_IN, Access, Audience
from madang.entrypoints.http.envelope import Shape, camel_case, zone
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route
from madang.entrypoints.http.portraits.shapes import Input

TAG: Final = "Privacy"
TOKEN_LIFETIME: Final = timedelta(days=30)
_ONE: Final = "/privacy/erasures/{erasure_id:uuid}"
Secret = Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^[^\u0000]*$")]
Code = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9 -]*\Z")]


class EraseMeBody(Input, frozen=True):
    """`confirm` must be true. An account with a password is ended with the password or with a two-factor code."""

    confirm: bool
    password: Secret | None = None
    code: Code | None = None


class ExportShape(Shape, frozen=True):
    """`sections` by area: `identity`, `files`, `notifications`, `activity` … Files carry a link that is good for an hour."""

    user_id: UUID
    made_at: datetime
    sections: Mapping[str, Mapping[str, Any]]


class ErasureReceiptShape(Shape, frozen=True):
    """`rows` that were deleted or emptied, by table; `digest` is the SHA-256 over the receipt."""

    id: UUID
    deleted_at: datetime
    rows: Mapping[str, int]
    digest: str


class ErasureShape(Shape, frozen=True):
    """`verifiedAt` is when a second look found nothing any more; `receipt` comes with `succeeded`."""

    id: UUID
    status: ErasureStatus
    asked_at: datetime
    erased_at: datetime | None
    verified_at: datetime | None
    receipt: ErasureReceiptShape | None


class AskedErasureShape(ErasureShape, frozen=True, kw_only=True):
    """`token` opens the status for 30 days: your own tokens end with the account."""

    token: str


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "status": "queued",
    "askedAt": "2026-01-05T12:07:30+09:00",
    "erasedAt": None,
    "verifiedAt": None,
    "receipt": None,
}
_DONE: Final[dict[str, Any]] = {
    **_EXAMPLE,
    "status": "succeeded",
    "erasedAt": "2026-01-05T12:07:32+09:00",
    "verifiedAt": "2026-01-05T12:17:33+09:00",
    "receipt": {
        "id": "01997f2e-6c00-7a10-9c3e-0242ac120004",
        "deletedAt": "2026-01-05T12:07:32+09:00",
        "rows": {"users": 1, "sessions": 2, "files": 3},
        "digest": "0f343b0931126a20f133d67c2b018a3b1a8c6d2d7b9a6f4f1f0e2b6f6a4b2c1d",
    },
}
_COPY: Final[dict[str, Any]] = {
    "userId": "01997f2e-6c00-7a10-9c3e-0242ac120003",
    "madeAt": "2026-01-05T12:07:30+09:00",
    "sections": {"identity": {"profile": {"email": "dami@example.com", "locale": "ko"}}},
}


@route(
    Operation(
        "GET", "/privacy/export", "exportMyData", TAG, "Everything about me",
        "Everything that is kept about you, as a file. No secret is in it: no password, no token, no key.",
        ExportShape, _COPY, access=SIGNED_IN, limit="export",
    )
)  # fmt: skip
async def export_my_data(call: Call) -> ASGIApp:
    export = await call.container.privacy.export(call.caller)
    made_at = export.made_at.astimezone(call.zone)
    sections = {camel_case(name): section for name, section in export.sections.items()}
    answer = call.succeed(ExportShape(export.user_id, made_at, _in_zone(sections, call.zone)))
    name = f"madang-export-{made_at:%Y%m%d}.json"
    answer.headers = [
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        (b"cache-control", b"no-store"),
    ]
    return answer


@route(
    Operation(
        "DELETE", "/privacy/me", "eraseMe", TAG, "Forget me",
        "At once nobody can sign in any more, and all sessions and keys end; everything about you follows. What the law "
        "keeps of payments stays without your name. This cannot be undone. Asked again, the first one is answered.",
        AskedErasureShape, {**_EXAMPLE, "token": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"},
        status=202, access=SIGNED_IN, body=JsonBody(EraseMeBody, {"confirm": True, "password": "correct horse battery"}),
        errors=("LAST_ADMIN", "PASSWORD_DOES_NOT_MATCH", "TOO_MANY_ATTEMPTS", "USER_NOT_FOUND"), limit="erasure",
    )
)  # fmt: skip
async def erase_me(call: Call) -> ASGIApp:
    body: EraseMeBody = call.body
    if not body.confirm:
        raise ValidationFailed(Problem("confirm", "must be true: this cannot be undone"))
    erasure = await call.container.privacy.erase_me(call.caller, new_id(), password=body.password, code=body.code)
    return call.succeed(_asked(call, erasure))


@route(
    Operation(
        "GET", _ONE, "getErasure", TAG, "Read an erasure",
        "How far it is, by the token that came with it: `succeeded` when everything is gone.",
        ErasureShape, _DONE, access=Access(Audience.ERASURE), errors=("ERASURE_NOT_FOUND", "NOT_FOUND"),
    )
)  # fmt: skip
async def get_erasure(call: Call) -> ASGIApp:
    erasure_id: UUID = call.request.path_params["erasure_id"]
    if call.claims is None or call.claims.subject != str(erasure_id):
        raise NotFound("there is no such erasure", code="ERASURE_NOT_FOUND")
    return call.succeed(_shape(call, await call.container.privacy.view(erasure_id)))


@route(
    Operation(
        "DELETE", "/users/{user_id:uuid}", "eraseUser", "Users", "Forget a user",
        "For who asks by another way than the API. The same as if they had asked themselves.",
        AskedErasureShape, {**_EXAMPLE, "token": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"},
        status=202, access=Access(Audience.API, "users:write", by_key=False),
        errors=("LAST_ADMIN", "NOT_FOUND", "USER_NOT_FOUND"), limit="erasure",
    )
)  # fmt: skip
async def erase_user(call: Call) -> ASGIApp:
    user_id: UUID = call.request.path_params["user_id"]
    return call.succeed(_asked(call, await call.container.privacy.erase(call.caller, user_id, new_id())))


def _in_zone(value: Any, here: tzinfo) -> Any:
    match value:
        case datetime():
            return value.astimezone(here)
        case Mapping():
            return {name: _in_zone(each, here) for name, each in value.items()}
        case list() | tuple():
            return [_in_zone(each, here) for each in value]
        case _:
            return value


def _asked(call: Call, erasure: Erasure) -> AskedErasureShape:
    shape = _shape(call, ErasureView(erasure))
    expires_at = call.container.clock.now() + TOKEN_LIFETIME
    token = call.container.tokens.issue(Audience.ERASURE.value, str(erasure.id), expires_at=expires_at)
    return AskedErasureShape(
        id=shape.id,
        status=shape.status,
        asked_at=shape.asked_at,
        erased_at=shape.erased_at,
        verified_at=shape.verified_at,
        receipt=None,
        token=token,
    )


def _shape(call: Call, view: ErasureView) -> ErasureShape:
    here = zone(call.container.settings.timezone)

    def local(instant: datetime | None) -> datetime | None:
        return None if instant is None else instant.astimezone(here)

    erasure, receipt = view.erasure, view.receipt
    written = receipt and ErasureReceiptShape(
        receipt.id, receipt.deleted_at.astimezone(here), dict(receipt.rows), receipt.digest
    )
    asked_at = erasure.asked_at.astimezone(here)
    return ErasureShape(
        erasure.id, erasure.status, asked_at, local(erasure.erased_at), local(erasure.verified_at), written or None
    )


ROUTES: Final = (export_my_data, erase_me, get_erasure, erase_user)
