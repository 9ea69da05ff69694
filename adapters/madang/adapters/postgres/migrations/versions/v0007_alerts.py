"""Measurements, alert rules and what fires, limits of single users.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_episodes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Float(precision=53), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False, comment="that raised it"),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alert_episodes"),
        comment="Each time that a rule fired, from raised to cleared",
    )
    op.create_index(
        "uq_alert_episodes_running", "alert_episodes", ["rule"], unique=True, postgresql_where=sa.text("cleared_at IS NULL")
    )
    op.create_table(
        "alerts",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "value", sa.Float(precision=53), nullable=True, comment="the last one; null where there was too little to tell"
        ),
        sa.Column("episode_id", sa.Uuid(), nullable=True, comment="what it fires about"),
        sa.CheckConstraint("state IN ('quiet', 'pending', 'firing', 'calming')", name="ck_alerts_state"),
        sa.PrimaryKeyConstraint("rule", name="pk_alerts"),
        comment="Where each alert rule stands",
    )
    op.create_table(
        "measurements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="api, worker, relay"),
        sa.Column("requests", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("errors", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="answers of 500 and above"),
        sa.Column("seconds", sa.Float(precision=53), nullable=False, comment="of all requests together"),
        sa.Column("buckets", sa.ARRAY(sa.BigInteger()), nullable=False, comment="requests by their duration"),
        sa.Column("memory", sa.Float(precision=53), nullable=True, comment="per cent"),
        sa.Column("cpu", sa.Float(precision=53), nullable=True, comment="per cent"),
        sa.Column("disk", sa.Float(precision=53), nullable=True, comment="per cent"),
        sa.Column(
            "calls", JSONB(), nullable=False, comment="of providers: [{kind, provider, outcome, count, seconds, buckets}]"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_measurements"),
        comment="What each process counted in an interval; kept for a day",
    )
    op.create_index("ix_measurements_at", "measurements", ["at"], unique=False)
    op.create_table(
        "provider_calls",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="done, failed, or the kind of error"),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(precision=53), nullable=False),
        sa.Column("buckets", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("kind", "provider", "outcome", name="pk_provider_calls"),
        comment="Calls of providers by all processes, ever",
    )
    op.create_table(
        "user_limits",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("written", sa.Text(), nullable=False, comment="like 5000/day: instead of the policy's own"),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "policy", name="pk_user_limits"),
        comment="Rate limits of single users",
    )


def downgrade() -> None:
    op.drop_table("user_limits")
    op.drop_table("provider_calls")
    op.drop_index("ix_measurements_at", table_name="measurements")
    op.drop_table("measurements")
    op.drop_table("alerts")
    op.drop_index("uq_alert_episodes_running", table_name="alert_episodes", postgresql_where=sa.text("cleared_at IS NULL"))
    op.drop_table("alert_episodes")
