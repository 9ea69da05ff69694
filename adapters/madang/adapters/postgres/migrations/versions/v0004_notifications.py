"""Notifications by every channel, what users want of them, and addresses that want none.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHANNELS = "channel IN ('sms', 'email', 'chat')"
STATUSES = "status IN ('queued', 'sent', 'delivered', 'failed', 'unknown', 'withheld')"


def upgrade() -> None:
    op.create_table(
        "email_suppressions",
        sa.Column("address_hash", sa.LargeBinary(), nullable=False, comment="keyed hash of the address in lower case"),
        sa.Column("address", sa.LargeBinary(), nullable=False, comment="encrypted"),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address_hash", name="pk_email_suppressions"),
        comment="Addresses that refused a letter for good, or whose reader called one unwanted",
    )
    op.create_index("ix_email_suppressions_user_id", "email_suppressions", ["user_id"], unique=False)
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "chosen",
            JSONB(),
            nullable=False,
            comment="channels by category, the best first; what is not in it is as the defaults say",
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_notification_preferences"),
        comment="By which channels each user wants what",
    )
    op.add_column("notifications", sa.Column("user_id", sa.Uuid(), nullable=True))
    op.add_column(
        "notifications",
        sa.Column(
            "content",
            sa.LargeBinary(),
            nullable=True,
            comment="encrypted: what fills the templates; empty once it has arrived",
        ),
    )
    op.add_column(
        "notifications",
        sa.Column(
            "keeps_nothing",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="recipient and text go as soon as nothing is to be sent any more",
        ),
    )
    op.alter_column("notifications", "channel", existing_type=sa.TEXT(), nullable=True, comment="null until it is decided")
    op.alter_column(
        "notifications",
        "text",
        existing_type=sa.LargeBinary(),
        comment="encrypted; empty once it has arrived or was purged",
        existing_comment="encrypted; empty once purged",
        existing_nullable=True,
    )
    _let("channel", CHANNELS)
    _let("status", STATUSES)
    op.create_check_constraint("ck_notifications_addressed", "notifications", "text IS NULL OR channel IS NOT NULL")
    op.create_index("ix_notifications_created_at", "notifications", ["created_at"], unique=False)
    op.create_index(
        "ix_notifications_receipt_id",
        "notifications",
        ["provider", "receipt_id"],
        unique=False,
        postgresql_where=sa.text("receipt_id IS NOT NULL"),
    )
    op.create_index(
        "ix_notifications_user_id",
        "notifications",
        ["user_id", "id"],
        unique=False,
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )


def downgrade() -> None:
    """What the release before cannot hold goes: it sent SMS only."""
    op.execute("DELETE FROM notifications WHERE channel IS DISTINCT FROM 'sms'")
    op.execute("UPDATE notifications SET status = 'sent' WHERE status = 'delivered'")
    op.execute("UPDATE notifications SET status = 'failed' WHERE status = 'withheld'")
    op.drop_constraint("ck_notifications_addressed", "notifications", type_="check")
    _let("channel", "channel IN ('sms')")
    _let("status", "status IN ('queued', 'sent', 'failed', 'unknown')")
    op.drop_index("ix_notifications_user_id", table_name="notifications", postgresql_where=sa.text("user_id IS NOT NULL"))
    op.drop_index("ix_notifications_receipt_id", table_name="notifications", postgresql_where=sa.text("receipt_id IS NOT NULL"))
    op.drop_index("ix_notifications_created_at", table_name="notifications")
    op.alter_column(
        "notifications",
        "text",
        existing_type=sa.LargeBinary(),
        comment="encrypted; empty once purged",
        existing_comment="encrypted; empty once it has arrived or was purged",
        existing_nullable=True,
    )
    op.alter_column(
        "notifications",
        "channel",
        existing_type=sa.TEXT(),
        nullable=False,
        comment=None,
        existing_comment="null until it is decided",
    )
    op.drop_column("notifications", "keeps_nothing")
    op.drop_column("notifications", "content")
    op.drop_column("notifications", "user_id")
    op.drop_table("notification_preferences")
    op.drop_index("ix_email_suppressions_user_id", table_name="email_suppressions")
    op.drop_table("email_suppressions")


def _let(column: str, condition: str) -> None:
    op.drop_constraint(f"ck_notifications_{column}", "notifications", type_="check")
    op.create_check_constraint(f"ck_notifications_{column}", "notifications", condition)
