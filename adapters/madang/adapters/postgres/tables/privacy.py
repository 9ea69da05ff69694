"""Erasures of people."""

from sqlalchemy import Column, Index, Table, UniqueConstraint, Uuid, text

from madang.adapters.postgres.tables.schema import instant, key_column, metadata, one_of, words
from madang.core.privacy.model import ErasureStatus

erasures = Table(
    "erasures",
    metadata,
    key_column(),
    Column("user_id", Uuid, nullable=False, comment="who was: the row that it names is empty"),
    words("status"),
    instant("asked_at"),
    instant("updated_at"),
    instant("erased_at", null=True),
    instant("verified_at", "a second look found nothing any more", null=True),
    UniqueConstraint("user_id"),
    one_of("status", ErasureStatus),
    Index("ix_erasures_open", "asked_at", postgresql_where=text("status <> 'succeeded'")),
    comment="Who asked to be forgotten, and that it was done",
)
