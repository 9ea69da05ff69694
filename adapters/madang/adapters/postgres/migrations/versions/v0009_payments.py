"""Payments know their buyer and their lines, and keep every try.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="counted within the payment, from 1"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False, comment="checkout, confirm, capture or charge"),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, or what became of it"),
        sa.Column("reference", sa.Text(), nullable=True, comment="the provider's own id of this try"),
        sa.Column("code", sa.Text(), nullable=True, comment="the provider's own word for a failure"),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("operation IN ('checkout', 'confirm', 'capture', 'charge')", name="ck_payment_attempts_operation"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_payment_attempts_payments", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment_attempts"),
        sa.UniqueConstraint("payment_id", "number", name="uq_payment_attempts_payment_id_number"),
        comment="Every try to be paid",
    )
    op.add_column("payments", sa.Column("user_id", sa.Uuid(), nullable=True, comment="the buyer, where it has an account"))
    op.add_column("payments", sa.Column("country", sa.Text(), nullable=True, comment="ISO 3166-1 alpha-2"))
    op.add_column("payments", sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column(
        "payments",
        sa.Column("lines", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False, comment="what an invoice says"),
    )
    op.add_column(
        "payments", sa.Column("client_reference", sa.Text(), nullable=True, comment="the caller's own, unique for each account")
    )
    op.add_column("payments", sa.Column("tax", sa.BigInteger(), nullable=True, comment="what a merchant of record put on top"))
    op.add_column("payments", sa.Column("locale", sa.Text(), server_default=sa.text("'ko'"), nullable=False))
    op.create_index(
        "ix_payments_user_id",
        "payments",
        ["user_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_index(
        "uq_payments_client_reference",
        "payments",
        ["user_id", "client_reference"],
        unique=True,
        postgresql_where=sa.text("client_reference IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_payments_client_reference", table_name="payments", postgresql_where=sa.text("client_reference IS NOT NULL")
    )
    op.drop_index("ix_payments_user_id", table_name="payments", postgresql_where=sa.text("user_id IS NOT NULL"))
    op.drop_column("payments", "locale")
    op.drop_column("payments", "tax")
    op.drop_column("payments", "client_reference")
    op.drop_column("payments", "lines")
    op.drop_column("payments", "description")
    op.drop_column("payments", "country")
    op.drop_column("payments", "user_id")
    op.drop_table("payment_attempts")
