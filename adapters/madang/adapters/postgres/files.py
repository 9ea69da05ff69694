"""Files of users in PostgreSQL."""

# ruff: noqa: S608 – put together from constants of this module

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.files.model import File, FileStatus, Refusal
from madang.core.files.repository import Usage
from madang.core.kernel.paging import Page, PageRequest

FILE: Final = (
    "id",
    "owner_id",
    "purpose",
    "status",
    "name",
    "declared_type",
    "size",
    "presigned",
    "created_at",
    "updated_at",
    "expires_at",
    "expected_sha256",
    "content_type",
    "sha256",
    "object_key",
    "refusal",
    "completed_at",
    "purged_at",
)
_OVER: Final = "status IN ('rejected', 'expired', 'deleted')"
_ADD: Final = insert("files", FILE, on_conflict="ON CONFLICT (id) DO NOTHING")
_UPDATE: Final = update("files", FILE)
_GET: Final = {lock: select("files", FILE, "id = $1", lock=lock) for lock in (False, True)}
_BY_IDS: Final = select("files", FILE, "id = ANY ($1)")
_WANTED: Final = (
    "owner_id = $1 AND ($2::text IS NULL OR purpose = $2) AND (status = $3 OR ($3::text IS NULL AND status <> 'deleted'))"
)
_PAGE: Final = select("files", FILE, f"{_WANTED} ORDER BY id DESC LIMIT $4 OFFSET $5")
_COUNT: Final = f"SELECT count(*) FROM files WHERE {_WANTED}"
_OWNERS_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('files:' || $1::text, 0))"
_USAGE: Final = """
SELECT coalesce(sum(size), 0)::bigint AS bytes, count(*) FILTER (WHERE status = 'pending') AS pending
FROM files WHERE owner_id = $1 AND status IN ('pending', 'available')
"""
_OVERDUE: Final = (
    select("files", FILE, "status = 'pending' AND expires_at < $1 ORDER BY expires_at LIMIT $2", lock=True) + " SKIP LOCKED"
)
_UNPURGED: Final = select("files", FILE, f"{_OVER} AND purged_at IS NULL AND updated_at < $1 ORDER BY updated_at LIMIT $2")
_PURGED: Final = f"UPDATE files SET purged_at = $2 WHERE id = $1 AND {_OVER} AND purged_at IS NULL"
_PRUNE: Final = f"""
DELETE FROM files WHERE id = ANY (ARRAY(
    SELECT id FROM files WHERE {_OVER} AND updated_at < $1 AND purged_at < $1 ORDER BY updated_at LIMIT $2
))
"""
_OF_OWNER: Final = select("files", FILE, "owner_id = $1 ORDER BY id")
_SET_POSITION: Final = (
    "INSERT INTO file_sweep (id, cursor) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor"
)
_FARTHEST: Final = 2**63 - 1
"""The largest offset that PostgreSQL knows; whoever asks for a page beyond it gets an empty one."""


class PostgresFiles:
    """Fulfils `FileRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, file_id: UUID, *, lock: bool = False) -> File | None:
        row = await self._connection.fetchrow(_GET[lock], file_id)
        return None if row is None else _file(row)

    async def add(self, file: File) -> bool:
        return affected(await self._connection.execute(_ADD, *_values(file))) == 1

    async def update(self, file: File) -> None:
        await self._connection.execute(_UPDATE, *_values(file))

    async def remove(self, file_id: UUID) -> None:
        await self._connection.execute("DELETE FROM files WHERE id = $1 AND status = 'pending'", file_id)

    async def page(
        self, owner_id: UUID, request: PageRequest, *, purpose: str | None = None, status: FileStatus | None = None
    ) -> Page[File]:
        wanted = (owner_id, purpose, None if status is None else status.value)
        total: int = await self._connection.fetchval(_COUNT, *wanted)
        rows = await self._connection.fetch(_PAGE, *wanted, request.limit, min(request.offset, _FARTHEST))
        return Page([_file(row) for row in rows], total, request.page, request.limit)

    async def usage(self, owner_id: UUID) -> Usage:
        await self._connection.execute(_OWNERS_TURN, str(owner_id))
        row = await self._connection.fetchrow(_USAGE, owner_id)
        return Usage(row["bytes"], row["pending"]) if row is not None else Usage(0, 0)

    async def overdue(self, before: datetime, *, limit: int) -> Sequence[File]:
        return [_file(row) for row in await self._connection.fetch(_OVERDUE, before, limit)]

    async def unpurged(self, before: datetime, *, limit: int) -> Sequence[File]:
        return [_file(row) for row in await self._connection.fetch(_UNPURGED, before, limit)]

    async def by_ids(self, file_ids: Sequence[UUID]) -> Mapping[UUID, File]:
        rows = await self._connection.fetch(_BY_IDS, list(file_ids))
        return {row["id"]: _file(row) for row in rows}

    async def purged(self, file_id: UUID, now: datetime) -> None:
        await self._connection.execute(_PURGED, file_id, now)

    async def prune(self, before: datetime, *, limit: int) -> int:
        return affected(await self._connection.execute(_PRUNE, before, limit))

    async def of_owner(self, owner_id: UUID) -> Sequence[File]:
        return [_file(row) for row in await self._connection.fetch(_OF_OWNER, owner_id)]

    async def erase(self, owner_id: UUID) -> int:
        return affected(await self._connection.execute("DELETE FROM files WHERE owner_id = $1", owner_id))

    async def sweep_position(self) -> str | None:
        cursor: str | None = await self._connection.fetchval("SELECT cursor FROM file_sweep WHERE id = 1")
        return cursor

    async def set_sweep_position(self, cursor: str | None) -> None:
        await self._connection.execute(_SET_POSITION, cursor)


def _file(row: asyncpg.Record) -> File:
    values = {column: row[column] for column in FILE}
    refusal = None if row["refusal"] is None else Refusal(**row["refusal"])
    return File(**{**values, "status": FileStatus(row["status"]), "refusal": refusal})


def _values(file: File) -> tuple[Any, ...]:
    refusal = None if file.refusal is None else asdict(file.refusal)
    changed: Mapping[str, Any] = {"status": file.status.value, "refusal": refusal}
    return tuple(changed[column] if column in changed else getattr(file, column) for column in FILE)
