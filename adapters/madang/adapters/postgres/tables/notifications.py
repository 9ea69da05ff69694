"""Messages to people."""

from sqlalchemy import Index, Table, UniqueConstraint

from madang.adapters.postgres.tables.schema import instant, key_column, metadata, one_of, sealed, words
from madang.core.notifications.model import Channel, NotificationStatus

notifications = Table(
    "notifications",
    metadata,
    key_column(),
    words("key", "one reason to write, one message"),
    words("channel"),
    words("template"),
    words("subject"),
    words("status"),
    sealed("recipient", "encrypted; empty once purged", purpose="notifications.recipient"),
    sealed("text", "encrypted; empty once purged", purpose="notifications.text"),
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
