"""Credits: a double-entry ledger that is only added to, lots, holds and months.

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_APPEND_ONLY = """
CREATE FUNCTION refuse_to_change_credits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger of credits is append-only' USING ERRCODE = 'insufficient_privilege';
END $$
"""
_TRIGGERS = tuple(
    f"CREATE TRIGGER {table}_{of} BEFORE {change} ON {table} FOR EACH {each} EXECUTE FUNCTION refuse_to_change_credits()"
    for table in ("credit_transactions", "credit_entries")
    for of, change, each in (("rows", "UPDATE OR DELETE", "ROW"), ("table", "TRUNCATE", "STATEMENT"))
)


def upgrade() -> None:
    op.create_table(
        "credit_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=True, comment="the owner's two accounts together; none for the system's"),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="whose it is, until the person is erased"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "balance", sa.BigInteger(), nullable=True, comment="the running total of an owner's account; the system's keep none"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(wallet_id IS NOT NULL) = (kind IN ('available', 'held'))", name="ck_credit_accounts_owner"),
        sa.CheckConstraint(
            "kind IN ('available', 'held', 'granted', 'sold', 'spent', 'expired', 'taken_back', 'lost')",
            name="ck_credit_accounts_kind",
        ),
        sa.CheckConstraint(
            "(balance IS NOT NULL) = (wallet_id IS NOT NULL) AND balance >= 0", name="ck_credit_accounts_balance"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credit_accounts"),
        sa.UniqueConstraint("wallet_id", "kind", name="uq_credit_accounts_wallet_id_kind"),
        comment="Of each owner what is available and what is held, of the system where credits come from and end",
    )
    op.create_index(
        "uq_credit_accounts_user_id",
        "credit_accounts",
        ["user_id", "kind"],
        unique=True,
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_table(
        "credit_lots",
        sa.Column("id", sa.Uuid(), nullable=False, comment="that of the transaction that granted it"),
        sa.Column("wallet_id", sa.Uuid(), nullable=False, comment="the owner's two accounts together"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it came by: payment:<id>"),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("spent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expired", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("taken_back", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "lost", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="spent, and refunded all the same"
        ),
        sa.Column("revoked", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="how much refunds ask back"),
        sa.CheckConstraint("source IN ('grant', 'plan', 'pack')", name="ck_credit_lots_source"),
        sa.CheckConstraint(
            "amount > 0 AND amount = available + held + spent + expired + taken_back + lost", name="ck_credit_lots_amount"
        ),
        sa.CheckConstraint(
            "least(available, held, spent, expired, taken_back, lost) >= 0 AND revoked BETWEEN taken_back + lost AND amount",
            name="ck_credit_lots_parts",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credit_lots"),
        comment="What was granted at once and ends at once",
    )
    op.create_index(
        "ix_credit_lots_over", "credit_lots", ["expires_at"], unique=False, postgresql_where=sa.text("available > 0")
    )
    op.create_index("ix_credit_lots_subject", "credit_lots", ["subject"], unique=False)
    op.create_index(
        "ix_credit_lots_wallet_id",
        "credit_lots",
        ["wallet_id"],
        unique=False,
        postgresql_where=sa.text("available > 0 OR held > 0"),
    )
    op.create_table(
        "credit_months",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False, comment="the owner's two accounts together"),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False, comment="counted within the subscription"),
        sa.Column("month", sa.Integer(), nullable=False, comment="counted within the period, from 1"),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False, comment="when it is granted"),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('due', 'granted', 'cancelled', 'missed')", name="ck_credit_months_status"),
        sa.CheckConstraint("credits > 0 AND ends_at > starts_at", name="ck_credit_months_month"),
        sa.PrimaryKeyConstraint("id", name="pk_credit_months"),
        sa.UniqueConstraint("subscription_id", "period", "month", name="uq_credit_months_subscription_id_period_month"),
        comment="A plan's credits, month by month",
    )
    op.create_index(
        "ix_credit_months_due", "credit_months", ["starts_at"], unique=False, postgresql_where=sa.text("status = 'due'")
    )
    op.create_index(
        "ix_credit_months_wallet_id", "credit_months", ["wallet_id"], unique=False, postgresql_where=sa.text("status = 'due'")
    )
    op.create_table(
        "credit_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False, comment="the owner's two accounts together"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="the same reason never moves credits twice"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it was for: payment:<id>"),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="the change of the owner's balance"),
        sa.Column("spent", sa.BigInteger(), nullable=False, comment="how much it used up"),
        sa.Column("balance", sa.BigInteger(), nullable=False, comment="of the owner, afterwards"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('grant', 'deduct', 'hold', 'take', 'release', 'expire', 'take_back')", name="ck_credit_transactions_kind"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credit_transactions"),
        sa.UniqueConstraint("key", name="uq_credit_transactions_key"),
        comment="What moved credits; a trigger refuses to change or delete a row",
    )
    op.create_index("ix_credit_transactions_wallet_id", "credit_transactions", ["wallet_id", "id"], unique=False)
    op.create_table(
        "credit_entries",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount <> 0", name="ck_credit_entries_amount"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["credit_accounts.id"],
            name="fk_credit_entries_credit_accounts",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["lot_id"], ["credit_lots.id"], name="fk_credit_entries_credit_lots", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["credit_transactions.id"],
            name="fk_credit_entries_credit_transactions",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("transaction_id", "number", name="pk_credit_entries"),
        comment="The ledger: of each transaction they sum to zero; a trigger refuses to change or delete a row",
    )
    op.create_index("ix_credit_entries_account_id", "credit_entries", ["account_id"], unique=False)
    op.create_index("ix_credit_entries_lot_id", "credit_entries", ["lot_id"], unique=False)
    op.create_table(
        "credit_holds",
        sa.Column("id", sa.Uuid(), nullable=False, comment="that of the transaction that set it aside"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False, comment="the owner's two accounts together"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it is for"),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False, comment="when it is given back at the latest"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'open') = (ended_at IS NULL)", name="ck_credit_holds_ended"),
        sa.CheckConstraint(
            "amount > 0 AND taken BETWEEN 0 AND amount AND (taken > 0) = (status = 'taken')", name="ck_credit_holds_amount"
        ),
        sa.CheckConstraint("status IN ('open', 'taken', 'released', 'expired')", name="ck_credit_holds_status"),
        sa.ForeignKeyConstraint(
            ["id"],
            ["credit_transactions.id"],
            name="fk_credit_holds_credit_transactions",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credit_holds"),
        sa.UniqueConstraint("key", name="uq_credit_holds_key"),
        comment="Credits set aside for something under way",
    )
    op.create_index(
        "ix_credit_holds_over", "credit_holds", ["ends_at"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_index(
        "ix_credit_holds_wallet_id", "credit_holds", ["wallet_id"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_table(
        "credit_notes",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="as a person wrote it"),
        sa.Column("client_reference", sa.Text(), nullable=True, comment="the caller's own, unique for each account"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["credit_transactions.id"],
            name="fk_credit_notes_credit_transactions",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("transaction_id", name="pk_credit_notes"),
        comment="What people wrote about transactions; goes with the person",
    )
    op.create_index(
        "uq_credit_notes_client_reference",
        "credit_notes",
        ["user_id", "client_reference"],
        unique=True,
        postgresql_where=sa.text("client_reference IS NOT NULL"),
    )
    op.execute(_APPEND_ONLY)
    for trigger in _TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    op.drop_index(
        "uq_credit_notes_client_reference", table_name="credit_notes", postgresql_where=sa.text("client_reference IS NOT NULL")
    )
    op.drop_table("credit_notes")
    op.drop_index("ix_credit_holds_wallet_id", table_name="credit_holds", postgresql_where=sa.text("status = 'open'"))
    op.drop_index("ix_credit_holds_over", table_name="credit_holds", postgresql_where=sa.text("status = 'open'"))
    op.drop_table("credit_holds")
    op.drop_index("ix_credit_entries_lot_id", table_name="credit_entries")
    op.drop_index("ix_credit_entries_account_id", table_name="credit_entries")
    op.drop_table("credit_entries")
    op.drop_index("ix_credit_transactions_wallet_id", table_name="credit_transactions")
    op.drop_table("credit_transactions")
    op.drop_index("ix_credit_months_wallet_id", table_name="credit_months", postgresql_where=sa.text("status = 'due'"))
    op.drop_index("ix_credit_months_due", table_name="credit_months", postgresql_where=sa.text("status = 'due'"))
    op.drop_table("credit_months")
    op.drop_index("ix_credit_lots_wallet_id", table_name="credit_lots", postgresql_where=sa.text("available > 0 OR held > 0"))
    op.drop_index("ix_credit_lots_subject", table_name="credit_lots")
    op.drop_index("ix_credit_lots_over", table_name="credit_lots", postgresql_where=sa.text("available > 0"))
    op.drop_table("credit_lots")
    op.drop_index("uq_credit_accounts_user_id", table_name="credit_accounts", postgresql_where=sa.text("user_id IS NOT NULL"))
    op.drop_table("credit_accounts")
    op.execute("DROP FUNCTION refuse_to_change_credits()")
