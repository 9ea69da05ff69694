"""Files of users, and how far the look for objects without a file has come.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "file_sweep",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), autoincrement=False, nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True, comment="where the last look through the storage stopped"),
        sa.CheckConstraint("id = 1", name="ck_file_sweep_one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_file_sweep"),
        comment="How far the look for objects without a file has come",
    )
    op.create_table(
        "files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=True, comment="for display only, encrypted; empty once deleted"),
        sa.Column("declared_type", sa.Text(), nullable=False, comment="the client's word"),
        sa.Column("content_type", sa.Text(), nullable=True, comment="by the bytes"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes"),
        sa.Column("presigned", sa.Boolean(), nullable=False, comment="the client was given an address of the storage itself"),
        sa.Column("expected_sha256", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=True, comment="the one object that was checked"),
        sa.Column("refusal", JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, comment="until when the upload address is good"),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "purged_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the storage was seen empty of a file that is over",
        ),
        sa.CheckConstraint("(status = 'available') = (object_key IS NOT NULL)", name="ck_files_object"),
        sa.CheckConstraint(
            "status <> 'available' OR num_nulls(content_type, sha256, completed_at) = 0", name="ck_files_checked"
        ),
        sa.CheckConstraint("status IN ('pending', 'available', 'rejected', 'expired', 'deleted')", name="ck_files_status"),
        sa.CheckConstraint("size > 0", name="ck_files_size"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_files_users"),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        comment="Files of users; the bytes are in the object storage",
    )
    op.create_index(
        "ix_files_over",
        "files",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('rejected', 'expired', 'deleted')"),
    )
    op.create_index("ix_files_owner_id", "files", ["owner_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("ix_files_pending", "files", ["expires_at"], unique=False, postgresql_where=sa.text("status = 'pending'"))


def downgrade() -> None:
    op.drop_index("ix_files_pending", table_name="files", postgresql_where=sa.text("status = 'pending'"))
    op.drop_index("ix_files_owner_id", table_name="files")
    op.drop_index("ix_files_over", table_name="files", postgresql_where=sa.text("status IN ('rejected', 'expired', 'deleted')"))
    op.drop_table("files")
    op.drop_table("file_sweep")
