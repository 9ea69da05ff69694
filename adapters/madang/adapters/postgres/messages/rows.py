"""A message's row as operators see it."""

import asyncpg

from madang.core.kernel.messages import Failure, Lane, MessageState
from madang.core.kernel.outbox import MessageRow


def message_row(row: asyncpg.Record) -> MessageRow:
    failure = row["last_failure"]
    return MessageRow(
        id=row["id"],
        topic=row["topic"],
        lane=Lane(row["lane"]),
        state=MessageState(row["state"]),
        subject=row["subject"],
        attempts=row["attempts"],
        failures=row["failures"],
        due_at=row["due_at"],
        created_at=row["created_at"],
        lease_until=row["lease_until"],
        last_failure=None if failure is None else Failure(**failure),
        request_id=row["request_id"],
    )
