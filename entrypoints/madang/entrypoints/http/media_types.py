"""Which of our media types a reader wants (RFC 9110, 12.5.1)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from madang.entrypoints.http.errors import NotAcceptable

PDF: Final = "application/pdf"
PLAIN_HTML: Final = "text/html"
_MOST: Final = 50
"""More ranges than that nobody means."""


def chosen(accept: str | None, offered: Sequence[str]) -> str:
    """The best of `offered` by the weights of `Accept`, the first of equals; the first without such a header. Raises
    `NotAcceptable`."""
    if accept is None or not accept.strip():
        return offered[0]
    best, weight = "", 0.0
    for media_type in offered:
        if (quality := _quality_of(media_type, accept)) > weight:
            best, weight = media_type, quality
    if not best:
        raise NotAcceptable("none of the types that Accept names can be had", offered=", ".join(offered))
    return best


def _quality_of(media_type: str, accept: str) -> float:
    """That of the most specific range which the type is in; 0 for one that is in none."""
    kind = media_type.partition("/")[0]
    places = (media_type, f"{kind}/*", "*/*")
    found = {place: quality for named, quality in _ranges(accept) for place in places if named == place}
    return next((found[place] for place in places if place in found), 0.0)


@lru_cache(maxsize=256)
def _ranges(accept: str) -> Sequence[tuple[str, float]]:
    return [_range(part) for part in accept.split(",")[:_MOST]]


def _range(part: str) -> tuple[str, float]:
    """A type with parameters of its own (`text/html;level=1`) asks for something that we do not have."""
    named, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return named, quality * _weight(value)
        if (name.strip(), value.strip().strip('"')) != ("charset", "utf-8"):
            quality = 0.0
    return named, quality


def _weight(value: str) -> float:
    """What is no number between 0 and 1 asks for nothing."""
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
