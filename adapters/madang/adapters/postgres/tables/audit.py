"""The audit trail, and the data keys that seal what is personal in it."""

from sqlalchemy import Column, Index, Table, Uuid

from madang.adapters.postgres.tables.schema import (
    PERSONAL,
    document,
    instant,
    key_column,
    metadata,
    one_of,
    sealed,
    unsealed,
    words,
)
from madang.core.kernel.caller import CallerKind
from madang.core.kernel.protection import DATA_KEY_PURPOSE

audit_events = Table(
    "audit_events",
    metadata,
    key_column(),
    instant("at"),
    words("action", "one of AuditAction: a new one needs no migration"),
    words("actor_kind"),
    Column("actor_id", Uuid, comment="the user, or the user whose API key it was"),
    Column("api_key_id", Uuid),
    words("subject", "what it was done to: user:<id>"),
    words("request_id"),
    Column("person_id", Uuid, comment="whose data key seals the origin"),
    unsealed("origin", "sealed under the person's own key", "address and User-Agent, sealed", null=True),
    document("details"),
    one_of("actor_kind", CallerKind),
    Index("ix_audit_events_at", "at", "id"),
    Index("ix_audit_events_actor_id", "actor_id", "at"),
    Index("ix_audit_events_subject", "subject", "at"),
    comment="Who did what to whom; a trigger refuses to change or delete a row",
)

personal_keys = Table(
    "personal_keys",
    metadata,
    Column("person_id", Uuid, primary_key=True, info=PERSONAL),
    sealed("wrapped", "the data key, sealed under the master key", purpose=DATA_KEY_PURPOSE, null=False),
    instant("created_at", now=True),
    comment="One data key a person: destroyed with the person, it takes along what it sealed",
)
