"""Payments and refunds."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from madang.adapters.postgres.tables.schema import document, instant, key_column, metadata, money, one_of, person, words
from madang.core.billing.disputes import DisputeStatus
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
    words("method_country", "of the means of payment, as its provider says: ISO 3166-1", null=True),
    words("failure", null=True),
    person(comment="the buyer, where it has an account", null=True),
    words("country", "ISO 3166-1 alpha-2", null=True),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("lines", JSONB, nullable=False, server_default=text("'[]'::jsonb"), comment="what an invoice says"),
    words("client_reference", "the caller's own, unique for each account", null=True),
    Column("tax", BigInteger, nullable=True, comment="what a merchant of record put on top"),
    Column("locale", Text, nullable=False, server_default=text("'ko'")),
    instant("created_at"),
    instant("updated_at"),
    instant("expires_at"),
    one_of("status", PaymentStatus),
    CheckConstraint("amount >= 0 AND refunded BETWEEN 0 AND amount", name="amount"),
    Index("uq_payments_reference", "provider", "reference", unique=True, postgresql_where=text("reference IS NOT NULL")),
    Index("ix_payments_subject", "subject"),
    Index("ix_payments_provider_created_at", "provider", "created_at", "id"),
    Index("ix_payments_provider_id", "provider", "id"),
    Index("ix_payments_status_id", "status", "id"),
    Index("ix_payments_user_id", "user_id", "created_at", postgresql_where=text("user_id IS NOT NULL")),
    Index(
        "uq_payments_client_reference",
        "user_id",
        "client_reference",
        unique=True,
        postgresql_where=text("client_reference IS NOT NULL"),
    ),
    Index("ix_payments_open", "expires_at", postgresql_where=text("status IN ('created', 'pending', 'authorised', 'failed')")),
    comment="Purchases; kept after the purge, without the person",
)


payment_attempts = Table(
    "payment_attempts",
    metadata,
    key_column(),
    Column("payment_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False, comment="counted within the payment, from 1"),
    words("provider"),
    words("operation", "checkout, confirm, capture or charge"),
    words("status", "pending, or what became of it"),
    words("reference", "the provider's own id of this try", null=True),
    words("code", "the provider's own word for a failure", null=True),
    words("failure", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("payment_id", "number"),
    CheckConstraint("operation IN ('checkout', 'confirm', 'capture', 'charge')", name="operation"),
    ForeignKeyConstraint(["payment_id"], ["payments.id"], deferrable=True, initially="DEFERRED"),
    comment="Every try to be paid",
)


amount_mismatches = Table(
    "amount_mismatches",
    metadata,
    key_column(),
    Column("payment_id", Uuid, nullable=False),
    words("provider"),
    Column("amount", BigInteger, nullable=False, comment="what was told, in the currency's minor unit"),
    words("currency", "ISO 4217"),
    Column("times", Integer, nullable=False, server_default=text("1")),
    instant("seen_at", "told last"),
    UniqueConstraint("payment_id", "amount", "currency"),
    ForeignKeyConstraint(["payment_id"], ["payments.id"], deferrable=True, initially="DEFERRED"),
    Index("ix_amount_mismatches_seen_at", "seen_at"),
    comment="Wrong amounts that were told of payments, and not believed",
)


payment_disputes = Table(
    "payment_disputes",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    words("provider"),
    words("status"),
    Column("taken", BigInteger, nullable=False, server_default=text("0"), comment="by lost ones, in the minor unit"),
    instant("opened_at"),
    instant("changed_at"),
    instant("answered_at", "of a reversed one: granted again, or seen to by a person", null=True),
    one_of("status", DisputeStatus),
    CheckConstraint("taken >= 0", name="taken"),
    ForeignKeyConstraint(["payment_id"], ["payments.id"], deferrable=True, initially="DEFERRED"),
    Index("ix_payment_disputes_waiting", "changed_at", postgresql_where=text("status = 'reversed' AND answered_at IS NULL")),
    comment="What buyers' banks asked back, as it stands last",
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
