"""Pages of a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`page` counts from 1; `limit` is at most 100."""

    page: int = 1
    limit: int = 20

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    total: int
    page: int
    limit: int


@dataclass(frozen=True, slots=True)
class CursorRequest:
    """For lists that grow without bound, newest first: `cursor` is what the page before answered, None for the first page."""

    cursor: str | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class CursorPage(Generic[T]):
    """`next_cursor` is None on the last page."""

    items: Sequence[T]
    limit: int
    next_cursor: str | None = None
