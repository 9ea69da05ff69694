"""Invoices and credit notes, and the counters of their series."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from madang.adapters.postgres.tables.schema import instant, key_column, metadata, money, one_of, person, sealed, words
from madang.core.billing.invoices.model import BUYER_EMAIL, BUYER_NAME, InvoiceKind

invoice_series = Table(
    "invoice_series",
    metadata,
    Column("series", Text, primary_key=True, comment="INV-2026"),
    Column("last", BigInteger, nullable=False, comment="the number that was given last"),
    CheckConstraint("last > 0", name="last"),
    comment="The counters of documents: a row is locked from taking a number until its document is committed",
)


invoices = Table(
    "invoices",
    metadata,
    key_column(),
    words("kind"),
    words("series"),
    Column("sequence", BigInteger, nullable=False, comment="counted within the series, from 1, without gaps"),
    words("number", "INV-2026-000001"),
    Column("payment_id", Uuid, nullable=False),
    Column("credited_id", Uuid, nullable=True, comment="the invoice that a credit note corrects"),
    Column("refund_id", Uuid, nullable=True, comment="none for what a person gave back at the provider"),
    person(comment="the buyer, where it has an account", null=True),
    *money(),
    words("written", "the document as canonical JSON; nothing of the buyer is in it"),
    words("content_hash", "SHA-256 of what is written, in hex"),
    sealed("buyer_name", purpose=BUYER_NAME),
    sealed("buyer_email", purpose=BUYER_EMAIL),
    instant("issued_at"),
    one_of("kind", InvoiceKind),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("(kind = 'credit_note') = (credited_id IS NOT NULL)", name="credited_id"),
    CheckConstraint("kind = 'credit_note' OR refund_id IS NULL", name="refund_id"),
    UniqueConstraint("series", "sequence"),
    UniqueConstraint("number"),
    UniqueConstraint("refund_id"),
    ForeignKeyConstraint(["payment_id"], ["payments.id"]),
    ForeignKeyConstraint(["credited_id"], ["invoices.id"]),
    Index("uq_invoices_of_payment", "payment_id", unique=True, postgresql_where=text("kind = 'invoice'")),
    Index("ix_invoices_payment_id", "payment_id"),
    Index("ix_invoices_user_id", "user_id", "id", postgresql_where=text("user_id IS NOT NULL")),
    comment="Documents as they were issued; a trigger refuses any change but the forgetting of the buyer",
)
