"""Versions as entity tags (RFC 9110, 8.8.3): what `ETag` answers and `If-Match` asks for."""

import re
from collections.abc import Collection
from typing import Final

from madang.entrypoints.http.exchange import RawHeaders

_TAG: Final = re.compile(r'"(\d{1,18})"')


def etag(version: int) -> RawHeaders:
    return [(b"etag", b'"%d"' % version)]


def versions_in(if_match: str | None) -> Collection[int] | None:
    """The versions that `If-Match` names, None where any will do. A tag that is none of ours is no version's, and a weak one
    never matches."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [part.strip() for part in if_match.split(",")[:20]]
    return frozenset(int(found[1]) for tag in tags if (found := _TAG.fullmatch(tag)))
