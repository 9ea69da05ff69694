"""What buyers' banks asked back, and of which country a means of payment is.

Revision ID: 0016
Revises: 0015
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "payments",
        sa.Column(
            "method_country", sa.Text(), nullable=True, comment="of the means of payment, as its provider says: ISO 3166-1"
        ),
    )
    op.create_table(
        "payment_disputes",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="by lost ones, in the minor unit"
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('open', 'won', 'lost', 'refunded', 'reversed')", name="ck_payment_disputes_status"),
        sa.CheckConstraint("taken >= 0", name="ck_payment_disputes_taken"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_payment_disputes_payments", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("payment_id", name="pk_payment_disputes"),
        comment="What buyers' banks asked back, as it stands last",
    )


def downgrade() -> None:
    op.drop_table("payment_disputes")
    op.drop_column("payments", "method_country")
