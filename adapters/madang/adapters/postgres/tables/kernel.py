"""What every context stands on: outbox, actions, inbox, kept answers, signs of life."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from madang.adapters.postgres.tables.schema import (
    count,
    document,
    instant,
    key_column,
    metadata,
    one_of,
    sealed,
    unsealed,
    words,
)
from madang.core.kernel.actions import ActionState
from madang.core.kernel.messages import Lane, MessageState

messages = Table(
    "messages",
    metadata,
    key_column(),
    words("topic"),
    words("lane"),
    document("payload", "ids, no personal data"),
    words("key", "unique while the row is kept: a second message with it is dropped", null=True),
    words("subject", "what it is about: portrait:<id>", null=True),
    words("state"),
    instant("due_at", now=True),
    count("attempts", "claims so far"),
    count("failures", "tries that ended in an error"),
    instant("lease_until", null=True),
    Column("lease_token", BigInteger, nullable=False, server_default=text("0"), comment="the fence: grows with every claim"),
    words("worker", null=True),
    document("last_failure", null=True),
    words("request_id", default=""),
    instant("created_at", now=True),
    instant("done_at", null=True),
    one_of("lane", Lane),
    one_of("state", MessageState),
    CheckConstraint("(state = 'leased') = (lease_until IS NOT NULL)", name="lease"),
    CheckConstraint("attempts >= 0 AND failures >= 0", name="counts"),
    Index("uq_messages_key", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
    Index("ix_messages_due", "lane", "due_at", "id", postgresql_where=text("state = 'waiting'")),
    Index("ix_messages_leased", "lane", "lease_until", postgresql_where=text("state = 'leased'")),
    Index("ix_messages_dead", "created_at", postgresql_where=text("state = 'dead'")),
    Index("ix_messages_done", "done_at", postgresql_where=text("state = 'done' AND key IS NULL")),
    Index("ix_messages_done_keyed", "done_at", postgresql_where=text("state = 'done' AND key IS NOT NULL")),
    Index("ix_messages_subject", "subject", postgresql_where=text("state IN ('waiting', 'leased') AND subject IS NOT NULL")),
    comment="The outbox: what must follow a commit, due until the row says done",
    postgresql_with={"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_insert_scale_factor": "0.05"},
)


actions = Table(
    "actions",
    metadata,
    key_column(),
    words("key", "what the provider gets as idempotency key"),
    words("kind"),
    words("provider"),
    words("subject", null=True),
    words("state"),
    document("result", null=True),
    document("failure", null=True),
    count("tries"),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("key"),
    one_of("state", ActionState),
    CheckConstraint("tries >= 0", name="tries"),
    Index("ix_actions_subject", "subject", postgresql_where=text("subject IS NOT NULL")),
    Index("ix_actions_open", "state", "updated_at", postgresql_where=text("state IN ('queued', 'running', 'unknown')")),
    comment="Effects outside that cannot be undone: intent before, outcome after",
)


inbox = Table(
    "inbox",
    metadata,
    key_column(),
    words("provider"),
    words("event_id", "the provider's own"),
    words("kind"),
    document("notice", "what the adapter read from the verified webhook"),
    instant("received_at"),
    instant("handled_at", null=True),
    words("outcome", null=True),
    UniqueConstraint("provider", "event_id"),
    Index("ix_inbox_unhandled", "received_at", postgresql_where=text("handled_at IS NULL")),
    comment="What providers told us, each once",
)


idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    words("scope", "who asks and what for", personal=True),
    words("key"),
    unsealed("body_hash", "a keyed hash, compared for a day at most, also under older keys"),
    Column("subject_id", Uuid, nullable=False, comment="the same for every try of the key"),
    count("claims"),
    instant("lease_until", "a claimant that died frees the key by then"),
    instant("expires_at"),
    Column("status", SmallInteger, comment="of the kept answer; null while in progress"),
    words("media_type", null=True),
    sealed("body", purpose="idempotency.body"),
    PrimaryKeyConstraint("scope", "key"),
    CheckConstraint("num_nonnulls(status, media_type, body) IN (0, 3)", name="answer"),
    Index("ix_idempotency_keys_expires_at", "expires_at"),
    comment="Answers kept by idempotency key",
)


heartbeats = Table(
    "heartbeats",
    metadata,
    Column("process_id", Text, primary_key=True),
    words("kind", "api, worker, relay"),
    words("host"),
    document("details"),
    instant("started_at", now=True),
    instant("beat_at", now=True),
    Index("ix_heartbeats_beat_at", "kind", "beat_at"),
    comment="Which processes run, and when each was last heard",
)
