"""The one shape of every JSON answer: `{"success", "data" | "error", "meta"}`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Struct, UnsetType

from madang.core.kernel.paging import CursorPage, Page

T = TypeVar("T")


class Shape(Struct, rename="camel", frozen=True):
    """Base of what goes over the wire: camelCase names."""


class Pagination(Shape, frozen=True):
    """Where this page stands in the whole list; `page` counts from 1. A list that grows without bound has `limit` and
    `nextCursor` only: it asks for the next page, and is null on the last one."""

    limit: int
    page: int | UnsetType = UNSET
    total: int | UnsetType = UNSET
    total_pages: int | UnsetType = UNSET
    has_next: bool | UnsetType = UNSET
    has_prev: bool | UnsetType = UNSET
    next_cursor: str | UnsetType | None = UNSET

    @classmethod
    def of(cls, page: Page[Any]) -> "Pagination":
        pages = -(-page.total // page.limit)
        return cls(page.limit, page.page, page.total, pages, page.page < pages, page.page > 1)

    @classmethod
    def by_cursor(cls, page: CursorPage[Any]) -> "Pagination":
        return cls(page.limit, next_cursor=page.next_cursor)


class Meta(Shape, frozen=True, omit_defaults=True):
    """`timestamp` is ISO 8601 with the configured zone's offset; `requestId` is what to quote when asking for help.
    `creditsUsed` is there when the call spent credits."""

    timestamp: datetime
    version: str
    request_id: str
    pagination: Pagination | UnsetType = UNSET
    credits_used: int | UnsetType = UNSET


class Success(Shape, Generic[T], frozen=True):
    success: Literal[True]
    data: T
    meta: Meta


class FieldProblem(Shape, frozen=True):
    """`path` is dotted (`crop.width`), empty for the whole input."""

    path: str
    message: str


class ErrorBody(Shape, frozen=True):
    """`retryAfter` is in seconds. `details` of `VALIDATION_ERROR` is a list of `{path, message}`, else an object or null."""

    code: str
    message: str
    retryable: bool
    details: Sequence[FieldProblem] | Mapping[str, Any] | None = None
    retry_after: int | UnsetType = UNSET


class Failure(Shape, frozen=True):
    success: Literal[False]
    error: ErrorBody
    meta: Meta


def camel_case(name: str) -> str:
    """For names that no shape declares, as those of a plan's limits."""
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


@lru_cache(maxsize=1)
def api_version() -> str:
    try:
        return version("madang")
    except PackageNotFoundError:
        return "0.0.0"


@lru_cache(maxsize=8)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def meta(
    request_id: str,
    now: datetime,
    timezone: str,
    pagination: Pagination | UnsetType = UNSET,
    credits_used: int | UnsetType = UNSET,
) -> Meta:
    return Meta(now.astimezone(zone(timezone)), api_version(), request_id, pagination, credits_used)


_encoder = msgspec.json.Encoder()


def encode(shape: Struct) -> bytes:
    return _encoder.encode(shape)
