"""The multipart form of a file: its fields, then the file itself, which goes to disk as it arrives and never into memory."""

import hashlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from litestar import Request
from litestar.exceptions import InternalServerException
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from madang.core.files.contents import SpooledFile
from madang.core.files.policies import POLICIES, too_large
from madang.core.kernel.errors import Problem, ValidationFailed
from madang.entrypoints.http.composition import Files
from madang.entrypoints.http.errors import MalformedBody, UnsupportedMediaType

MAX_FILE: Final = max(policy.max_bytes for policy in POLICIES.values())
MAX_AROUND: Final = 64 * 1024
"""What a form wraps around its file."""
_MAX_FIELD: Final = 200
_FIELDS: Final = ("purpose", "sha256")
_FILE: Final = "file"
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")

_Part: TypeAlias = MultipartSegment | bytes | bytearray | None


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A form that has arrived, whole."""

    filename: str = field(repr=False)
    purpose: str
    content_type: str
    sha256: str | None
    content: SpooledFile

    @property
    def fingerprint(self) -> bytes:
        """The same for the same form, whatever boundary it was sent with."""
        said = [self.filename, self.purpose, self.content_type, self.sha256, self.content.sha256]
        return hashlib.sha256(json.dumps(said).encode()).digest()


@asynccontextmanager
async def uploaded_file(request: Request[Any, Any, Any], files: Files) -> AsyncIterator[UploadedFile]:
    """Raises `ValidationFailed`, `PayloadTooLarge` (`FILE_TOO_LARGE`) as soon as it is known, `UnsupportedMediaType`,
    `MalformedBody` (`MALFORMED_MULTIPART`, `UPLOAD_INCOMPLETE`)."""
    _refuse_announced(request)
    async with aclosing(_parts(request)) as parts:
        fields, segment = await _leading_fields(parts)
        purpose, sha256 = fields.get("purpose"), fields.get("sha256")
        if purpose is None:
            raise ValidationFailed(Problem("purpose", "is missing: send it before the file"))
        if sha256 is not None and not _SHA256.fullmatch(sha256):
            raise ValidationFailed(Problem("sha256", "must be 64 hexadecimal digits"))
        if not segment.filename:
            raise ValidationFailed(Problem(_FILE, "has no file name"))
        async with files.receiving(purpose) as content:
            await _receive(parts, content)
            if not content.size:
                raise ValidationFailed(Problem(_FILE, "is empty"))
            lower = None if sha256 is None else sha256.lower()
            yield UploadedFile(str(segment.filename), purpose, str(segment.content_type or ""), lower, content)


async def _leading_fields(parts: AsyncIterator[_Part]) -> tuple[dict[str, str], MultipartSegment]:
    """Everything up to the file's head: what may come is known before the first byte of it is taken."""
    fields: dict[str, str] = {}
    name, value = "", bytearray()
    async for part in parts:
        if isinstance(part, MultipartSegment):
            name, value = str(part.name or ""), bytearray()
            if name == _FILE:
                return fields, part
            _refuse_field(name, fields)
        elif part is None:
            fields[name] = _text_of(name, value)
        else:
            value += part
            if len(value) > _MAX_FIELD:
                raise ValidationFailed(Problem(name, "is too long"))
    raise ValidationFailed(Problem(_FILE, "is missing: send it as the form's last field, named file"))


async def _receive(parts: AsyncIterator[_Part], content: SpooledFile) -> None:
    """The file's bytes; the form must end with them, so that a truncated one is noticed."""
    async for part in parts:
        if isinstance(part, MultipartSegment):
            second = str(part.name or "") == _FILE
            problem = "may be sent once only" if second else "must come before the file"
            raise ValidationFailed(Problem(str(part.name or ""), problem))
        if part:
            await content.write(bytes(part))
    await content.settle()


async def _parts(request: Request[Any, Any, Any]) -> AsyncGenerator[_Part, None]:
    """A segment's head, its bytes, None at its end."""
    try:
        with _parser_for(request) as parser:
            async for chunk in request.stream():
                for part in parser.parse(chunk) if chunk else ():
                    yield part
    except MultipartError as error:
        raise MalformedBody(f"the form could not be read: {error}", code="MALFORMED_MULTIPART") from None
    except InternalServerException:
        raise MalformedBody("the connection ended before the form did", code="UPLOAD_INCOMPLETE") from None


def _parser_for(request: Request[Any, Any, Any]) -> PushMultipartParser:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind.lower() != "multipart/form-data":
        raise UnsupportedMediaType(
            "send a form with the fields purpose, sha256 (optional) and, last, file", accepted="multipart/form-data"
        )
    return PushMultipartParser(options.get("boundary", ""), max_segment_count=len(_FIELDS) + 2, strict=False)


def _refuse_announced(request: Request[Any, Any, Any]) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_FILE + MAX_AROUND:
        raise too_large(MAX_FILE)


def _refuse_field(name: str, fields: dict[str, str]) -> None:
    if name not in _FIELDS:
        raise ValidationFailed(Problem(name, "is not a field of this form"))
    if name in fields:
        raise ValidationFailed(Problem(name, "may be sent once only"))


def _text_of(name: str, value: bytearray) -> str:
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ValidationFailed(Problem(name, "is not UTF-8")) from None
