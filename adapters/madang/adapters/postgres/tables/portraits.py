"""Portrait jobs, the care catalogue, and what is left of a job after its purge.

No foreign key stands in the way of a purge: portraits are emptied, not deleted, and payments stay."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
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
    keyed_hash,
    metadata,
    money,
    one_of,
    sealed,
    unsealed,
    words,
)
from madang.core.portraits.model import FailureReason, PictureStatus, PortraitStatus

portraits = Table(
    "portraits",
    metadata,
    key_column(),
    words("account", "who ordered; empty once purged", personal=True),
    words("status"),
    Column("payment_id", Uuid, nullable=False),
    *money(),
    words("locale"),
    words("client_reference", null=True, personal=True),
    sealed("phone", "E.164, encrypted", purpose="portraits.phone"),
    keyed_hash("phone_hash", "keyed hash of the number", of="phone", purpose="portraits.phone"),
    document("photo", null=True, personal=True),
    document("report", null=True, personal=True),
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
        document("full_file", null=True, personal=True),
        document("webp_file", null=True, personal=True),
        document("thumbnail_file", null=True, personal=True),
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
        unsealed("address_hash", "gone with its job within a day", "keyed hash of the network address", personal=True),
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
        words("comment", null=True, personal=True),
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
