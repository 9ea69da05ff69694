"""Actions in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.documents import to_failure
from madang.adapters.postgres.statements import affected, select, upsert
from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.messages import Failure

_COLUMNS: Final = (
    "id",
    "key",
    "kind",
    "provider",
    "subject",
    "state",
    "created_at",
    "updated_at",
    "result",
    "failure",
    "tries",
)
_BY_KEY: Final = select("actions", _COLUMNS, "key = $1")
_SAVE: Final = upsert("actions", _COLUMNS, key=["key"], keep=["id"])
_IN_STATE: Final = select("actions", _COLUMNS, "state = $1 ORDER BY updated_at LIMIT $2")

_ABANDON: Final = """
UPDATE actions SET state = 'failed', failure = $2, updated_at = $3
WHERE subject = $1 AND state IN ('queued', 'running', 'unknown')
"""


class PostgresActions:
    """Fulfils `ActionRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, key: str) -> Action | None:
        row = await self._connection.fetchrow(_BY_KEY, key)
        return None if row is None else _action(row)

    async def save(self, action: Action) -> None:
        await self._connection.execute(_SAVE, *_values(action))

    async def in_state(self, state: ActionState, *, limit: int = 100) -> Sequence[Action]:
        return [_action(row) for row in await self._connection.fetch(_IN_STATE, state.value, limit)]

    async def abandon(self, subject: str, failure: Failure, now: datetime) -> int:
        return affected(await self._connection.execute(_ABANDON, subject, failure, now))


def _action(row: asyncpg.Record) -> Action:
    return Action(
        id=row["id"],
        key=row["key"],
        kind=row["kind"],
        provider=row["provider"],
        subject=row["subject"],
        state=ActionState(row["state"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        result=row["result"],
        failure=to_failure(row["failure"]),
        tries=row["tries"],
    )


def _values(action: Action) -> tuple[Any, ...]:
    return (
        action.id,
        action.key,
        action.kind,
        action.provider,
        action.subject,
        action.state.value,
        action.created_at,
        action.updated_at,
        action.result,
        action.failure,
        action.tries,
    )
