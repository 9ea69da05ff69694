"""Files of users; the bytes are in the object storage."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKeyConstraint, Index, Integer, Table, text

from madang.adapters.postgres.tables.schema import document, instant, key_column, metadata, one_of, person, sealed, words
from madang.core.files.model import NAME_PURPOSE, FileStatus

files = Table(
    "files",
    metadata,
    key_column(),
    person("owner_id"),
    words("purpose"),
    words("status"),
    sealed("name", "for display only, encrypted; empty once deleted", purpose=NAME_PURPOSE),
    words("declared_type", "the client's word"),
    words("content_type", "by the bytes", null=True),
    Column("size", BigInteger, nullable=False, comment="bytes"),
    Column("presigned", Boolean, nullable=False, comment="the client was given an address of the storage itself"),
    words("expected_sha256", null=True),
    words("sha256", null=True),
    words("object_key", "the one object that was checked", null=True),
    document("refusal", null=True),
    instant("created_at"),
    instant("updated_at"),
    instant("expires_at", "until when the upload address is good"),
    instant("completed_at", null=True),
    instant("purged_at", "when the storage was seen empty of a file that is over", null=True),
    one_of("status", FileStatus),
    CheckConstraint("size > 0", name="size"),
    CheckConstraint(
        "(status = 'available') = (object_key IS NOT NULL)",
        name="object",
    ),
    CheckConstraint("status <> 'available' OR num_nulls(content_type, sha256, completed_at) = 0", name="checked"),
    ForeignKeyConstraint(["owner_id"], ["users.id"]),
    Index("ix_files_owner_id", "owner_id", text("id DESC")),
    Index("ix_files_pending", "expires_at", postgresql_where=text("status = 'pending'")),
    Index(
        "ix_files_over",
        "updated_at",
        postgresql_where=text("status IN ('rejected', 'expired', 'deleted')"),
    ),
    comment="Files of users; the bytes are in the object storage",
)

file_sweep = Table(
    "file_sweep",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, server_default=text("1")),
    words("cursor", "where the last look through the storage stopped", null=True),
    CheckConstraint("id = 1", name="one_row"),
    comment="How far the look for objects without a file has come",
)
