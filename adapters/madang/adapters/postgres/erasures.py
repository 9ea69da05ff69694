"""Erasures in PostgreSQL, and what else is forgotten with a person."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.privacy.model import Erasure, ErasureStatus

_ERASURE: Final = ("id", "user_id", "status", "asked_at", "updated_at", "erased_at", "verified_at")
_GET: Final = {lock: select("erasures", _ERASURE, "id = $1", lock=lock) for lock in (False, True)}
_OF_USER: Final = select("erasures", _ERASURE, "user_id = $1")
_ADD: Final = insert("erasures", _ERASURE, on_conflict="ON CONFLICT (user_id) DO NOTHING")
_UPDATE: Final = update("erasures", _ERASURE)
_DESTROY_LEFT_KEYS: Final = """
DELETE FROM personal_keys USING users WHERE users.id = personal_keys.person_id AND users.status = 'erased'
"""
_PRUNE: Final = """
DELETE FROM erasures WHERE id = ANY (ARRAY(
    SELECT id FROM erasures WHERE erased_at < $1 ORDER BY erased_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""
_ERASE_ANSWERS: Final = """
DELETE FROM idempotency_keys WHERE subject_id = $1::uuid OR right(scope, 42) = ':user:' || $1::uuid
"""
"""Kept for a day, so there are few: an index for this alone would cost every request."""
_ERASE_SIGN_INS: Final = "DELETE FROM idempotency_keys WHERE scope LIKE 'loginExternal:address:%'"
"""Answers to sign-ins by an external identity are kept under the caller's address, and nothing tells whose they are: all go,
uncounted, for to sign in again does no harm."""


class PostgresErasures:
    """Fulfils `ErasureRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, erasure_id: UUID, *, lock: bool = False) -> Erasure | None:
        row = await self._connection.fetchrow(_GET[lock], erasure_id)
        return None if row is None else _erasure(row)

    async def of_user(self, user_id: UUID) -> Erasure | None:
        row = await self._connection.fetchrow(_OF_USER, user_id)
        return None if row is None else _erasure(row)

    async def add(self, erasure: Erasure) -> bool:
        return affected(await self._connection.execute(_ADD, *_values(erasure))) == 1

    async def update(self, erasure: Erasure) -> None:
        await self._connection.execute(_UPDATE, *_values(erasure))

    async def destroy_left_keys(self) -> int:
        return affected(await self._connection.execute(_DESTROY_LEFT_KEYS))

    async def prune(self, before: datetime, *, limit: int) -> int:
        return affected(await self._connection.execute(_PRUNE, before, limit))


class PostgresKeptAnswers:
    """Fulfils `KeptAnswers`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def erase(self, user_id: UUID) -> int:
        await self._connection.execute(_ERASE_SIGN_INS)
        return affected(await self._connection.execute(_ERASE_ANSWERS, user_id))


def _erasure(row: asyncpg.Record) -> Erasure:
    values = {column: row[column] for column in _ERASURE}
    return Erasure(**{**values, "status": ErasureStatus(row["status"])})


def _values(erasure: Erasure) -> tuple[Any, ...]:
    return tuple(erasure.status.value if column == "status" else getattr(erasure, column) for column in _ERASURE)
