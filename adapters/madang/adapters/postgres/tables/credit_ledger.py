"""Credits: a double-entry ledger that is only added to, and what is counted from it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from madang.adapters.postgres.tables.schema import instant, key_column, metadata, one_of, person, words
from madang.core.billing.credits.model import AccountKind, HoldStatus, LotSource, MonthStatus, TransactionKind


def _number(name: str, comment: str | None = None, *, null: bool = False, zero: bool = False) -> "Column[int]":
    return Column(name, BigInteger, nullable=null, server_default=text("0") if zero else None, comment=comment)


def _wallet() -> "Column[object]":
    return Column("wallet_id", Uuid, nullable=False, comment="the owner's two accounts together")


credit_accounts = Table(
    "credit_accounts",
    metadata,
    key_column(),
    Column("wallet_id", Uuid, nullable=True, comment="the owner's two accounts together; none for the system's"),
    person(comment="whose it is, until the person is erased", null=True),
    words("kind"),
    _number("balance", "the running total of an owner's account; the system's keep none", null=True),
    instant("created_at"),
    UniqueConstraint("wallet_id", "kind"),
    one_of("kind", AccountKind),
    CheckConstraint("(wallet_id IS NOT NULL) = (kind IN ('available', 'held'))", name="owner"),
    CheckConstraint("(balance IS NOT NULL) = (wallet_id IS NOT NULL) AND balance >= 0", name="balance"),
    Index("uq_credit_accounts_user_id", "user_id", "kind", unique=True, postgresql_where=text("user_id IS NOT NULL")),
    comment="Of each owner what is available and what is held, of the system where credits come from and end",
)

credit_transactions = Table(
    "credit_transactions",
    metadata,
    key_column(),
    _wallet(),
    words("kind"),
    words("key", "the same reason never moves credits twice"),
    words("subject", "what it was for: payment:<id>"),
    _number("amount", "the change of the owner's balance"),
    _number("spent", "how much it used up"),
    _number("balance", "of the owner, afterwards"),
    instant("created_at"),
    UniqueConstraint("key"),
    one_of("kind", TransactionKind),
    Index("ix_credit_transactions_wallet_id", "wallet_id", "id"),
    comment="What moved credits; a trigger refuses to change or delete a row",
)

credit_lots = Table(
    "credit_lots",
    metadata,
    key_column(comment="that of the transaction that granted it"),
    _wallet(),
    words("source"),
    words("subject", "what it came by: payment:<id>"),
    _number("amount"),
    instant("created_at"),
    instant("expires_at", null=True),
    _number("available"),
    _number("held", zero=True),
    _number("spent", zero=True),
    _number("expired", zero=True),
    _number("taken_back", zero=True),
    _number("lost", "spent, and refunded all the same", zero=True),
    _number("revoked", "how much refunds ask back", zero=True),
    one_of("source", LotSource),
    CheckConstraint("amount > 0 AND amount = available + held + spent + expired + taken_back + lost", name="amount"),
    CheckConstraint(
        "least(available, held, spent, expired, taken_back, lost) >= 0 AND revoked BETWEEN taken_back + lost AND amount",
        name="parts",
    ),
    Index("ix_credit_lots_wallet_id", "wallet_id", postgresql_where=text("available > 0 OR held > 0")),
    Index("ix_credit_lots_over", "expires_at", postgresql_where=text("available > 0")),
    Index("ix_credit_lots_subject", "subject"),
    comment="What was granted at once and ends at once",
)

credit_entries = Table(
    "credit_entries",
    metadata,
    Column("transaction_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Uuid, nullable=False),
    Column("lot_id", Uuid, nullable=False),
    _number("amount"),
    CheckConstraint("amount <> 0", name="amount"),
    ForeignKeyConstraint(["transaction_id"], ["credit_transactions.id"], deferrable=True, initially="DEFERRED"),
    ForeignKeyConstraint(["account_id"], ["credit_accounts.id"], deferrable=True, initially="DEFERRED"),
    ForeignKeyConstraint(["lot_id"], ["credit_lots.id"], deferrable=True, initially="DEFERRED"),
    Index("ix_credit_entries_account_id", "account_id"),
    Index("ix_credit_entries_lot_id", "lot_id"),
    comment="The ledger: of each transaction they sum to zero; a trigger refuses to change or delete a row",
)

credit_notes = Table(
    "credit_notes",
    metadata,
    key_column("transaction_id"),
    person(),
    words("reason", "as a person wrote it", null=True, personal=True),
    words("client_reference", "the caller's own, unique for each account", null=True, personal=True),
    instant("created_at"),
    ForeignKeyConstraint(["transaction_id"], ["credit_transactions.id"], deferrable=True, initially="DEFERRED"),
    Index(
        "uq_credit_notes_client_reference",
        "user_id",
        "client_reference",
        unique=True,
        postgresql_where=text("client_reference IS NOT NULL"),
    ),
    comment="What people wrote about transactions; goes with the person",
)

credit_holds = Table(
    "credit_holds",
    metadata,
    key_column(comment="that of the transaction that set it aside"),
    words("key"),
    _wallet(),
    words("subject", "what it is for"),
    _number("amount"),
    _number("taken", zero=True),
    words("status"),
    instant("created_at"),
    instant("ends_at", "when it is given back at the latest"),
    instant("ended_at", null=True),
    UniqueConstraint("key"),
    one_of("status", HoldStatus),
    CheckConstraint("amount > 0 AND taken BETWEEN 0 AND amount AND (taken > 0) = (status = 'taken')", name="amount"),
    CheckConstraint("(status = 'open') = (ended_at IS NULL)", name="ended"),
    ForeignKeyConstraint(["id"], ["credit_transactions.id"], deferrable=True, initially="DEFERRED"),
    Index("ix_credit_holds_over", "ends_at", postgresql_where=text("status = 'open'")),
    Index("ix_credit_holds_wallet_id", "wallet_id", postgresql_where=text("status = 'open'")),
    comment="Credits set aside for something under way",
)

credit_months = Table(
    "credit_months",
    metadata,
    key_column(),
    _wallet(),
    Column("subscription_id", Uuid, nullable=False),
    Column("period", Integer, nullable=False, comment="counted within the subscription"),
    Column("month", Integer, nullable=False, comment="counted within the period, from 1"),
    _number("credits"),
    instant("starts_at", "when it is granted"),
    instant("ends_at"),
    words("status"),
    UniqueConstraint("subscription_id", "period", "month"),
    one_of("status", MonthStatus),
    CheckConstraint("credits > 0 AND ends_at > starts_at", name="month"),
    Index("ix_credit_months_due", "starts_at", postgresql_where=text("status = 'due'")),
    Index("ix_credit_months_wallet_id", "wallet_id", postgresql_where=text("status = 'due'")),
    comment="A plan's credits, month by month",
)
