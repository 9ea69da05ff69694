"""When a dispute that was won after it was lost was answered.

Revision ID: 0018
Revises: 0017
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "payment_disputes",
        sa.Column(
            "answered_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="of a reversed one: granted again, or seen to by a person",
        ),
    )
    op.create_index(
        "ix_payment_disputes_waiting",
        "payment_disputes",
        ["changed_at"],
        unique=False,
        postgresql_where=sa.text("status = 'reversed' AND answered_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_payment_disputes_waiting", table_name="payment_disputes")
    op.drop_column("payment_disputes", "answered_at")
