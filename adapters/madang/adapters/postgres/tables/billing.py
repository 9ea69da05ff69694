"""Payments and refunds."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Index, Table, UniqueConstraint, Uuid, text

from madang.adapters.postgres.tables.schema import document, instant, key_column, metadata, money, one_of, words
from madang.core.billing.model import PaymentStatus, RefundStatus

payments = Table(
    "payments",
    metadata,
    key_column(),
    words("purpose", "the context that sells"),
    words("subject", "what is bought: portrait:<id>"),
    *money(),
    words("provider"),
    words("status"),
    words("reference", "the provider's own id of the payment", null=True),
    words("checkout_url", null=True),
    document("client_params", "for the provider's browser SDK", null=True),
    Column("refunded", BigInteger, nullable=False, server_default=text("0")),
    instant("paid_at", null=True),
    words("method", null=True),
    words("failure", null=True),
    instant("created_at"),
    instant("updated_at"),
    instant("expires_at"),
    one_of("status", PaymentStatus),
    CheckConstraint("amount >= 0 AND refunded BETWEEN 0 AND amount", name="amount"),
    Index("uq_payments_reference", "provider", "reference", unique=True, postgresql_where=text("reference IS NOT NULL")),
    Index("ix_payments_subject", "subject"),
    Index("ix_payments_open", "expires_at", postgresql_where=text("status IN ('created', 'pending', 'authorised', 'failed')")),
    comment="Purchases; kept after the purge, without the person",
)


refunds = Table(
    "refunds",
    metadata,
    key_column(),
    Column("payment_id", Uuid, nullable=False),
    words("key", "one reason to refund, one refund"),
    *money(),
    words("reason"),
    words("status"),
    words("remote_id", null=True),
    words("failure", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("key"),
    one_of("status", RefundStatus),
    CheckConstraint("amount >= 0", name="amount"),
    ForeignKeyConstraint(["payment_id"], ["payments.id"], deferrable=True, initially="DEFERRED"),
    Index("ix_refunds_payment_id", "payment_id"),
    comment="Money going back",
)
