"""Where the alert rules stand, and each time that one fired."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.operations.audit import id_in
from madang.adapters.postgres.statements import insert
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.operations.alert_states import Alert, AlertState
from madang.core.operations.alerts import Episode

_BEGIN_QUIET: Final = """
INSERT INTO alerts (rule, state, since)
SELECT rule, 'quiet', since FROM unnest($1::text[], $2::timestamptz[]) AS new (rule, since) ORDER BY rule
ON CONFLICT (rule) DO NOTHING
"""
_ALERT: Final = "rule, state, since, value, episode_id"
_LOCK: Final = f"SELECT {_ALERT} FROM alerts WHERE rule = ANY ($1) ORDER BY rule FOR UPDATE"  # noqa: S608 - our own constant
_ALL: Final = f"SELECT {_ALERT} FROM alerts ORDER BY rule"  # noqa: S608 - our own constant
_SAVE: Final = "UPDATE alerts SET state = $2, since = $3, value = $4, episode_id = $5 WHERE rule = $1"
_COLUMNS: Final = ("id", "rule", "threshold", "value", "raised_at", "cleared_at")
_EPISODE: Final = ", ".join(_COLUMNS)
_BEGIN: Final = insert("alert_episodes", _COLUMNS)
_END: Final = f"UPDATE alert_episodes SET cleared_at = $2 WHERE id = $1 RETURNING {_EPISODE}"  # noqa: S608 - our own constant
_RUNNING: Final = f"SELECT {_EPISODE} FROM alert_episodes WHERE cleared_at IS NULL"  # noqa: S608 - our own constant
_PAGE: Final = f"SELECT {_EPISODE} FROM alert_episodes WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2"  # noqa: S608 - as above


class PostgresAlerts:
    """Fulfils `AlertRepository`; a cursor is the id of the last episode of the page before."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_all(self, quiet: Sequence[Alert]) -> Mapping[str, Alert]:
        rules = [alert.rule for alert in quiet]
        await self._connection.execute(_BEGIN_QUIET, rules, [alert.since for alert in quiet])
        return {row["rule"]: _alert(row) for row in await self._connection.fetch(_LOCK, rules)}

    async def all(self) -> Sequence[Alert]:
        return [_alert(row) for row in await self._connection.fetch(_ALL)]

    async def save(self, alert: Alert) -> None:
        await self._connection.execute(_SAVE, alert.rule, alert.state.value, alert.since, alert.value, alert.episode_id)

    async def begin(self, episode: Episode) -> None:
        await self._connection.execute(_BEGIN, *(getattr(episode, column) for column in _COLUMNS))

    async def end(self, episode_id: UUID, cleared_at: datetime) -> Episode:
        row = await self._connection.fetchrow(_END, episode_id, cleared_at)
        if row is None:
            raise LookupError(f"there is no episode {episode_id}")
        return _episode(row)

    async def running(self) -> Sequence[Episode]:
        return [_episode(row) for row in await self._connection.fetch(_RUNNING)]

    async def episodes(self, request: CursorRequest) -> CursorPage[Episode]:
        rows = await self._connection.fetch(_PAGE, id_in(request.cursor), request.limit + 1)
        page = [_episode(row) for row in rows[: request.limit]]
        return CursorPage(page, request.limit, page[-1].id.hex if len(rows) > request.limit else None)


def _alert(row: asyncpg.Record) -> Alert:
    return Alert(row["rule"], AlertState(row["state"]), row["since"], row["value"], row["episode_id"])


def _episode(row: asyncpg.Record) -> Episode:
    return Episode(**{column: row[column] for column in _COLUMNS})
