"""What processes measured: written by each for itself, read for all of them together."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import asyncpg

from madang.adapters.postgres.database import Connection, Database
from madang.adapters.postgres.statements import affected
from madang.core.kernel.ids import new_id
from madang.core.operations.measurements import CallName, Durations, Measurement, SystemReading

_RECORD: Final = """
WITH written AS (
    INSERT INTO measurements (id, process_id, kind, requests, errors, seconds, buckets, memory, cpu, disk, calls)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (id) DO NOTHING RETURNING calls
), counted AS (
    SELECT call->>'kind' AS kind, call->>'provider' AS provider, call->>'outcome' AS outcome,
           (call->>'count')::bigint AS calls, (call->>'seconds')::float8 AS seconds,
           ARRAY(SELECT jsonb_array_elements_text(call->'buckets')::bigint) AS buckets
    FROM written, jsonb_array_elements(written.calls) AS call
    ORDER BY 1, 2, 3
)
INSERT INTO provider_calls AS kept (kind, provider, outcome, calls, seconds, buckets)
SELECT kind, provider, outcome, calls, seconds, buckets FROM counted
ON CONFLICT (kind, provider, outcome) DO UPDATE
SET calls = kept.calls + excluded.calls, seconds = kept.seconds + excluded.seconds,
    buckets = ARRAY(SELECT a + b
                    FROM unnest(kept.buckets, excluded.buckets) WITH ORDINALITY AS bucket (a, b, place) ORDER BY place)
"""
"""One statement, and once for one id: it may be tried again when the connection was cut."""

_WITHIN: Final = """
SELECT id, process_id, kind, requests, errors, seconds, buckets, memory, cpu, disk, calls, now() - at AS age
FROM measurements WHERE at > now() - $1::interval ORDER BY at
"""
_WRONG_AMOUNTS: Final = "SELECT count(DISTINCT payment_id) FROM amount_mismatches WHERE seen_at > now() - interval '1 day'"
_STUCK: Final = "SELECT count(*) FROM subscriptions WHERE stuck_since IS NOT NULL"
_REVERSED: Final = "SELECT count(*) FROM payment_disputes WHERE status = 'reversed' AND answered_at IS NULL"
_FORGET: Final = "DELETE FROM measurements WHERE at < now() - $1::interval"
_TOTALS: Final = "SELECT kind, provider, outcome, calls, seconds, buckets FROM provider_calls ORDER BY kind, provider, outcome"


class MeasurementLog:
    """Where processes write their measurements down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, measured: Measurement) -> None:
        """Raises `Unavailable` when the database is away; the same one may be recorded again."""
        await self._database.execute(_RECORD, *_values(measured))

    async def provider_calls(self) -> Mapping[CallName, Durations]:
        """Of all processes, ever: they only grow."""
        rows = await self._database.fetch(_TOTALS)
        return {
            CallName(row["kind"], row["provider"], row["outcome"]): Durations(row["calls"], row["seconds"], row["buckets"])
            for row in rows
        }


class PostgresMeasurements:
    """Fulfils `MeasurementReader`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def within(self, window: timedelta) -> Sequence[Measurement]:
        measured = [_measurement(row) for row in await self._connection.fetch(_WITHIN, window)]
        wrong = await self._connection.fetchval(_WRONG_AMOUNTS)
        stuck = await self._connection.fetchval(_STUCK)
        reversed_ = await self._connection.fetchval(_REVERSED)
        return [*measured, *([_of_rows(wrong, stuck, reversed_)] if wrong or stuck or reversed_ else [])]

    async def forget(self, older_than: timedelta) -> int:
        return affected(await self._connection.execute(_FORGET, older_than))


def _values(measured: Measurement) -> tuple[Any, ...]:
    requests, system = measured.requests, measured.system
    calls = [
        {"kind": name.kind, "provider": name.provider, "outcome": name.outcome, **_durations(took)}
        for name, took in measured.calls.items()
    ]
    return (
        measured.id,
        measured.process_id,
        measured.kind,
        requests.count,
        measured.errors,
        requests.seconds,
        requests.buckets,
        system.memory,
        system.cpu,
        system.disk,
        calls,
    )


def _durations(took: Durations) -> Mapping[str, Any]:
    return {"count": took.count, "seconds": took.seconds, "buckets": took.buckets}


def _of_rows(wrong_amounts: int, stuck_subscriptions: int, reversed_disputes: int) -> Measurement:
    """What the rows tell, and no process could without losing it when it is killed."""
    return Measurement(
        new_id(),
        "database",
        "rows",
        Durations(),
        0,
        {},
        wrong_amounts=wrong_amounts,
        stuck_subscriptions=stuck_subscriptions,
        reversed_disputes=reversed_disputes,
    )


def _measurement(row: asyncpg.Record) -> Measurement:
    return Measurement(
        id=row["id"],
        process_id=row["process_id"],
        kind=row["kind"],
        requests=Durations(row["requests"], row["seconds"], list(row["buckets"])),
        errors=row["errors"],
        calls={
            CallName(call["kind"], call["provider"], call["outcome"]): Durations(
                call["count"], call["seconds"], call["buckets"]
            )
            for call in row["calls"]
        },
        system=SystemReading(row["memory"], row["cpu"], row["disk"]),
        age=row["age"],
    )
