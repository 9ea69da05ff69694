"""Every table, declared once: what the migrations must lead to, and where a column's meaning is written down.

Only migrations and tests import this module. The statements at run time are plain SQL on asyncpg, so that an API or worker
process carries neither the memory nor the start-up time of SQLAlchemy; the round-trip tests hold the two together.

No foreign key stands in the way of a purge: portraits are emptied, not deleted, and payments stay.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    CHAR,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from madang.core.billing.model import PaymentStatus, RefundStatus
from madang.core.kernel.actions import ActionState
from madang.core.kernel.messages import Lane, MessageState
from madang.core.notifications.model import Channel, NotificationStatus
from madang.core.portraits.model import FailureReason, PictureStatus, PortraitStatus

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

INSTANT: Final = DateTime(timezone=True)


def one_of(column: str, values: Iterable[StrEnum] | Iterable[str]) -> CheckConstraint:
    """The column holds one of the domain's words."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=column)


def key_column(name: str = "id", comment: str | None = None) -> Column[Any]:
    return Column(name, Uuid, primary_key=True, comment=comment)


def instant(name: str, comment: str | None = None, *, null: bool = False, now: bool = False) -> Column[Any]:
    return Column(name, INSTANT, nullable=null, server_default=func.now() if now else None, comment=comment)


def words(name: str, comment: str | None = None, *, null: bool = False, default: str | None = None) -> Column[Any]:
    return Column(name, Text, nullable=null, server_default=default, comment=comment)


def document(name: str, comment: str | None = None, *, null: bool = False) -> Column[Any]:
    return Column(name, JSONB, nullable=null, comment=comment)


def count(name: str, comment: str | None = None) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=text("0"), comment=comment)


def money() -> tuple[Column[Any], Column[Any], CheckConstraint]:
    return (
        Column("amount", BigInteger, nullable=False, comment="in the currency's minor unit"),
        Column("currency", CHAR(3), nullable=False, comment="ISO 4217"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    )


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

payments = Table(
    "payments",
    metadata,
    key_column(),
    words("purpose", "the context that sells"),
    words("subject", "what is bought: portrait:<id>"),
    *money(),
    words("provider"),
    words("status"),
    words("reference", "the provider's own id of the payment", null=True),
    words("checkout_url", null=True),
    document("client_params", "for the provider's browser SDK", null=True),
    Column("refunded", BigInteger, nullable=False, server_default=text("0")),
    instant("paid_at", null=True),
    words("method", null=True),
    words("failure", null=True),
    instant("created_at"),
    instant("updated_at"),
    instant("expires_at"),
    one_of("status", PaymentStatus),
    CheckConstraint("amount >= 0 AND refunded BETWEEN 0 AND amount", name="amount"),
    Index("uq_payments_reference", "provider", "reference", unique=True, postgresql_where=text("reference IS NOT NULL")),
    Index("ix_payments_subject", "subject"),
    Index("ix_payments_open", "expires_at", postgresql_where=text("status IN ('created', 'pending', 'authorised', 'failed')")),
    comment="Purchases; kept after the purge, without the person",
)

refunds = Table(
    "refunds",
    metadata,
    key_column(),
    Column("payment_id", Uuid, nullable=False),
    words("key", "one reason to refund, one refund"),
    *money(),
    words("reason"),
    words("status"),
    words("remote_id", null=True),
    words("failure", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("key"),
    one_of("status", RefundStatus),
    CheckConstraint("amount >= 0", name="amount"),
    ForeignKeyConstraint(["payment_id"], ["payments.id"], deferrable=True, initially="DEFERRED"),
    Index("ix_refunds_payment_id", "payment_id"),
    comment="Money going back",
)

portraits = Table(
    "portraits",
    metadata,
    key_column(),
    words("account", "who ordered; empty once purged"),
    words("status"),
    Column("payment_id", Uuid, nullable=False),
    *money(),
    words("locale"),
    words("client_reference", null=True),
    Column("phone", LargeBinary, comment="E.164, encrypted"),
    Column("phone_hash", LargeBinary, comment="keyed hash of the number"),
    document("photo", null=True),
    document("report", null=True),
    words("failure", null=True),
    instant("created_at"),
    instant("updated_at"),
    instant("expires_at", "nothing personal is left after it"),
    instant("completed_at", null=True),
    instant("purged_at", null=True),
    one_of("status", PortraitStatus),
    one_of("failure", FailureReason),
    CheckConstraint("amount >= 0", name="amount"),
    CheckConstraint(
        "purged_at IS NULL OR (account = '' AND num_nonnulls(client_reference, phone, phone_hash, photo, report) = 0)",
        name="purged",
    ),
    ForeignKeyConstraint(["payment_id"], ["payments.id"], deferrable=True, initially="DEFERRED"),
    Index(
        "uq_portraits_client_reference",
        "account",
        "client_reference",
        unique=True,
        postgresql_where=text("client_reference IS NOT NULL"),
    ),
    Index("uq_portraits_payment_id", "payment_id", unique=True),
    Index("ix_portraits_unpurged", "expires_at", postgresql_where=text("purged_at IS NULL")),
    Index("ix_portraits_processing", "updated_at", postgresql_where=text("status = 'processing'")),
    comment="Portrait jobs",
)


def of_portrait(*columns: Column[Any]) -> tuple[Column[Any] | ForeignKeyConstraint, ...]:
    return (
        Column("portrait_id", Uuid, nullable=False),
        *columns,
        ForeignKeyConstraint(["portrait_id"], ["portraits.id"], ondelete="CASCADE"),
    )


portrait_pictures = Table(
    "portrait_pictures",
    metadata,
    *of_portrait(
        Column("index", SmallInteger, nullable=False),
        Column("seed", BigInteger, nullable=False),
        words("status"),
        words("provider", null=True),
        document("full_file", null=True),
        document("webp_file", null=True),
        document("thumbnail_file", null=True),
    ),
    PrimaryKeyConstraint("portrait_id", "index"),
    one_of("status", PictureStatus),
    CheckConstraint("index >= 0", name="index"),
    comment="The results of a job: one prompt, several seeds",
)

portrait_access_attempts = Table(
    "portrait_access_attempts",
    metadata,
    *of_portrait(
        Column("address_hash", LargeBinary, nullable=False, comment="keyed hash of the network address"),
        count("failures"),
        instant("blocked_until", null=True),
    ),
    PrimaryKeyConstraint("portrait_id", "address_hash"),
    comment="Wrong phone numbers, by job and address",
)

portrait_surveys = Table(
    "portrait_surveys",
    metadata,
    *of_portrait(
        Column("score", SmallInteger, nullable=False),
        words("comment", null=True),
        instant("created_at"),
    ),
    PrimaryKeyConstraint("portrait_id"),
    CheckConstraint("score BETWEEN 1 AND 5", name="score"),
    comment="What buyers said, once a job",
)

knowledge_base = Table(
    "knowledge_base",
    metadata,
    Column("code", Text, primary_key=True),
    words("category"),
    words("title_ko"),
    words("title_en"),
    words("description_ko"),
    words("description_en"),
    Column("weeks_min", Integer, nullable=False),
    Column("weeks_max", Integer, nullable=False),
    Column("cost_min", BigInteger, nullable=False, comment="whole won"),
    Column("cost_max", BigInteger, nullable=False, comment="whole won"),
    CheckConstraint("0 <= weeks_min AND weeks_min <= weeks_max", name="weeks"),
    CheckConstraint("0 <= cost_min AND cost_min <= cost_max", name="cost"),
    Index("ix_knowledge_base_category", "category", "code"),
    comment="The care catalogue",
)

notifications = Table(
    "notifications",
    metadata,
    key_column(),
    words("key", "one reason to write, one message"),
    words("channel"),
    words("template"),
    words("subject"),
    words("status"),
    Column("recipient", LargeBinary, comment="encrypted; empty once purged"),
    Column("text", LargeBinary, comment="encrypted; empty once purged"),
    words("provider", null=True),
    words("receipt_id", null=True),
    words("failure", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("key"),
    one_of("channel", Channel),
    one_of("status", NotificationStatus),
    Index("ix_notifications_subject", "subject"),
    comment="Messages to people, and what became of them",
)

deletion_receipts = Table(
    "deletion_receipts",
    metadata,
    key_column(),
    words("subject"),
    instant("due_at"),
    instant("deleted_at"),
    document("objects", "keys and SHA-256 of what was deleted from the storage"),
    document("row_counts", "rows removed or emptied, by table"),
    words("digest", "SHA-256 of the rest"),
    instant("verified_at", null=True),
    UniqueConstraint("subject"),
    comment="What was deleted, when, and its hashes",
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    words("scope", "who asks and what for"),
    words("key"),
    Column("body_hash", LargeBinary, nullable=False),
    Column("subject_id", Uuid, nullable=False, comment="the same for every try of the key"),
    count("claims"),
    instant("lease_until", "a claimant that died frees the key by then"),
    instant("expires_at"),
    Column("status", SmallInteger, comment="of the kept answer; null while in progress"),
    words("media_type", null=True),
    Column("body", LargeBinary, comment="encrypted"),
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
