"""Erasure and retention.

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATUSES = "'active', 'suspended', 'erasing', 'erased'"
_BEFORE = "'active', 'suspended', 'erased'"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="who was: the row that it names is empty"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True, comment="a second look found nothing any more"),
        sa.CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed')", name="ck_erasures_status"),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        sa.UniqueConstraint("user_id", name="uq_erasures_user_id"),
        comment="Who asked to be forgotten, and that it was done",
    )
    op.create_index("ix_erasures_open", "erasures", ["asked_at"], postgresql_where=sa.text("status <> 'succeeded'"))
    op.drop_constraint("ck_users_status", "users", type_="check")
    op.create_check_constraint("ck_users_status", "users", f"status IN ({_STATUSES})")


def downgrade() -> None:
    op.execute("UPDATE users SET status = 'suspended' WHERE status = 'erasing'")
    op.drop_constraint("ck_users_status", "users", type_="check")
    op.create_check_constraint("ck_users_status", "users", f"status IN ({_BEFORE})")
    op.drop_table("erasures")
