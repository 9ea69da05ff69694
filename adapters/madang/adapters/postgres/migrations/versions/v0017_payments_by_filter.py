"""A provider's payments, and those of a status, in the order in which administrators page through them.

Revision ID: 0017
Revises: 0016
Create Date: 2026-11-21
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_payments_provider_id", "payments", ["provider", "id"], unique=False)
    op.create_index("ix_payments_status_id", "payments", ["status", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_payments_status_id", table_name="payments")
    op.drop_index("ix_payments_provider_id", table_name="payments")
