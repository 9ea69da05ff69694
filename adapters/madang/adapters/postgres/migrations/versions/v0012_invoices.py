"""Invoices, receipts and credit notes.

Revision ID: 0012
Revises: 0011
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_IMMUTABLE = """
CREATE FUNCTION refuse_to_change_invoices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND to_jsonb(NEW) - '{user_id,buyer_name,buyer_email}'::text[]
            = to_jsonb(OLD) - '{user_id,buyer_name,buyer_email}'::text[]
        AND (NEW.user_id IS NULL OR NEW.user_id IS NOT DISTINCT FROM OLD.user_id)
        AND (NEW.buyer_name IS NULL OR OLD.buyer_name IS NOT NULL)
        AND (NEW.buyer_email IS NULL OR OLD.buyer_email IS NOT NULL)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an issued invoice does not change' USING ERRCODE = 'insufficient_privilege';
END $$
"""
"""The buyer may be forgotten, and sealed anew under another key."""
_TRIGGER = (
    "CREATE TRIGGER invoices_rows BEFORE UPDATE OR DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION refuse_to_change_invoices()"
)


def upgrade() -> None:
    op.create_table(
        "invoice_series",
        sa.Column("series", sa.Text(), nullable=False, comment="INV-2026"),
        sa.Column("last", sa.BigInteger(), nullable=False, comment="the number that was given last"),
        sa.CheckConstraint("last > 0", name="ck_invoice_series_last"),
        sa.PrimaryKeyConstraint("series", name="pk_invoice_series"),
        comment="The counters of documents: a row is locked from taking a number until its document is committed",
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="counted within the series, from 1, without gaps"),
        sa.Column("number", sa.Text(), nullable=False, comment="INV-2026-000001"),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("credited_id", sa.Uuid(), nullable=True, comment="the invoice that a credit note corrects"),
        sa.Column("refund_id", sa.Uuid(), nullable=True, comment="none for what a person gave back at the provider"),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="the buyer, where it has an account"),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="in the currency's minor unit"),
        sa.Column("currency", sa.CHAR(length=3), nullable=False, comment="ISO 4217"),
        sa.Column(
            "written", sa.Text(), nullable=False, comment="the document as canonical JSON; nothing of the buyer is in it"
        ),
        sa.Column("content_hash", sa.Text(), nullable=False, comment="SHA-256 of what is written, in hex"),
        sa.Column("buyer_name", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column("buyer_email", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(kind = 'credit_note') = (credited_id IS NOT NULL)", name="ck_invoices_credited_id"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_invoices_currency"),
        sa.CheckConstraint("kind = 'credit_note' OR refund_id IS NULL", name="ck_invoices_refund_id"),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name="ck_invoices_kind"),
        sa.CheckConstraint("amount > 0", name="ck_invoices_amount"),
        sa.ForeignKeyConstraint(["credited_id"], ["invoices.id"], name="fk_invoices_invoices"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_invoices_payments"),
        sa.PrimaryKeyConstraint("id", name="pk_invoices"),
        sa.UniqueConstraint("number", name="uq_invoices_number"),
        sa.UniqueConstraint("refund_id", name="uq_invoices_refund_id"),
        sa.UniqueConstraint("series", "sequence", name="uq_invoices_series_sequence"),
        comment="Documents as they were issued; a trigger refuses any change but the forgetting of the buyer",
    )
    op.create_index("ix_invoices_payment_id", "invoices", ["payment_id"], unique=False)
    op.create_index(
        "ix_invoices_user_id", "invoices", ["user_id", "id"], unique=False, postgresql_where=sa.text("user_id IS NOT NULL")
    )
    op.create_index(
        "uq_invoices_of_payment", "invoices", ["payment_id"], unique=True, postgresql_where=sa.text("kind = 'invoice'")
    )
    op.execute(_IMMUTABLE)
    op.execute(_TRIGGER)


def downgrade() -> None:
    op.drop_index("uq_invoices_of_payment", table_name="invoices", postgresql_where=sa.text("kind = 'invoice'"))
    op.drop_index("ix_invoices_user_id", table_name="invoices", postgresql_where=sa.text("user_id IS NOT NULL"))
    op.drop_index("ix_invoices_payment_id", table_name="invoices")
    op.drop_table("invoices")
    op.drop_table("invoice_series")
    op.execute("DROP FUNCTION refuse_to_change_invoices()")
