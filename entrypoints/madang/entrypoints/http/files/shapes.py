"""What the Files calls take and answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Meta

from madang.core.files.model import File
from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.portraits.shapes import Input
from madang.ports.storage import PresignedRequest

Purpose = Literal["picture", "avatar", "document", "attachment"]
Status = Literal["pending", "available", "rejected", "expired"]


class UploadBody(Input, frozen=True):
    """`size` is in bytes and must be exact. With `sha256` (64 hexadecimal digits) what arrives is compared with it."""

    filename: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[^\u0000]*$")]
    content_type: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]*\Z")]
    size: Annotated[int, Meta(ge=1, le=2**40)]
    purpose: Purpose
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}\Z")] | None = None


class FileQuery(Input, frozen=True):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    purpose: Purpose | None = None
    status: Status | None = None


class RefusalShape(Shape, frozen=True):
    """Why what arrived was refused."""

    code: str
    details: Mapping[str, Any]


class FileShape(Shape, frozen=True):
    """`contentType` is what the bytes are once they were checked, before that what was announced. `expiresAt` is until when a
    pending upload may be sent."""

    id: UUID
    filename: str
    content_type: str
    size: int
    purpose: str
    status: str
    sha256: str | None
    created_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None
    refusal: RefusalShape | None


class UploadRequestShape(Shape, frozen=True):
    """Send exactly this: the method, the address, the headers; with `fields`, a multipart form of them with the file last,
    named `file`."""

    method: str
    url: str
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    expires_at: datetime


class UploadShape(Shape, frozen=True):
    file: FileShape
    upload: UploadRequestShape


class LinkShape(Shape, frozen=True):
    url: str
    expires_at: datetime


class DeletedFileShape(Shape, frozen=True):
    id: UUID
    status: str


def of_file(file: File, filename: str, zone: ZoneInfo) -> FileShape:
    refusal = file.refusal
    pending = file.status == "pending"
    return FileShape(
        id=file.id,
        filename=filename,
        content_type=file.content_type or file.declared_type,
        size=file.size,
        purpose=file.purpose,
        status=file.status.value,
        sha256=file.sha256,
        created_at=file.created_at.astimezone(zone),
        completed_at=None if file.completed_at is None else file.completed_at.astimezone(zone),
        expires_at=file.expires_at.astimezone(zone) if pending else None,
        refusal=None if refusal is None else RefusalShape(refusal.code, refusal.params),
    )


def of_request(request: PresignedRequest, zone: ZoneInfo) -> UploadRequestShape:
    expires_at = request.expires_at.astimezone(zone)
    return UploadRequestShape(request.method, request.url, request.headers, request.fields, expires_at)


FILE: Final = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "filename": "여름.png",
    "contentType": "image/png",
    "size": 10485760,
    "purpose": "picture",
    "status": "available",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "createdAt": "2026-01-05T12:00:00+09:00",
    "completedAt": "2026-01-05T12:01:10+09:00",
    "expiresAt": None,
    "refusal": None,
}
PENDING: Final = {
    **FILE,
    "status": "pending",
    "sha256": None,
    "completedAt": None,
    "expiresAt": "2026-01-05T12:15:00+09:00",
}
UPLOAD: Final = {
    "filename": "여름.png",
    "contentType": "image/png",
    "size": 10485760,
    "purpose": "picture",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
REQUEST: Final = {
    "method": "PUT",
    "url": "https://storage.example.com/bucket/files/…?X-Amz-Signature=…",
    "headers": {"content-type": "image/png"},
    "fields": {},
    "expiresAt": "2026-01-05T12:15:00+09:00",
}
LINK: Final = {
    "url": "https://storage.example.com/bucket/files/…?X-Amz-Signature=…",
    "expiresAt": "2026-01-05T13:01:10+09:00",
}
FORM_SCHEMA: Final = {
    "type": "object",
    "required": ["purpose", "file"],
    "properties": {
        "purpose": {"type": "string", "enum": ["picture", "avatar", "document", "attachment"]},
        "sha256": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$", "description": "What arrives is compared with it."},
        "file": {"type": "string", "format": "binary", "description": "The last field of the form."},
    },
    "additionalProperties": False,
}
FORM_ENCODING: Final = {
    "purpose": {"contentType": "text/plain"},
    "sha256": {"contentType": "text/plain"},
    "file": {"contentType": "application/octet-stream"},
}
FORM: Final = {"purpose": "picture", "file": "(the file)"}
