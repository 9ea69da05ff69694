"""Our own webhooks to clients.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.LargeBinary(), nullable=False, comment="encrypted"),
        sa.Column("description", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column("event_types", JSONB(), nullable=False, comment="empty: all"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("disabled_because", sa.Text(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="encrypted"),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column(
            "previous_secret_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="deliveries are signed under both until then",
        ),
        sa.Column("rotation", sa.Uuid(), nullable=True, comment="the last rotation: a repeated request finds it done"),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True, comment="nothing was taken since then"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(status = 'disabled') = (disabled_because IS NOT NULL)", name="ck_webhook_endpoints_disabled"),
        sa.CheckConstraint("disabled_because IN ('owner', 'failing', 'gone')", name="ck_webhook_endpoints_disabled_because"),
        sa.CheckConstraint("status IN ('active', 'disabled')", name="ck_webhook_endpoints_status"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_webhook_endpoints_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_endpoints"),
        comment="Where clients want to be told",
    )
    op.create_index("ix_webhook_endpoints_user_id", "webhook_endpoints", ["user_id", "id"], unique=False)
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False, comment="what the receiver sees as webhook-id"),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("data", JSONB(), nullable=False, comment="ids, states and amounts, no personal data"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("run", sa.Uuid(), nullable=False, comment="the series of tries: messages of an older one are dropped"),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(status = 'pending') = (next_attempt_at IS NOT NULL)", name="ck_webhook_deliveries_next"),
        sa.CheckConstraint("status IN ('pending', 'delivered', 'failed', 'cancelled')", name="ck_webhook_deliveries_status"),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name="fk_webhook_deliveries_webhook_endpoints", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.UniqueConstraint("endpoint_id", "event_id", name="uq_webhook_deliveries_endpoint_id_event_id"),
        comment="Each event for each endpoint, and what became of it",
    )
    op.create_index(
        "ix_webhook_deliveries_created_at",
        "webhook_deliveries",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("status <> 'pending'"),
    )
    op.create_index("ix_webhook_deliveries_endpoint_id", "webhook_deliveries", ["endpoint_id", "id"], unique=False)
    op.create_index("ix_webhook_deliveries_user_id", "webhook_deliveries", ["user_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_webhook_deliveries_user_id", table_name="webhook_deliveries")
    op.drop_index("ix_webhook_deliveries_endpoint_id", table_name="webhook_deliveries")
    op.drop_index(
        "ix_webhook_deliveries_created_at", table_name="webhook_deliveries", postgresql_where=sa.text("status <> 'pending'")
    )
    op.drop_table("webhook_deliveries")
    op.drop_index("ix_webhook_endpoints_user_id", table_name="webhook_endpoints")
    op.drop_table("webhook_endpoints")
