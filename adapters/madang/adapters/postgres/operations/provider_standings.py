"""How each process stands with each provider, when breakers changed, and what providers answered when they were checked."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from madang.adapters.postgres.database import Database
from madang.core.operations.breaker import BreakerState
from madang.core.operations.provider_standing import (
    CheckedProvider,
    ProviderStanding,
    RecordedChange,
    StandingOfProcess,
)

_TELL: Final = """
INSERT INTO provider_standings AS kept (process_id, process_kind, kind, provider, breaker, failures, paused_seconds, busy,
                                        waiting, places, turned_away)
SELECT $1, $2, kind, provider, breaker, failures, paused_seconds, busy, waiting, places, turned_away
FROM jsonb_to_recordset($3) AS told (kind text, provider text, breaker text, failures int, paused_seconds float8, busy int,
                                     waiting int, places int, turned_away int)
ON CONFLICT (process_id, kind, provider) DO UPDATE
SET process_kind = excluded.process_kind, breaker = excluded.breaker, failures = excluded.failures,
    paused_seconds = excluded.paused_seconds, busy = excluded.busy, waiting = excluded.waiting, places = excluded.places,
    turned_away = excluded.turned_away, at = now()
"""
_GOODBYE: Final = "DELETE FROM provider_standings WHERE process_id = $1"
_STANDINGS: Final = """
SELECT process_id, process_kind, kind, provider, breaker, failures, paused_seconds, busy, waiting, places, turned_away
FROM provider_standings WHERE at > now() - $1::interval ORDER BY kind, provider, process_kind, process_id
"""
_CHANGED: Final = """
INSERT INTO breaker_changes (id, at, process_id, kind, provider, state, why)
SELECT id, at, $1, kind, provider, state, why
FROM jsonb_to_recordset($2) AS told (id uuid, at timestamptz, kind text, provider text, state text, why text)
ON CONFLICT (id) DO NOTHING
"""
_CHANGES: Final = """
SELECT at, process_id, kind, provider, state, why FROM breaker_changes WHERE at > now() - $1::interval
ORDER BY at DESC, id DESC LIMIT $2
"""
_CHECKED: Final = """
INSERT INTO provider_checks (kind, provider, at, reachable, detail, latency_ms) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (kind, provider) DO UPDATE
SET at = excluded.at, reachable = excluded.reachable, detail = excluded.detail, latency_ms = excluded.latency_ms
"""
_CHECKS: Final = "SELECT kind, provider, at, reachable, detail, latency_ms FROM provider_checks"


class ProviderStandings:
    """Written by each process for itself, read for all of them together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, process_id: str, process_kind: str, standings: Sequence[ProviderStanding]) -> None:
        await self._database.execute(_TELL, process_id, process_kind, [asdict(standing) for standing in standings])

    async def goodbye(self, process_id: str) -> None:
        """The process ends: how it stood concerns nobody any more."""
        await self._database.execute(_GOODBYE, process_id)

    async def changed(self, process_id: str, changes: Sequence[RecordedChange]) -> None:
        """The same ones may be told again."""
        values = [
            {
                "id": str(change.id),
                "at": change.at.isoformat(),
                "kind": change.kind,
                "provider": change.provider,
                "state": change.state.value,
                "why": change.why,
            }
            for change in changes
        ]
        await self._database.execute(_CHANGED, process_id, values)

    async def standings(self, within: timedelta) -> Sequence[StandingOfProcess]:
        """Of the processes that were heard of in this time."""
        return [_standing(row) for row in await self._database.fetch(_STANDINGS, within)]

    async def changes(self, window: timedelta, *, limit: int) -> Sequence[tuple[str, RecordedChange]]:
        """With the process that told them, the newest first."""
        return [(row["process_id"], _change(row)) for row in await self._database.fetch(_CHANGES, window, limit)]

    async def checked(self, check: CheckedProvider) -> None:
        await self._database.execute(_CHECKED, *_check_values(check))

    async def checks(self) -> Sequence[CheckedProvider]:
        """The last one of each provider that was ever checked on request."""
        return [_check(row) for row in await self._database.fetch(_CHECKS)]


def _standing(row: asyncpg.Record) -> StandingOfProcess:
    values = dict(row)
    process_id, process_kind = values.pop("process_id"), values.pop("process_kind")
    return StandingOfProcess(
        process_id, process_kind, ProviderStanding(**{**values, "breaker": BreakerState(values["breaker"])})
    )


def _change(row: asyncpg.Record) -> RecordedChange:
    at: datetime = row["at"]
    return RecordedChange(at, row["kind"], row["provider"], BreakerState(row["state"]), row["why"])


def _check_values(check: CheckedProvider) -> tuple[Any, ...]:
    return check.kind, check.provider, check.at, check.reachable, check.detail, check.latency_ms


def _check(row: asyncpg.Record) -> CheckedProvider:
    return CheckedProvider(row["kind"], row["provider"], row["at"], row["reachable"], row["detail"], row["latency_ms"])
