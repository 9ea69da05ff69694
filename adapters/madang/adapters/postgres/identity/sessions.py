"""Sessions and their refresh tokens in PostgreSQL."""

# ruff: noqa: S608 – put together from constants of this module

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.identity.revocations import CHANNEL
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.identity.model import RefreshToken, Session
from madang.core.kernel.paging import Page, PageRequest

SESSION: Final = (
    "id",
    "user_id",
    "created_at",
    "last_used_at",
    "expires_at",
    "agent",
    "address",
    "revoked_at",
    "revoked_because",
)
_REFRESH: Final = ("digest", "session_id", "issued_at", "expires_at", "used_at")
_ADD: Final = insert("sessions", SESSION)
_GET: Final = {lock: select("sessions", SESSION, "id = $1", lock=lock) for lock in (False, True)}
_UPDATE: Final = update("sessions", SESSION)
_OPEN: Final = "FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2"
_PAGE: Final = f"""
SELECT {", ".join(SESSION)}, count(*) OVER () AS total {_OPEN} ORDER BY last_used_at DESC, id DESC LIMIT $3 OFFSET $4
"""
_REVOKE: Final = f"""
WITH open AS (
    SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $4 ORDER BY id FOR UPDATE
), ended AS (
    UPDATE sessions SET revoked_at = $3, revoked_because = $2 FROM open WHERE sessions.id = open.id RETURNING sessions.id
)
SELECT id, pg_notify('{CHANNEL}', id::text) FROM ended
"""
"""Locked in one order: two who end the sessions of one user do not wait for one another."""
_REVOKE_ONE: Final = f"""
WITH ended AS (
    UPDATE sessions SET revoked_at = $3, revoked_because = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id
)
SELECT id, pg_notify('{CHANNEL}', id::text) FROM ended
"""
_ADD_REFRESH: Final = insert("refresh_tokens", _REFRESH)
_GET_REFRESH: Final = {lock: select("refresh_tokens", _REFRESH, "digest = $1", lock=lock) for lock in (False, True)}
_USE_REFRESH: Final = "UPDATE refresh_tokens SET used_at = $2 WHERE digest = $1 AND used_at IS NULL"
_PRUNE: Final = """
DELETE FROM sessions WHERE id = ANY (ARRAY(
    SELECT id FROM sessions WHERE expires_at < $1 OR revoked_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""


class PostgresSessions:
    """Fulfils `SessionRepository`. Deleting a session deletes its tokens; `ended` is told of each that ended, as the channel
    will be."""

    def __init__(self, connection: Connection, ended: Callable[[str], None]) -> None:
        self._connection = connection
        self._ended = ended

    async def add(self, session: Session) -> None:
        await self._connection.execute(_ADD, *_values(session, SESSION))

    async def get(self, session_id: UUID, *, lock: bool = False) -> Session | None:
        row = await self._connection.fetchrow(_GET[lock], session_id)
        return None if row is None else to_session(row)

    async def update(self, session: Session) -> None:
        await self._connection.execute(_UPDATE, *_values(session, SESSION))

    async def page(self, user_id: UUID, request: PageRequest, now: datetime) -> Page[Session]:
        rows = await self._connection.fetch(_PAGE, user_id, now, request.limit, request.offset)
        total: int = rows[0]["total"] if rows else await self._connection.fetchval(f"SELECT count(*) {_OPEN}", user_id, now)
        return Page([to_session(row) for row in rows], total, request.page, request.limit)

    async def revoke(self, user_id: UUID, because: str, now: datetime, *, except_for: UUID | None = None) -> Sequence[UUID]:
        return await self._ending(_REVOKE, user_id, because, now, except_for)

    async def revoke_one(self, session_id: UUID, because: str, now: datetime) -> bool:
        return bool(await self._ending(_REVOKE_ONE, session_id, because, now))

    async def _ending(self, statement: str, *values: Any) -> Sequence[UUID]:
        ids = [row["id"] for row in await self._connection.fetch(statement, *values)]
        for session_id in ids:
            self._ended(str(session_id))
        return ids

    async def add_refresh(self, token: RefreshToken) -> None:
        await self._connection.execute(_ADD_REFRESH, *_values(token, _REFRESH))

    async def refresh(self, digest: bytes, *, lock: bool = False) -> RefreshToken | None:
        row = await self._connection.fetchrow(_GET_REFRESH[lock], digest)
        return None if row is None else RefreshToken(**{column: row[column] for column in _REFRESH})

    async def use_refresh(self, digest: bytes, now: datetime) -> bool:
        return affected(await self._connection.execute(_USE_REFRESH, digest, now)) == 1

    async def prune(self, before: datetime, *, limit: int) -> int:
        return affected(await self._connection.execute(_PRUNE, before, limit))


def to_session(row: asyncpg.Record) -> Session:
    return Session(**{column: row[column] for column in SESSION})


def _values(row: Any, columns: Sequence[str]) -> tuple[Any, ...]:
    return tuple(getattr(row, column) for column in columns)
