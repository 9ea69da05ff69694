"""Messages on their way into the outbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

import msgspec

from madang.adapters.postgres.database import Connection
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Lane, NewMessage, Topic
from madang.core.kernel.tracing import current

CHANNEL: Final = "madang_messages"
"""What a relay listens on: notified by the commit that brings work, also work that is due later."""
TRACEPARENT: Final = "$traceparent"

_WRITE: Final = """
WITH written AS (
    INSERT INTO messages (id, topic, lane, payload, key, subject, state, due_at, request_id)
    SELECT new.id, new.topic, new.lane, new.payload::jsonb, new.key, new.subject, 'waiting', coalesce(new.due_at, now()), $8
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
        AS new (id, topic, lane, payload, key, subject, due_at)
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT pg_notify($9, '') FROM written LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    id: UUID
    topic: str
    lane: Lane
    payload: str
    key: str | None
    subject: str | None
    due_at: datetime | None

    @classmethod
    def of(cls, message: NewMessage, topics: Mapping[str, Topic]) -> Self:
        """Raises `LookupError` for a topic that nobody handles: its message would never be done."""
        topic = topics.get(message.topic)
        if topic is None:
            known = ", ".join(sorted(topics)) or "none"
            raise LookupError(f"no handler declares the topic {message.topic!r}; declared are: {known}")
        payload = msgspec.json.encode(_with_trace(message.payload)).decode()
        return cls(new_id(), topic.name, topic.lane, payload, message.key, message.subject, message.due_at)


def _with_trace(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The open span's `traceparent` travels in the payload, and is taken out before a handler sees it."""
    span = current.get()
    return payload if span is None else {**payload, TRACEPARENT: span.traceparent}


async def write_messages(connection: Connection, messages: Sequence[Outgoing], request_id: str) -> None:
    """One statement for all; those whose key is taken are dropped. In the order of their keys, so that two units that write
    the same keys wait for each other and do not deadlock."""
    if not messages:
        return
    rows = sorted(messages, key=lambda message: message.key or "")
    await connection.fetch(
        _WRITE,
        [row.id for row in rows],
        [row.topic for row in rows],
        [row.lane.value for row in rows],
        [row.payload for row in rows],
        [row.key for row in rows],
        [row.subject for row in rows],
        [row.due_at for row in rows],
        request_id,
        CHANNEL,
    )
