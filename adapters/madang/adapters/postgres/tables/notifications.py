"""Messages to people, what they want of them, and where none go any more."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from madang.adapters.postgres.tables.schema import (
    PERSONAL,
    document,
    instant,
    key_column,
    keyed_hash,
    metadata,
    one_of,
    person,
    sealed,
    words,
)
from madang.core.notifications.model import Channel, NotificationStatus

notifications = Table(
    "notifications",
    metadata,
    key_column(),
    words("key", "one reason to write, one message"),
    words("channel", "null until it is decided", null=True),
    words("template"),
    words("subject"),
    words("status"),
    sealed("recipient", "encrypted; empty once purged", purpose="notifications.recipient"),
    sealed("text", "encrypted; empty once it has arrived or was purged", purpose="notifications.text"),
    words("provider", null=True),
    words("receipt_id", null=True),
    words("failure", null=True),
    instant("created_at"),
    instant("updated_at"),
    person(null=True),
    sealed("content", "encrypted: what fills the templates; empty once it has arrived", purpose="notifications.content"),
    Column(
        "keeps_nothing",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="recipient and text go as soon as nothing is to be sent any more",
    ),
    UniqueConstraint("key"),
    one_of("channel", Channel),
    one_of("status", NotificationStatus),
    CheckConstraint("text IS NULL OR channel IS NOT NULL", name="addressed"),
    Index("ix_notifications_subject", "subject"),
    Index("ix_notifications_user_id", "user_id", "id", postgresql_where=text("user_id IS NOT NULL")),
    Index("ix_notifications_receipt_id", "provider", "receipt_id", postgresql_where=text("receipt_id IS NOT NULL")),
    Index("ix_notifications_created_at", "created_at"),
    comment="Messages to people, and what became of them",
)

notification_preferences = Table(
    "notification_preferences",
    metadata,
    Column("user_id", Uuid, primary_key=True, info=PERSONAL),
    document("chosen", "channels by category, the best first; what is not in it is as the defaults say", personal=True),
    Column("version", Integer, nullable=False),
    instant("updated_at"),
    comment="By which channels each user wants what",
)

email_suppressions = Table(
    "email_suppressions",
    metadata,
    keyed_hash(
        "address_hash",
        "keyed hash of the address in lower case",
        of="address",
        purpose="notifications.suppressed_hash",
        null=False,
    ),
    sealed("address", purpose="notifications.suppressed_address", null=False),
    person(),
    words("reason"),
    instant("created_at"),
    PrimaryKeyConstraint("address_hash"),
    Index("ix_email_suppressions_user_id", "user_id"),
    comment="Addresses that refused a letter for good, or whose reader called one unwanted",
)
