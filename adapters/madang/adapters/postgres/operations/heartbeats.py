"""Which processes run, and when each was last heard. All times are the database's, so hosts with different clocks agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.statements import affected

STALE_AFTER: Final = 10.0
"""Seconds of silence after which a process counts as dead; processes beat three times in it."""

_BEAT: Final = """
INSERT INTO heartbeats (process_id, kind, host, details) VALUES ($1, $2, $3, $4)
ON CONFLICT (process_id) DO UPDATE
SET kind = excluded.kind, host = excluded.host, details = excluded.details, beat_at = now()
"""
_LIST: Final = """
SELECT process_id, kind, host, details, started_at, beat_at, extract(epoch FROM now() - beat_at)::float8 AS age
FROM heartbeats WHERE ($1::text IS NULL OR kind = $1) AND now() - beat_at >= $2 ORDER BY kind, started_at, process_id
"""
_STOP: Final = "DELETE FROM heartbeats WHERE process_id = $1"
_FORGET: Final = "DELETE FROM heartbeats WHERE beat_at < now() - $1::interval"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """`age` is in seconds since the last beat."""

    process_id: str
    kind: str
    host: str
    started_at: datetime
    beat_at: datetime
    age: float
    details: Mapping[str, Any] = field(default_factory=dict)


class Heartbeats:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, process_id: str, kind: str, host: str, details: Mapping[str, Any] | None = None) -> None:
        """Say that this process lives. `details` are small facts for an operator (`{"running": 3}`)."""
        await self._database.execute(_BEAT, process_id, kind, host, details or {})

    async def all(self, kind: str | None = None) -> Sequence[Heartbeat]:
        """Every process known, also those that died and were not forgotten yet."""
        return await self._listing(kind, timedelta(0))

    async def stale(self, *, older_than: float = STALE_AFTER, kind: str | None = None) -> Sequence[Heartbeat]:
        """Processes not heard for `older_than` seconds: they died, or cannot reach the database."""
        return await self._listing(kind, timedelta(seconds=older_than))

    async def alive(self, kind: str | None = None, *, within: float = STALE_AFTER) -> Sequence[Heartbeat]:
        """Processes (of this kind) heard within the last `within` seconds."""
        return [beat for beat in await self.all(kind) if beat.age < within]

    async def stop(self, process_id: str) -> None:
        """Forget a process that ends on purpose."""
        await self._database.execute(_STOP, process_id)

    async def forget(self, *, older_than: float) -> int:
        """Forget processes not heard for so many seconds; how many."""
        return affected(await self._database.execute(_FORGET, timedelta(seconds=older_than)))

    async def _listing(self, kind: str | None, age: timedelta) -> Sequence[Heartbeat]:
        return [_heartbeat(row) for row in await self._database.fetch(_LIST, kind, age)]


def _heartbeat(row: asyncpg.Record) -> Heartbeat:
    return Heartbeat(
        process_id=row["process_id"],
        kind=row["kind"],
        host=row["host"],
        started_at=row["started_at"],
        beat_at=row["beat_at"],
        age=row["age"],
        details=row["details"],
    )
