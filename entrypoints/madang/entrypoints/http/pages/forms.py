"""What a page's form sends: from our own page, small, and in the form's encoding."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from litestar import Request

from madang.core.kernel.errors import PermissionDenied
from madang.entrypoints.http.bodies import read, require_type
from madang.entrypoints.http.errors import MalformedBody

_MAX_FORM: Final = 16 * 1024
_OWN_SITES: Final = ("same-origin", "none")


async def read_form(request: Request[Any, Any, Any], base_url: str) -> Mapping[str, str]:
    """The form's fields.

    Raises `PermissionDenied` for a form of another site, `UnsupportedMediaType`, `PayloadTooLarge`, `MalformedBody`.
    """
    _require_own_origin(request, base_url)
    require_type(request, "application/x-www-form-urlencoded")
    raw = await read(request, _MAX_FORM)
    try:
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict"))
    except ValueError:
        raise MalformedBody("the form could not be read", code="BAD_REQUEST") from None


def _require_own_origin(request: Request[Any, Any, Any], base_url: str) -> None:
    """Browsers say where a form was filled in. A client that says nothing has no cookies of somebody else to misuse."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if origin is not None:
        own = {urlsplit(base_url).netloc, request.headers.get("host", "")}
        allowed = urlsplit(origin).netloc in own - {""}
    else:
        allowed = site is None or site in _OWN_SITES
    if not allowed:
        raise PermissionDenied("this form was sent from another site")
