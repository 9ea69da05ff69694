"""The multipart form of a photo, read as it arrives and never more of it than allowed."""

from typing import Any, Final

from litestar import Request
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from madang.core.kernel.errors import PayloadTooLarge, Problem, ValidationFailed
from madang.core.portraits.pictures import Crop
from madang.entrypoints.http.bodies import decode_json
from madang.entrypoints.http.errors import MalformedBody, UnsupportedMediaType
from madang.entrypoints.http.portraits.shapes import CropBody

MAX_FORM: Final = 11 * 1024 * 1024
"""The photo's 10 MB and room for what a form wraps around it; the photo itself is measured by who knows its limit."""
_MAX_CROP: Final = 1024


async def read_photo_form(request: Request[Any, Any, Any]) -> tuple[bytes, Crop | None]:
    """The `photo` file and the optional `crop` (a JSON object).

    Raises `PayloadTooLarge` (`PHOTO_TOO_LARGE`), `UnsupportedMediaType`, `MalformedBody` (`MALFORMED_MULTIPART`),
    `ValidationFailed`.
    """
    fields = await _read_fields(request)
    if not fields.get("photo"):
        raise ValidationFailed(Problem("photo", "is missing: send the file as the form field photo"))
    crop = fields.get("crop", b"").strip()
    return bytes(fields["photo"]), _crop_of(bytes(crop)) if crop else None


async def _read_fields(request: Request[Any, Any, Any]) -> dict[str, bytearray]:
    fields: dict[str, bytearray] = {}
    current: bytearray | None = None
    received = 0
    try:
        with _parser_for(request) as parser:
            async for chunk in request.stream():
                received += len(chunk)
                if received > MAX_FORM:
                    raise _too_large()
                for event in parser.parse(chunk):
                    if isinstance(event, MultipartSegment):
                        current = _begin(fields, event)
                    elif event and current is not None:
                        current += event
    except ParserLimitReached as error:
        raise MalformedBody(f"the form is beyond what is read here: {error}", code="MALFORMED_MULTIPART") from None
    except MultipartError as error:
        raise MalformedBody(f"the form could not be read: {error}", code="MALFORMED_MULTIPART") from None
    return fields


def _parser_for(request: Request[Any, Any, Any]) -> PushMultipartParser:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind.lower() != "multipart/form-data":
        raise UnsupportedMediaType("send a form with the file as the field photo", accepted="multipart/form-data")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_FORM:
        raise _too_large()
    return PushMultipartParser(options.get("boundary", ""), max_segment_count=8, strict=False)


def _begin(fields: dict[str, bytearray], segment: MultipartSegment) -> bytearray:
    name = str(segment.name or "")
    if name not in ("photo", "crop"):
        raise ValidationFailed(Problem(name, "is not a field of this form"))
    if name in fields:
        raise ValidationFailed(Problem(name, "may be sent once only"))
    return fields.setdefault(name, bytearray())


def _crop_of(written: bytes) -> Crop:
    if len(written) > _MAX_CROP:
        raise ValidationFailed(Problem("crop", "is too long"))
    try:
        crop = decode_json(written, CropBody)
    except ValidationFailed as error:
        nested = [Problem(f"crop.{problem.path}".rstrip("."), problem.message) for problem in error.problems]
        raise ValidationFailed(*nested) from None
    except MalformedBody:
        raise ValidationFailed(Problem("crop", "is not a JSON object {x, y, width, height}")) from None
    return Crop(crop.x, crop.y, crop.width, crop.height)


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge("the photo is larger than 10 MB", code="PHOTO_TOO_LARGE")
