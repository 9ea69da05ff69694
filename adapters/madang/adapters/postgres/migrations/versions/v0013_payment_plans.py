"""Payment plans and their instalments.

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_plans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True, comment="who pays, until the person is erased"),
        sa.Column("currency", sa.CHAR(length=3), nullable=False, comment="ISO 4217, of every amount of the plan"),
        sa.Column("status", sa.Text(), nullable=False, comment="what the project's instalments come to"),
        sa.Column("monthly_fee", sa.BigInteger(), nullable=True, comment="of the months to come, in the currency's minor unit"),
        sa.Column("fee_anchor", sa.Date(), nullable=True, comment="the first month's day, once the project is launched"),
        sa.Column("fees", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="the months that were made"),
        sa.Column("next_fee_at", sa.DateTime(timezone=True), nullable=True, comment="when the next month is made"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_payment_plans_currency"),
        sa.CheckConstraint("status IN ('pending', 'partial', 'completed')", name="ck_payment_plans_status"),
        sa.CheckConstraint("monthly_fee > 0", name="ck_payment_plans_monthly_fee"),
        sa.CheckConstraint(
            "next_fee_at IS NULL OR (fee_anchor IS NOT NULL AND monthly_fee IS NOT NULL)", name="ck_payment_plans_next_fee_at"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment_plans"),
        comment="What a project costs, in instalments, and its monthly fee after the launch",
    )
    op.create_index(
        "ix_payment_plans_client_id",
        "payment_plans",
        ["client_id", "id"],
        unique=False,
        postgresql_where=sa.text("client_id IS NOT NULL"),
    )
    op.create_index(
        "ix_payment_plans_next_fee_at",
        "payment_plans",
        ["next_fee_at"],
        unique=False,
        postgresql_where=sa.text("next_fee_at IS NOT NULL"),
    )
    op.create_index("ix_payment_plans_project_id", "payment_plans", ["project_id"], unique=False)
    op.create_table(
        "payment_installments",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False, comment="counted within the plan, from 1"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False, comment="as staff calls it; of a monthly fee the month"),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="in the minor unit of the plan's currency"),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column(
            "overdue_at", sa.DateTime(timezone=True), nullable=False, comment="the end of the due day in the deployment's zone"
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True, comment="when the next reminder is sent"),
        sa.Column("remind_day", sa.Integer(), nullable=True, comment="which one that is: days after the due day"),
        sa.Column("payment_id", sa.Uuid(), nullable=True, comment="the payment that was begun last, or the one that paid it"),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('milestone', 'monthly')", name="ck_payment_installments_kind"),
        sa.CheckConstraint("status IN ('pending', 'paid', 'overdue', 'refunded')", name="ck_payment_installments_status"),
        sa.CheckConstraint(
            "status NOT IN ('paid', 'refunded') OR (payment_id IS NOT NULL AND remind_at IS NULL)",
            name="ck_payment_installments_payment_id",
        ),
        sa.CheckConstraint("(remind_at IS NULL) = (remind_day IS NULL)", name="ck_payment_installments_reminder"),
        sa.CheckConstraint("amount > 0", name="ck_payment_installments_amount"),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["payment_plans.id"], name="fk_payment_installments_payment_plans", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("plan_id", "number", name="pk_payment_installments"),
        comment="What is paid at once: a part of a project's price, or a month's fee",
    )
    op.create_index(
        "ix_payment_installments_overdue_at",
        "payment_installments",
        ["overdue_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_payment_installments_remind_at",
        "payment_installments",
        ["remind_at"],
        unique=False,
        postgresql_where=sa.text("remind_at IS NOT NULL"),
    )
    op.create_index(
        "uq_payment_installments_payment_id",
        "payment_installments",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("payment_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_payment_installments_payment_id",
        table_name="payment_installments",
        postgresql_where=sa.text("payment_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_payment_installments_remind_at",
        table_name="payment_installments",
        postgresql_where=sa.text("remind_at IS NOT NULL"),
    )
    op.drop_index(
        "ix_payment_installments_overdue_at", table_name="payment_installments", postgresql_where=sa.text("status = 'pending'")
    )
    op.drop_table("payment_installments")
    op.drop_index("ix_payment_plans_project_id", table_name="payment_plans")
    op.drop_index(
        "ix_payment_plans_next_fee_at", table_name="payment_plans", postgresql_where=sa.text("next_fee_at IS NOT NULL")
    )
    op.drop_index("ix_payment_plans_client_id", table_name="payment_plans", postgresql_where=sa.text("client_id IS NOT NULL"))
    op.drop_table("payment_plans")
