"""What calls of providers used and cost: written by each process for itself in bundles, read for all of them together."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import asyncpg

from madang.adapters.postgres.database import Connection, Database
from madang.core.operations.metering import Grouping, MeteredCall, Settlement, Spending, SpentOn
from madang.ports.money import Cost

_TOTALS: Final = """
INSERT INTO metered_totals AS kept
    (kind, provider, model, currency, input_tokens, output_tokens, cached_input_tokens, unpriced, cost_micros)
SELECT kind, provider, model, coalesce(currency, ''), {tokens}, count(*) FILTER (WHERE charge = 'unknown'),
       coalesce(sum(cost_micros), 0)
FROM {source} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (kind, provider, model, currency) DO UPDATE
SET input_tokens = kept.input_tokens + excluded.input_tokens,
    output_tokens = kept.output_tokens + excluded.output_tokens,
    cached_input_tokens = kept.cached_input_tokens + excluded.cached_input_tokens,
    unpriced = kept.unpriced + excluded.unpriced, cost_micros = kept.cost_micros + excluded.cost_micros
"""
_COLUMNS: Final = (
    "id, at, kind, provider, model, operation, outcome, seconds, input_tokens, output_tokens, cached_input_tokens, pictures, "
    "messages, charge, cost_micros, currency, reference, product, subject"
)
_RECORD: Final = f"""
WITH written AS (
    INSERT INTO metered_calls ({_COLUMNS})
    SELECT {_COLUMNS} FROM jsonb_to_recordset($1) AS call (
        id uuid, at timestamptz, kind text, provider text, model text, operation text, outcome text, seconds float8,
        input_tokens bigint, output_tokens bigint, cached_input_tokens bigint, pictures int, messages int, charge text,
        cost_micros bigint, currency text, reference text, product text, subject text)
    ON CONFLICT (id) DO NOTHING
    RETURNING kind, provider, model, currency, charge, cost_micros, input_tokens, output_tokens, cached_input_tokens
)
{_TOTALS.format(source="written", tokens="sum(input_tokens), sum(output_tokens), sum(cached_input_tokens)")}
"""  # noqa: S608 - made of constants above
"""One statement, and once for one id: it may be tried again when the connection was cut."""

_SETTLE: Final = f"""
WITH settled AS (
    UPDATE metered_calls AS call
    SET charge = told.charge, reference = NULL, cost_micros = told.cost_micros, currency = told.currency,
        pictures = told.pictures, model = coalesce(nullif(told.model, ''), call.model)
    FROM jsonb_to_recordset($1) AS told (kind text, provider text, reference text, model text, pictures int, charge text,
                                         cost_micros bigint, currency text)
    WHERE (call.kind, call.provider, call.reference) = (told.kind, told.provider, told.reference) AND call.charge = 'pending'
    RETURNING call.kind, call.provider, call.model, call.currency, call.charge, call.cost_micros
)
{_TOTALS.format(source="settled", tokens="0, 0, 0")}
"""  # noqa: S608 - made of constants above
"""What is settled is no longer pending, so a second time finds nothing."""

_READ_TOTALS: Final = """
SELECT kind, provider, model, sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
       sum(cached_input_tokens)::bigint AS cached_input_tokens, sum(unpriced)::bigint AS unpriced,
       jsonb_object_agg(currency, cost_micros) FILTER (WHERE currency <> '') AS costs
FROM metered_totals GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_SUM_UP: Final = """
WITH old AS (
    DELETE FROM metered_calls WHERE id = ANY (ARRAY(
        SELECT id FROM metered_calls WHERE at < now() - $1::interval ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
    RETURNING *
), summed AS (
    INSERT INTO metered_days AS kept
        (day, kind, provider, model, product, currency, calls, failed, seconds, input_tokens, output_tokens,
         cached_input_tokens, pictures, messages, unpriced, cost_micros)
    SELECT (at AT TIME ZONE 'UTC')::date, kind, provider, model, coalesce(product, ''), coalesce(currency, ''), count(*),
           count(*) FILTER (WHERE outcome <> 'done'), sum(seconds), sum(input_tokens), sum(output_tokens),
           sum(cached_input_tokens), sum(pictures), sum(messages), count(*) FILTER (WHERE charge IN ('unknown', 'pending')),
           coalesce(sum(cost_micros), 0)
    FROM old GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (day, kind, provider, model, product, currency) DO UPDATE
    SET calls = kept.calls + excluded.calls, failed = kept.failed + excluded.failed, seconds = kept.seconds + excluded.seconds,
        input_tokens = kept.input_tokens + excluded.input_tokens, output_tokens = kept.output_tokens + excluded.output_tokens,
        cached_input_tokens = kept.cached_input_tokens + excluded.cached_input_tokens,
        pictures = kept.pictures + excluded.pictures, messages = kept.messages + excluded.messages,
        unpriced = kept.unpriced + excluded.unpriced, cost_micros = kept.cost_micros + excluded.cost_micros
)
SELECT count(*) FROM old
"""
_FORGET: Final = (
    "DELETE FROM provider_standings WHERE at < now() - interval '1 hour'",
    "DELETE FROM breaker_changes WHERE at < now() - interval '7 days'",
)
_ALL: Final = """
(SELECT (at AT TIME ZONE 'UTC')::date AS day, at, kind, provider, model, product, subject, coalesce(currency, '') AS currency,
        1::bigint AS calls, (outcome <> 'done')::int::bigint AS failed, input_tokens, output_tokens,
        (charge IN ('unknown', 'pending'))::int::bigint AS unpriced, coalesce(cost_micros, 0) AS cost_micros
   FROM metered_calls
 UNION ALL
 SELECT day, NULL, kind, provider, model, nullif(product, ''), NULL, currency, calls, failed, input_tokens, output_tokens,
        unpriced, cost_micros FROM metered_days) AS metered
"""
_SUMS: Final = """
SELECT {names}sum(calls)::bigint AS calls, sum(failed)::bigint AS failed, sum(input_tokens)::bigint AS input_tokens,
       sum(output_tokens)::bigint AS output_tokens, sum(unpriced)::bigint AS unpriced,
       jsonb_object_agg(currency, cost_micros) FILTER (WHERE currency <> '') AS costs
FROM (SELECT {names}currency, sum(calls) AS calls, sum(failed) AS failed, sum(input_tokens) AS input_tokens,
             sum(output_tokens) AS output_tokens, sum(unpriced) AS unpriced, sum(cost_micros)::bigint AS cost_micros
      FROM {source} WHERE {condition} GROUP BY {names}currency) AS by_currency
{group}
"""


class MeteringLog:
    """Where processes write down what calls used, and where it is summed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, calls: Sequence[MeteredCall], settlements: Sequence[Settlement] = ()) -> None:
        """Raises `Unavailable` when the database is away; the same ones may be recorded again."""
        if calls:
            await self._database.execute(_RECORD, [_call_values(call) for call in calls])
        if settlements:
            await self._database.execute(_SETTLE, [_settled_values(told) for told in settlements])

    async def totals(self) -> Sequence[SpentOn]:
        """Of all processes, ever: they only grow."""
        return [_spent_on(row) for row in await self._database.fetch(_READ_TOTALS)]

    async def spending(self, since: date, until: date, by: Collection[Grouping]) -> Sequence[Spending]:
        """Sums over whole days (UTC), both included, also of those whose single calls are gone."""
        statement = _sums(by, "day BETWEEN $1 AND $2")
        return [_spending(row, by) for row in await self._database.fetch(statement, since, until)]

    async def spending_within(self, window: timedelta, by: Collection[Grouping]) -> Sequence[Spending]:
        """Of the calls in this time until now, by the database's clock."""
        statement = _sums(by, "at > now() - $1::interval")
        return [_spending(row, by) for row in await self._database.fetch(statement, window)]

    async def spent_on(self, subject: str) -> Sequence[Spending]:
        """Of one job (`portrait:<id>`), while its single calls are kept: one sum, or none."""
        found = await self._database.fetch(_sums((), "subject = $1"), subject)
        return [_spending(row, ()) for row in found if row["calls"]]


class PostgresMetering:
    """Fulfils `MeteringRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def sum_up(self, older_than: timedelta, *, limit: int) -> int:
        return int(await self._connection.fetchval(_SUM_UP, older_than, limit))

    async def forget_standings(self) -> None:
        for statement in _FORGET:
            await self._connection.execute(statement)


def _sums(by: Collection[Grouping], condition: str) -> str:
    names = [grouping.value for grouping in Grouping if grouping in by]
    listed = "".join(f"{name}, " for name in names)
    group = f"GROUP BY {', '.join(names)} ORDER BY {', '.join(names)}" if names else ""
    return _SUMS.format(names=listed, source=_ALL, condition=condition, group=group)


def _call_values(call: MeteredCall) -> Mapping[str, Any]:
    usage = call.usage
    return {
        "id": str(call.id),
        "at": call.at.isoformat(),
        "kind": call.kind,
        "provider": call.provider,
        "model": usage.model,
        "operation": call.operation,
        "outcome": call.outcome,
        "seconds": call.seconds,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "pictures": usage.pictures,
        "messages": usage.messages,
        "charge": call.charge.value,
        "reference": call.reference,
        "product": call.product,
        "subject": call.subject,
        **_cost_values(call.cost),
    }


def _settled_values(told: Settlement) -> Mapping[str, Any]:
    return {
        "kind": told.kind,
        "provider": told.provider,
        "reference": told.reference,
        "model": told.usage.model,
        "pictures": told.usage.pictures,
        "charge": told.charge.value,
        **_cost_values(told.cost),
    }


def _cost_values(cost: Cost | None) -> Mapping[str, Any]:
    return {"cost_micros": None, "currency": None} if cost is None else {"cost_micros": cost.micros, "currency": cost.currency}


def _costs(found: Mapping[str, int] | None) -> Sequence[Cost]:
    return [Cost(micros, currency) for currency, micros in sorted((found or {}).items())]


def _spending(row: asyncpg.Record, by: Collection[Grouping]) -> Spending:
    return Spending(
        group={grouping: row[grouping.value] for grouping in Grouping if grouping in by},
        calls=row["calls"] or 0,
        failed=row["failed"] or 0,
        input_tokens=row["input_tokens"] or 0,
        output_tokens=row["output_tokens"] or 0,
        unpriced=row["unpriced"] or 0,
        costs=_costs(row["costs"]),
    )


def _spent_on(row: asyncpg.Record) -> SpentOn:
    return SpentOn(
        row["kind"],
        row["provider"],
        row["model"],
        row["input_tokens"],
        row["output_tokens"],
        row["cached_input_tokens"],
        row["unpriced"],
        _costs(row["costs"]),
    )
