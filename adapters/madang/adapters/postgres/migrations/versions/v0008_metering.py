"""What calls of providers used and cost, and how each process stands with each provider.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "breaker_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False, comment="it opened: the kind of the last failure"),
        sa.CheckConstraint("state IN ('closed', 'open', 'half_open')", name="ck_breaker_changes_state"),
        sa.PrimaryKeyConstraint("id", name="pk_breaker_changes"),
        comment="When circuit breakers opened and closed; kept for a week",
    )
    op.create_index("ix_breaker_changes_at", "breaker_changes", ["at"], unique=False)
    op.create_table(
        "metered_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False, comment="as the provider names it; empty where it names none"),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="done, failed, or the kind of error"),
        sa.Column("seconds", sa.Float(precision=53), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="with the cached ones"),
        sa.Column("output_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("pictures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("messages", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column(
            "cost_micros",
            sa.BigInteger(),
            nullable=True,
            comment="millionths of the currency; null where nobody knows, and while it is pending",
        ),
        sa.Column("currency", sa.CHAR(length=3), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True, comment="a hash of a prediction's id, while it is pending"),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True, comment="what it was for: portrait:<id>; never a person"),
        sa.CheckConstraint("charge IN ('none', 'known', 'pending', 'unknown')", name="ck_metered_calls_charge"),
        sa.PrimaryKeyConstraint("id", name="pk_metered_calls"),
        comment="Calls of providers that may cost something, one by one",
    )
    op.create_index("ix_metered_calls_at", "metered_calls", ["at"], unique=False)
    op.create_index(
        "ix_metered_calls_pending",
        "metered_calls",
        ["kind", "provider", "reference"],
        unique=False,
        postgresql_where=sa.text("charge = 'pending'"),
    )
    op.create_index(
        "ix_metered_calls_subject", "metered_calls", ["subject"], unique=False, postgresql_where=sa.text("subject IS NOT NULL")
    )
    op.create_table(
        "metered_days",
        sa.Column("day", sa.Date(), nullable=False, comment="UTC"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False, comment="empty for none"),
        sa.Column("currency", sa.Text(), nullable=False, comment="empty for calls without a cost that is known"),
        sa.Column("calls", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("seconds", sa.Float(precision=53), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("pictures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("messages", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "unpriced", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="calls whose cost nobody knows"
        ),
        sa.Column("cost_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", "provider", "model", "product", "currency", name="pk_metered_days"),
        comment="Sums of the calls that are too old to be kept one by one",
    )
    op.create_table(
        "metered_totals",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False, comment="empty for calls without a cost that is known"),
        sa.Column("input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("kind", "provider", "model", "currency", name="pk_metered_totals"),
        comment="All of it ever, for the metrics",
    )
    op.create_table(
        "provider_checks",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reachable", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False, comment="for an operator"),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "provider", name="pk_provider_checks"),
        comment="What each provider answered when it was last checked on request",
    )
    op.create_table(
        "provider_standings",
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("process_kind", sa.Text(), nullable=False, comment="api, worker; empty until it has measured itself"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("breaker", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="different causes in a row"),
        sa.Column("paused_seconds", sa.Float(precision=53), nullable=False),
        sa.Column("busy", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waiting", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("places", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("turned_away", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="since the process began"),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("breaker IN ('closed', 'open', 'half_open')", name="ck_provider_standings_breaker"),
        sa.PrimaryKeyConstraint("process_id", "kind", "provider", name="pk_provider_standings"),
        comment="How each process stands with each provider; gone with the process",
    )


def downgrade() -> None:
    op.drop_table("provider_standings")
    op.drop_table("provider_checks")
    op.drop_table("metered_totals")
    op.drop_table("metered_days")
    op.drop_index("ix_metered_calls_subject", table_name="metered_calls", postgresql_where=sa.text("subject IS NOT NULL"))
    op.drop_index("ix_metered_calls_pending", table_name="metered_calls", postgresql_where=sa.text("charge = 'pending'"))
    op.drop_index("ix_metered_calls_at", table_name="metered_calls")
    op.drop_table("metered_calls")
    op.drop_index("ix_breaker_changes_at", table_name="breaker_changes")
    op.drop_table("breaker_changes")
