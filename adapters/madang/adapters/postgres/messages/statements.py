"""The outbox's statements, as PostgreSQL gets them.

`now()` is the statement's time (each is a transaction of its own, or the last one before its commit) and, unlike
`clock_timestamp()`, can be looked up in an index.
"""
# ruff: noqa: S608 – put together from constants of this module

from typing import Final
from uuid import UUID

CHANNEL: Final = "madang_messages"

_MESSAGE: Final = "m.id, m.topic, m.payload, m.attempts, m.failures, m.request_id, m.subject, m.key, m.lease_token"
_ROW: Final = "id, topic, lane, state, subject, attempts, failures, due_at, created_at, lease_until, last_failure, request_id"
_OURS: Final = "id = $1 AND lease_token = $2 AND state = 'leased'"
_GIVEN: Final = "unnest($1::uuid[], $2::bigint[]) AS given (id, token)"
_STILL_OURS: Final = "m.id = given.id AND m.lease_token = given.token AND m.state = 'leased'"

DUE: Final = """
    (SELECT id, attempts, lease_until AS since FROM messages
      WHERE lane = $1 AND state = 'leased' AND lease_until <= now() ORDER BY lease_until LIMIT $2)
    UNION ALL
    (SELECT id, attempts, due_at AS since FROM messages
      WHERE lane = $1 AND state = 'waiting' AND due_at <= now() ORDER BY due_at, id LIMIT $2)
    ORDER BY since LIMIT $2
"""

SECONDS_TO_NEXT: Final = """
    SELECT extract(epoch FROM min(least(
        (SELECT due_at FROM messages WHERE lane = lanes.lane AND state = 'waiting' ORDER BY due_at, id LIMIT 1),
        (SELECT lease_until FROM messages WHERE lane = lanes.lane AND state = 'leased' ORDER BY lease_until LIMIT 1)
    )) - clock_timestamp()) AS seconds
    FROM (VALUES ('short'), ('long')) AS lanes (lane)
"""

CLAIM: Final = f"""
    WITH abandoned AS MATERIALIZED (
        SELECT id FROM messages WHERE lane = $1 AND state = 'leased' AND lease_until <= now()
        ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED),
    waiting AS MATERIALIZED (
        SELECT id FROM messages WHERE lane = $1 AND state = 'waiting' AND due_at <= now()
        ORDER BY due_at, id LIMIT greatest($2 - (SELECT count(*) FROM abandoned), 0) FOR UPDATE SKIP LOCKED),
    due AS (SELECT id FROM abandoned UNION ALL SELECT id FROM waiting)
    UPDATE messages AS m
       SET state = 'leased', attempts = m.attempts + 1, lease_token = m.lease_token + 1,
           lease_until = now() + $4::interval, worker = $3
      FROM due WHERE m.id = due.id
    RETURNING {_MESSAGE}
"""

CLAIM_ONE: Final = f"""
    WITH due AS MATERIALIZED (
        SELECT id FROM messages
        WHERE id = $1 AND ((state = 'waiting' AND due_at <= now()) OR (state = 'leased' AND lease_until <= now()))
        FOR UPDATE SKIP LOCKED)
    UPDATE messages AS m
       SET state = 'leased', attempts = m.attempts + 1, lease_token = m.lease_token + 1,
           lease_until = now() + $3::interval, worker = $2
      FROM due WHERE m.id = due.id
    RETURNING {_MESSAGE}
"""

EXTEND: Final = f"""
    WITH given AS MATERIALIZED (SELECT * FROM {_GIVEN}),
    free AS MATERIALIZED (
        SELECT m.id FROM messages AS m JOIN given ON {_STILL_OURS} FOR NO KEY UPDATE OF m SKIP LOCKED),
    prolonged AS (
        UPDATE messages AS m SET lease_until = now() + $3::interval FROM free WHERE m.id = free.id)
    SELECT given.id FROM given LEFT JOIN messages AS m ON {_STILL_OURS} WHERE m.id IS NULL
"""
"""A row that is locked just now is being committed by ourselves, or claimed by another: it is left to the next beat, since
waiting for it could make two workers wait for one another."""

CHECK_LEASE: Final = f"SELECT id FROM messages WHERE {_OURS} FOR NO KEY UPDATE"

FINISH: Final = f"""
    UPDATE messages SET state = 'done', done_at = now(), lease_until = NULL WHERE {_OURS} RETURNING id
"""

FINISH_ALL: Final = f"""
    WITH finished AS (
        UPDATE messages AS m SET state = 'done', done_at = now(), lease_until = NULL
          FROM {_GIVEN} WHERE {_STILL_OURS} RETURNING m.id)
    SELECT count(*) FROM finished
"""

BURY: Final = f"""
    UPDATE messages SET state = 'dead', lease_until = NULL, failures = failures + 1, last_failure = $3::jsonb
     WHERE {_OURS} RETURNING id
"""

_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', '') FROM changed LIMIT 1"

PUT_BACK: Final = f"""
    WITH changed AS (
        UPDATE messages SET state = 'waiting', due_at = now() + $3::interval, lease_until = NULL,
               failures = failures + 1, last_failure = $4::jsonb
         WHERE {_OURS} RETURNING id)
    {_NOTIFY}
"""

GIVE_BACK: Final = f"""
    WITH changed AS (
        UPDATE messages AS m SET state = 'waiting', due_at = now(), lease_until = NULL, attempts = m.attempts - 1
          FROM {_GIVEN} WHERE {_STILL_OURS} RETURNING m.id)
    {_NOTIFY}
"""

REVIVE: Final = f"""
    WITH changed AS (
        UPDATE messages SET state = 'waiting', due_at = now(), attempts = 0, failures = 0
         WHERE id = $1 AND state IN ('dead', 'waiting') RETURNING id)
    {_NOTIFY}
"""

GET: Final = f"SELECT {_ROW} FROM messages WHERE id = $1"

PRUNE: Final = """
    WITH plain AS MATERIALIZED (
        SELECT id FROM messages WHERE state = 'done' AND key IS NULL AND done_at < now() - $1::interval
        ORDER BY done_at LIMIT $3 FOR UPDATE SKIP LOCKED),
    keyed AS MATERIALIZED (
        SELECT id FROM messages WHERE state = 'done' AND key IS NOT NULL AND done_at < now() - $2::interval
        ORDER BY done_at LIMIT greatest($3 - (SELECT count(*) FROM plain), 0) FOR UPDATE SKIP LOCKED)
    DELETE FROM messages WHERE id IN (SELECT id FROM plain UNION ALL SELECT id FROM keyed)
    RETURNING id
"""


def listing(state: str | None, topic: str | None, limit: int, *, before: UUID | None = None) -> tuple[str, list[object]]:
    """The newest messages, or those older than `before`; a condition for what is given only, so that each form can use its
    index. Ids are UUIDv7: their order is the order in which the messages were made."""
    values: list[object] = [limit]
    conditions: list[str] = []
    for condition, value in (("state =", state), ("topic =", topic), ("id <", before)):
        if value is not None:
            values.append(value)
            conditions.append(f"{condition} ${len(values)}")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {_ROW} FROM messages {where} ORDER BY id DESC LIMIT $1", values
