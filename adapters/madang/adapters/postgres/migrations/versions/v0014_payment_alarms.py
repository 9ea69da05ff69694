"""Amounts that were told of payments and are not ours.

Revision ID: 0014
Revises: 0013
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "amount_mismatches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="what was told, in the currency's minor unit"),
        sa.Column("currency", sa.Text(), nullable=False, comment="ISO 4217"),
        sa.Column("times", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="told last"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_amount_mismatches_payments", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_amount_mismatches"),
        sa.UniqueConstraint("payment_id", "amount", "currency", name="uq_amount_mismatches_payment_id_amount_currency"),
        comment="Wrong amounts that were told of payments, and not believed",
    )
    op.create_index("ix_amount_mismatches_seen_at", "amount_mismatches", ["seen_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_amount_mismatches_seen_at", table_name="amount_mismatches")
    op.drop_table("amount_mismatches")
