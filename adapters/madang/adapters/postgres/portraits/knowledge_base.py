"""The care catalogue in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Final

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select, upsert
from madang.core.kernel.paging import Page, PageRequest
from madang.core.portraits.model import CareEntry

_COLUMNS: Final = (
    "code",
    "category",
    "title_ko",
    "title_en",
    "description_ko",
    "description_en",
    "weeks_min",
    "weeks_max",
    "cost_min",
    "cost_max",
)
_BY_CODE: Final = 'ORDER BY code COLLATE "C"'
_ALL: Final = select("knowledge_base", _COLUMNS, f"true {_BY_CODE}")
_PAGE: Final = select("knowledge_base", _COLUMNS, f"($1::text IS NULL OR category = $1) {_BY_CODE} LIMIT $2 OFFSET $3")
_FARTHEST: Final = 2**63 - 1
"""The largest offset that PostgreSQL knows; whoever asks for a page beyond it gets an empty one."""
_COUNT: Final = "SELECT count(*) FROM knowledge_base WHERE $1::text IS NULL OR category = $1"
_GET: Final = select("knowledge_base", _COLUMNS, "code = $1")
_ADD: Final = insert("knowledge_base", _COLUMNS, on_conflict="ON CONFLICT (code) DO NOTHING")
_SAVE: Final = upsert("knowledge_base", _COLUMNS, key=["code"])
_DELETE: Final = "DELETE FROM knowledge_base WHERE code = $1"


class PostgresKnowledgeBase:
    """Fulfils `KnowledgeBaseRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all(self) -> Sequence[CareEntry]:
        return [_entry(row) for row in await self._connection.fetch(_ALL)]

    async def page(self, request: PageRequest, *, category: str | None = None) -> Page[CareEntry]:
        total = await self._connection.fetchval(_COUNT, category)
        rows = await self._connection.fetch(_PAGE, category, request.limit, min(request.offset, _FARTHEST))
        return Page([_entry(row) for row in rows], total, request.page, request.limit)

    async def get(self, code: str) -> CareEntry | None:
        row = await self._connection.fetchrow(_GET, code)
        return None if row is None else _entry(row)

    async def add(self, entry: CareEntry) -> bool:
        return affected(await self._connection.execute(_ADD, *astuple(entry))) == 1

    async def save(self, entry: CareEntry) -> None:
        await self._connection.execute(_SAVE, *astuple(entry))

    async def delete(self, code: str) -> bool:
        return affected(await self._connection.execute(_DELETE, code)) == 1


def _entry(row: asyncpg.Record) -> CareEntry:
    return CareEntry(*row.values())
