"""A form upload read as it streams in: the signed fields first, then the file, never the whole body in memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

MAX_FIELD_BYTES: Final = 8192
MAX_FIELDS: Final = 20


class FormRefused(Exception):
    """What came is not a form upload; the message says why."""


@dataclass(frozen=True, slots=True)
class FormUpload:
    """The fields that stood before the file, and the file: its announced type and its bytes, to be read once."""

    fields: Mapping[str, str]
    content_type: str
    file: AsyncIterator[bytes] = field(repr=False)


Part: TypeAlias = MultipartSegment | bytes | bytearray | None


async def read(content_type: str, body: AsyncIterator[bytes]) -> AsyncGenerator[Part, None]:
    """The parts as they come: a segment's head, its bytes, None at its end. Raises `FormRefused`."""
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise FormRefused("a POST takes multipart/form-data")
    try:
        with PushMultipartParser(options["boundary"], max_segment_count=MAX_FIELDS, strict=True) as parser:
            async for chunk in body:
                if chunk:
                    for part in parser.parse(chunk):
                        yield part
    except MultipartError as error:
        raise FormRefused(f"the form cannot be read: {error}") from error


async def leading_fields(parts: AsyncIterator[Part]) -> FormUpload:
    """Everything up to the part named `file`. Raises `FormRefused` when there is none, or a field is too long."""
    fields: dict[str, str] = {}
    name, value = "", b""
    async for part in parts:
        if isinstance(part, MultipartSegment):
            name, value = part.name or "", b""
            if name == "file":
                return FormUpload(fields, part.content_type or "", _rest(parts))
        elif part is None:
            fields[name] = value.decode("utf-8", "replace")
        else:
            value += part
            if len(value) > MAX_FIELD_BYTES:
                raise FormRefused(f"the field {name!r} is too long")
    raise FormRefused("the form has no part named file; it must come after the fields")


async def _rest(parts: AsyncIterator[Part]) -> AsyncIterator[bytes]:
    """The file's bytes; what follows it is read to the end, so that a truncated form is noticed."""
    within = True
    async for part in parts:
        if part is None:
            within = False
        elif within and not isinstance(part, MultipartSegment):
            yield bytes(part)
