"""What was sent to people and channels, as the provider keeps it: SMS, e-mail, chat and social posts share one table."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from madang.adapters.sandbox.chance import identifier
from madang.adapters.sandbox.gate import NAME
from madang.ports.errors import Rejected


@dataclass(frozen=True, slots=True)
class SentMessage:
    """`channel` is `sms`, `email`, `chat` or `social`; `details` is what only that channel has. Times are Unix seconds."""

    id: str
    key: str
    channel: str
    recipient: str
    text: str
    subject: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    status: str = "delivered"
    sent_at: float = 0.0


def send(connection: sqlite3.Connection, message: SentMessage) -> SentMessage:
    """Send once: the same key and message answer the first one again.

    Raises `Rejected(reason="invalid_request")` for a key that was used for another message.
    """
    earlier = find(connection, message.channel, message.key)
    if earlier is not None:
        _require_same(earlier, message)
        return earlier
    connection.execute(
        "INSERT INTO messages (id, key, channel, recipient, subject, text, details, status, sent_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message.id,
            _scoped(message.channel, message.key),
            message.channel,
            message.recipient,
            message.subject,
            message.text,
            json.dumps(message.details, ensure_ascii=False),
            message.status,
            time.time(),
        ),
    )
    return message


def message_id(channel: str, seed: int, key: str) -> str:
    return identifier(channel, seed, key)


def find(connection: sqlite3.Connection, channel: str, key: str) -> SentMessage | None:
    return _one(connection.execute("SELECT * FROM messages WHERE key = ?", (_scoped(channel, key),)).fetchone())


def get(connection: sqlite3.Connection, channel: str, identity: str) -> SentMessage | None:
    return _one(connection.execute("SELECT * FROM messages WHERE id = ? AND channel = ?", (identity, channel)).fetchone())


def recent(connection: sqlite3.Connection, channel: str, limit: int = 100) -> Sequence[SentMessage]:
    """The newest first."""
    rows = connection.execute(
        "SELECT * FROM messages WHERE channel = ? ORDER BY sent_at DESC, rowid DESC LIMIT ?", (channel, limit)
    )
    return [message for row in rows if (message := _one(row)) is not None]


def set_status(connection: sqlite3.Connection, identity: str, status: str) -> None:
    connection.execute("UPDATE messages SET status = ? WHERE id = ?", (status, identity))


def _scoped(channel: str, key: str) -> str:
    return f"{channel}:{key}"


def _require_same(earlier: SentMessage, message: SentMessage) -> None:
    if (earlier.recipient, earlier.text, earlier.subject) != (message.recipient, message.text, message.subject):
        raise Rejected(
            "this idempotency key was used for another message",
            reason="invalid_request",
            provider=NAME,
            operation=f"{message.channel}.send",
            code="idempotency_key_reused",
        )


def _one(row: sqlite3.Row | None) -> SentMessage | None:
    if row is None:
        return None
    key = str(row["key"]).partition(":")[2]
    details = json.loads(row["details"])
    return SentMessage(
        row["id"], key, row["channel"], row["recipient"], row["text"], row["subject"], details, row["status"], row["sent_at"]
    )
