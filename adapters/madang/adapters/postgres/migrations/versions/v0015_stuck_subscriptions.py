"""Subscriptions that are stuck, and a provider's payments in the order of time.

Revision ID: 0015
Revises: 0014
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_payments_provider_created_at", "payments", ["provider", "created_at", "id"], unique=False)
    op.add_column(
        "subscriptions",
        sa.Column("stuck_since", sa.DateTime(timezone=True), nullable=True, comment="what is due could not be done since then"),
    )
    op.create_index(
        "ix_subscriptions_stuck_since",
        "subscriptions",
        ["stuck_since"],
        unique=False,
        postgresql_where=sa.text("stuck_since IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_subscriptions_stuck_since", table_name="subscriptions", postgresql_where=sa.text("stuck_since IS NOT NULL")
    )
    op.drop_column("subscriptions", "stuck_since")
    op.drop_index("ix_payments_provider_created_at", table_name="payments")
