"""Reading what came: never more than allowed, and clear about what is wrong with it."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request

from madang.core.kernel.errors import PayloadTooLarge, Problem, ValidationFailed
from madang.entrypoints.http.errors import MalformedBody, UnsupportedMediaType
from madang.entrypoints.http.misfits import misfit

S = TypeVar("S")

MAX_JSON: Final = 64 * 1024


async def read(request: Request[Any, Any, Any], limit: int, *, code: str | None = None) -> bytes:
    """The raw body, at most `limit` bytes. Raises `PayloadTooLarge` before more is kept than that."""
    announced = request.headers.get("content-length", "")
    too_large = PayloadTooLarge(f"the body is larger than {limit} bytes", code=code)
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)


def require_type(request: Request[Any, Any, Any], *accepted: str) -> None:
    """Raises `UnsupportedMediaType` unless the body is of one of these types, in UTF-8 where it says an encoding."""
    written = request.headers.get("content-type", "")
    kind, _, parameters = written.partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\";\s]+)", parameters, re.IGNORECASE)
    if kind.strip().lower() not in accepted or (charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii")):
        raise UnsupportedMediaType("the body is of another type", accepted=", ".join(accepted))


def decode_json(body: bytes, shape: type[S]) -> S:
    """The body as `shape`. Raises `MalformedBody` for what is not JSON in UTF-8, `ValidationFailed` for what does not fit."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise misfit(error, shape) from None
    except RecursionError:
        raise ValidationFailed(Problem("", "is nested too deeply")) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise MalformedBody(f"the body is not valid JSON: {error}") from None


def convert_query(query: Mapping[str, str], shape: type[S]) -> S:
    """Query parameters as `shape`, numbers read from their digits. Raises `ValidationFailed`."""
    try:
        return msgspec.convert(query, type=shape, strict=False)
    except msgspec.ValidationError as error:
        raise misfit(error, shape) from None
