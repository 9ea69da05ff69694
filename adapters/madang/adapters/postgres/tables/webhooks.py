"""Webhooks to clients: where to, and what became of each."""

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Integer, Table, UniqueConstraint, Uuid, text

from madang.adapters.postgres.tables.schema import count, document, instant, key_column, metadata, one_of, person, sealed, words
from madang.core.webhooks.model import (
    DESCRIPTION_PURPOSE,
    PREVIOUS_SECRET_PURPOSE,
    SECRET_PURPOSE,
    URL_PURPOSE,
    DeliveryStatus,
    DisabledBecause,
    EndpointStatus,
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    key_column(),
    person(),
    sealed("url", purpose=URL_PURPOSE, null=False),
    sealed("description", purpose=DESCRIPTION_PURPOSE),
    document("event_types", "empty: all"),
    words("status"),
    words("disabled_because", null=True),
    sealed("secret", purpose=SECRET_PURPOSE, null=False),
    sealed("previous_secret", purpose=PREVIOUS_SECRET_PURPOSE),
    instant("previous_secret_until", "deliveries are signed under both until then", null=True),
    Column("rotation", Uuid, comment="the last rotation: a repeated request finds it done"),
    instant("failing_since", "nothing was taken since then", null=True),
    instant("created_at"),
    instant("updated_at"),
    one_of("status", EndpointStatus),
    one_of("disabled_because", DisabledBecause),
    CheckConstraint("(status = 'disabled') = (disabled_because IS NOT NULL)", name="disabled"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    Index("ix_webhook_endpoints_user_id", "user_id", "id"),
    comment="Where clients want to be told",
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    key_column(),
    Column("endpoint_id", Uuid, nullable=False),
    person(),
    Column("event_id", Uuid, nullable=False, comment="what the receiver sees as webhook-id"),
    words("event_type"),
    document("data", "ids, states and amounts, no personal data"),
    instant("occurred_at"),
    words("status"),
    Column("run", Uuid, nullable=False, comment="the series of tries: messages of an older one are dropped"),
    count("attempts"),
    instant("next_attempt_at", null=True),
    Column("response_status", Integer),
    Column("duration_ms", Integer),
    words("failure", null=True),
    instant("created_at"),
    instant("updated_at"),
    one_of("status", DeliveryStatus),
    CheckConstraint("(status = 'pending') = (next_attempt_at IS NOT NULL)", name="next"),
    UniqueConstraint("endpoint_id", "event_id"),
    ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.id"], ondelete="CASCADE"),
    Index("ix_webhook_deliveries_endpoint_id", "endpoint_id", "id"),
    Index("ix_webhook_deliveries_user_id", "user_id", "id"),
    Index("ix_webhook_deliveries_created_at", "created_at", postgresql_where=text("status <> 'pending'")),
    comment="Each event for each endpoint, and what became of it",
)
