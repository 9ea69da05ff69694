"""Subscriptions, their periods and the means of payment.

Revision ID: 0010
Revises: 0009
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_methods",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False, comment="ours, as the provider knows the person"),
        sa.Column("label", sa.Text(), nullable=False, comment="shown to the owner: card **** 1234"),
        sa.Column("token", sa.LargeBinary(), nullable=False, comment="charges it; encrypted"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "retired_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="charged no more; its provider is told to forget it",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment_methods"),
        comment="Means of payment that providers keep for us",
    )
    op.create_index("ix_payment_methods_user_id", "payment_methods", ["user_id", "id"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="in the currency's minor unit"),
        sa.Column("currency", sa.CHAR(length=3), nullable=False, comment="ISO 4217"),
        sa.Column("credits", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="of one month"),
        sa.Column(
            "price_reference",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="the provider's own id of the price",
        ),
        sa.Column("interval_months", sa.Integer(), nullable=False),
        sa.Column("anchor", sa.DateTime(timezone=True), nullable=False, comment="whose day and time of day every period keeps"),
        sa.Column("zone", sa.Text(), nullable=False, comment="whose calendar counts; kept when the deployment's changes"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True, comment="when something must happen next"),
        sa.Column("trial_days", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_terms", JSONB(), nullable=True, comment="those from the next period on"),
        sa.Column("cancel_at_period_end", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("method_id", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True, comment="the provider's own id of a hosted one"),
        sa.Column("checkout_url", sa.Text(), nullable=True),
        sa.Column("client_params", JSONB(), nullable=True, comment="for the provider's browser SDK"),
        sa.Column("past_due_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "retries", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="of the payment that failed, by plan"
        ),
        sa.Column("asking", sa.Text(), nullable=True, comment="what the provider is being asked to do"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True, comment="ISO 3166-1 alpha-2"),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("client_reference", sa.Text(), nullable=True, comment="the caller's own, unique for each account"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(status IN ('cancelled', 'ended')) = (ended_at IS NOT NULL)", name="ck_subscriptions_ended"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_subscriptions_currency"),
        sa.CheckConstraint("kind IN ('stored_method', 'hosted')", name="ck_subscriptions_kind"),
        sa.CheckConstraint(
            "status IN ('incomplete', 'trialing', 'active', 'past_due', 'suspended', 'cancelled', 'ended')",
            name="ck_subscriptions_status",
        ),
        sa.CheckConstraint(
            "amount > 0 AND credits >= 0 AND interval_months > 0 AND trial_days >= 0", name="ck_subscriptions_terms"
        ),
        sa.CheckConstraint("ended_at IS NULL OR due_at IS NULL", name="ck_subscriptions_nothing_due_after_the_end"),
        sa.ForeignKeyConstraint(
            ["method_id"],
            ["payment_methods.id"],
            name="fk_subscriptions_payment_methods",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        comment="Who has which plan, and what happens next with it",
    )
    op.create_index(
        "ix_subscriptions_due_at", "subscriptions", ["due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_index(
        "ix_subscriptions_method_id",
        "subscriptions",
        ["method_id"],
        unique=False,
        postgresql_where=sa.text("method_id IS NOT NULL"),
    )
    op.create_index("ix_subscriptions_user_id", "subscriptions", ["user_id", "id"], unique=False)
    op.create_index(
        "uq_subscriptions_client_reference",
        "subscriptions",
        ["user_id", "client_reference"],
        unique=True,
        postgresql_where=sa.text("client_reference IS NOT NULL"),
    )
    op.create_index(
        "uq_subscriptions_product",
        "subscriptions",
        ["user_id", "product"],
        unique=True,
        postgresql_where=sa.text("status NOT IN ('cancelled', 'ended')"),
    )
    op.create_index(
        "uq_subscriptions_reference",
        "subscriptions",
        ["provider", "reference"],
        unique=True,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_table(
        "subscription_periods",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="counted within the subscription, from 1"),
        sa.Column("cycle", sa.Integer(), nullable=False, comment="of the calendar; -1 for a trial"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="in the currency's minor unit"),
        sa.Column("currency", sa.CHAR(length=3), nullable=False, comment="ISO 4217"),
        sa.Column("price", sa.BigInteger(), nullable=False, comment="of a whole period; amount is what this one costs"),
        sa.Column("credits", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="of one month"),
        sa.Column(
            "price_reference",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="the provider's own id of the price",
        ),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "tries", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False, comment="payments that were to pay it"
        ),
        sa.Column("payment_id", sa.Uuid(), nullable=True, comment="the payment that paid it"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(status = 'paid') = (payment_id IS NOT NULL)", name="ck_subscription_periods_paid"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_subscription_periods_currency"),
        sa.CheckConstraint("kind IN ('trial', 'regular', 'change')", name="ck_subscription_periods_kind"),
        sa.CheckConstraint(
            "status IN ('due', 'charging', 'paid', 'free', 'unpaid', 'void')", name="ck_subscription_periods_status"
        ),
        sa.CheckConstraint("amount BETWEEN 0 AND price AND ends_at >= starts_at", name="ck_subscription_periods_amount"),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name="fk_subscription_periods_subscriptions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscription_periods"),
        sa.UniqueConstraint("subscription_id", "number", name="uq_subscription_periods_subscription_id_number"),
        comment="What was tried, paid and owed of each subscription",
    )
    op.create_index(
        "uq_subscription_periods_awaited",
        "subscription_periods",
        ["subscription_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('due', 'charging')"),
    )
    op.create_index(
        "uq_subscription_periods_payment_id",
        "subscription_periods",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("payment_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_subscription_periods_payment_id",
        table_name="subscription_periods",
        postgresql_where=sa.text("payment_id IS NOT NULL"),
    )
    op.drop_index(
        "uq_subscription_periods_awaited",
        table_name="subscription_periods",
        postgresql_where=sa.text("status IN ('due', 'charging')"),
    )
    op.drop_table("subscription_periods")
    op.drop_index("uq_subscriptions_reference", table_name="subscriptions", postgresql_where=sa.text("reference IS NOT NULL"))
    op.drop_index(
        "uq_subscriptions_product", table_name="subscriptions", postgresql_where=sa.text("status NOT IN ('cancelled', 'ended')")
    )
    op.drop_index(
        "uq_subscriptions_client_reference",
        table_name="subscriptions",
        postgresql_where=sa.text("client_reference IS NOT NULL"),
    )
    op.drop_index("ix_subscriptions_user_id", table_name="subscriptions")
    op.drop_index("ix_subscriptions_method_id", table_name="subscriptions", postgresql_where=sa.text("method_id IS NOT NULL"))
    op.drop_index("ix_subscriptions_due_at", table_name="subscriptions", postgresql_where=sa.text("due_at IS NOT NULL"))
    op.drop_table("subscriptions")
    op.drop_index("ix_payment_methods_user_id", table_name="payment_methods")
    op.drop_table("payment_methods")
