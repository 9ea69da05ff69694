"""The tables of the first product: outbox, inbox, actions, payments, portraits, notifications, receipts.

Revision ID: 0001
Revises:
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "actions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="what the provider gets as idempotency key"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("result", JSONB(), nullable=True),
        sa.Column("failure", JSONB(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'unknown')", name="ck_actions_state"),
        sa.CheckConstraint("tries >= 0", name="ck_actions_tries"),
        sa.PrimaryKeyConstraint("id", name="pk_actions"),
        sa.UniqueConstraint("key", name="uq_actions_key"),
        comment="Effects outside that cannot be undone: intent before, outcome after",
    )
    op.create_index("ix_actions_subject", "actions", ["subject"], postgresql_where=sa.text("subject IS NOT NULL"))
    op.create_index(
        "ix_actions_open",
        "actions",
        ["state", "updated_at"],
        postgresql_where=sa.text("state IN ('queued', 'running', 'unknown')"),
    )
    op.create_table(
        "deletion_receipts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("objects", JSONB(), nullable=False, comment="keys and SHA-256 of what was deleted from the storage"),
        sa.Column("row_counts", JSONB(), nullable=False, comment="rows removed or emptied, by table"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the rest"),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_deletion_receipts"),
        sa.UniqueConstraint("subject", name="uq_deletion_receipts_subject"),
        comment="What was deleted, when, and its hashes",
    )
    op.create_table(
        "heartbeats",
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="api, worker, relay"),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("process_id", name="pk_heartbeats"),
        comment="Which processes run, and when each was last heard",
    )
    op.create_index("ix_heartbeats_beat_at", "heartbeats", ["kind", "beat_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.Text(), nullable=False, comment="who asks and what for"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False, comment="the same for every try of the key"),
        sa.Column("claims", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "lease_until", sa.DateTime(timezone=True), nullable=False, comment="a claimant that died frees the key by then"
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True, comment="of the kept answer; null while in progress"),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.CheckConstraint("num_nonnulls(status, media_type, body) IN (0, 3)", name="ck_idempotency_keys_answer"),
        sa.PrimaryKeyConstraint("scope", "key", name="pk_idempotency_keys"),
        comment="Answers kept by idempotency key",
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
    op.create_table(
        "inbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False, comment="the provider's own"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("notice", JSONB(), nullable=False, comment="what the adapter read from the verified webhook"),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.UniqueConstraint("provider", "event_id", name="uq_inbox_provider_event_id"),
        comment="What providers told us, each once",
    )
    op.create_index("ix_inbox_unhandled", "inbox", ["received_at"], postgresql_where=sa.text("handled_at IS NULL"))
    op.create_table(
        "knowledge_base",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("title_ko", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("description_ko", sa.Text(), nullable=False),
        sa.Column("description_en", sa.Text(), nullable=False),
        sa.Column("weeks_min", sa.Integer(), nullable=False),
        sa.Column("weeks_max", sa.Integer(), nullable=False),
        sa.Column("cost_min", sa.BigInteger(), nullable=False, comment="whole won"),
        sa.Column("cost_max", sa.BigInteger(), nullable=False, comment="whole won"),
        sa.CheckConstraint("0 <= cost_min AND cost_min <= cost_max", name="ck_knowledge_base_cost"),
        sa.CheckConstraint("0 <= weeks_min AND weeks_min <= weeks_max", name="ck_knowledge_base_weeks"),
        sa.PrimaryKeyConstraint("code", name="pk_knowledge_base"),
        comment="The care catalogue",
    )
    op.create_index("ix_knowledge_base_category", "knowledge_base", ["category", "code"])
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("payload", JSONB(), nullable=False, comment="ids, no personal data"),
        sa.Column("key", sa.Text(), nullable=True, comment="unique while the row is kept: a second message with it is dropped"),
        sa.Column("subject", sa.Text(), nullable=True, comment="what it is about: portrait:<id>"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="claims so far"),
        sa.Column(
            "failures", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="tries that ended in an error"
        ),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "lease_token",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="the fence: grows with every claim",
        ),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("last_failure", JSONB(), nullable=True),
        sa.Column("request_id", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'leased') = (lease_until IS NOT NULL)", name="ck_messages_lease"),
        sa.CheckConstraint("lane IN ('short', 'long')", name="ck_messages_lane"),
        sa.CheckConstraint("state IN ('waiting', 'leased', 'done', 'dead')", name="ck_messages_state"),
        sa.CheckConstraint("attempts >= 0 AND failures >= 0", name="ck_messages_counts"),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        comment="The outbox: what must follow a commit, due until the row says done",
        postgresql_with={"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_insert_scale_factor": "0.05"},
    )
    op.create_index("ix_messages_dead", "messages", ["created_at"], postgresql_where=sa.text("state = 'dead'"))
    op.create_index("ix_messages_done", "messages", ["done_at"], postgresql_where=sa.text("state = 'done' AND key IS NULL"))
    op.create_index(
        "ix_messages_done_keyed", "messages", ["done_at"], postgresql_where=sa.text("state = 'done' AND key IS NOT NULL")
    )
    op.create_index("ix_messages_due", "messages", ["lane", "due_at", "id"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index("ix_messages_leased", "messages", ["lane", "lease_until"], postgresql_where=sa.text("state = 'leased'"))
    op.create_index(
        "ix_messages_subject",
        "messages",
        ["subject"],
        postgresql_where=sa.text("state IN ('waiting', 'leased') AND subject IS NOT NULL"),
    )
    op.create_index("uq_messages_key", "messages", ["key"], unique=True, postgresql_where=sa.text("key IS NOT NULL"))
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="one reason to write, one message"),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=True, comment="encrypted; empty once purged"),
        sa.Column("text", sa.LargeBinary(), nullable=True, comment="encrypted; empty once purged"),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("receipt_id", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("channel IN ('sms')", name="ck_notifications_channel"),
        sa.CheckConstraint("status IN ('queued', 'sent', 'failed', 'unknown')", name="ck_notifications_status"),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.UniqueConstraint("key", name="uq_notifications_key"),
        comment="Messages to people, and what became of them",
    )
    op.create_index("ix_notifications_subject", "notifications", ["subject"])
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False, comment="the context that sells"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what is bought: portrait:<id>"),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="in the currency's minor unit"),
        sa.Column("currency", sa.CHAR(length=3), nullable=False, comment="ISO 4217"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True, comment="the provider's own id of the payment"),
        sa.Column("checkout_url", sa.Text(), nullable=True),
        sa.Column("client_params", JSONB(), nullable=True, comment="for the provider's browser SDK"),
        sa.Column("refunded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_payments_currency"),
        sa.CheckConstraint(
            "status IN ('created', 'pending', 'authorised', 'paid', 'partly_refunded', "
            "'refunded', 'failed', 'cancelled', 'expired', 'disputed')",
            name="ck_payments_status",
        ),
        sa.CheckConstraint("amount >= 0 AND refunded BETWEEN 0 AND amount", name="ck_payments_amount"),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        comment="Purchases; kept after the purge, without the person",
    )
    op.create_index(
        "ix_payments_open",
        "payments",
        ["expires_at"],
        postgresql_where=sa.text("status IN ('created', 'pending', 'authorised', 'failed')"),
    )
    op.create_index("ix_payments_subject", "payments", ["subject"])
    op.create_index(
        "uq_payments_reference",
        "payments",
        ["provider", "reference"],
        unique=True,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_table(
        "portraits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False, comment="who ordered; empty once purged"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="in the currency's minor unit"),
        sa.Column("currency", sa.CHAR(length=3), nullable=False, comment="ISO 4217"),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("client_reference", sa.Text(), nullable=True),
        sa.Column("phone", sa.LargeBinary(), nullable=True, comment="E.164, encrypted"),
        sa.Column("phone_hash", sa.LargeBinary(), nullable=True, comment="keyed hash of the number"),
        sa.Column("photo", JSONB(), nullable=True),
        sa.Column("report", JSONB(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, comment="nothing personal is left after it"),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_portraits_currency"),
        sa.CheckConstraint(
            "failure IN ('pictures_could_not_be_made', 'report_could_not_be_written', 'payment_taken_back')",
            name="ck_portraits_failure",
        ),
        sa.CheckConstraint(
            "purged_at IS NULL OR (account = '' AND num_nonnulls(client_reference, phone, phone_hash, photo, report) = 0)",
            name="ck_portraits_purged",
        ),
        sa.CheckConstraint(
            "status IN ('pending_payment', 'pending_phone', 'pending_upload', 'processing', 'completed', 'failed', 'expired')",
            name="ck_portraits_status",
        ),
        sa.CheckConstraint("amount >= 0", name="ck_portraits_amount"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_portraits_payments", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_portraits"),
        comment="Portrait jobs",
    )
    op.create_index("ix_portraits_processing", "portraits", ["updated_at"], postgresql_where=sa.text("status = 'processing'"))
    op.create_index("ix_portraits_unpurged", "portraits", ["expires_at"], postgresql_where=sa.text("purged_at IS NULL"))
    op.create_index(
        "uq_portraits_client_reference",
        "portraits",
        ["account", "client_reference"],
        unique=True,
        postgresql_where=sa.text("client_reference IS NOT NULL"),
    )
    op.create_index("uq_portraits_payment_id", "portraits", ["payment_id"], unique=True)
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="one reason to refund, one refund"),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="in the currency's minor unit"),
        sa.Column("currency", sa.CHAR(length=3), nullable=False, comment="ISO 4217"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_refunds_currency"),
        sa.CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'unknown')", name="ck_refunds_status"),
        sa.CheckConstraint("amount >= 0", name="ck_refunds_amount"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_refunds_payments", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_refunds"),
        sa.UniqueConstraint("key", name="uq_refunds_key"),
        comment="Money going back",
    )
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    op.create_table(
        "portrait_access_attempts",
        sa.Column("portrait_id", sa.Uuid(), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False, comment="keyed hash of the network address"),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["portrait_id"], ["portraits.id"], name="fk_portrait_access_attempts_portraits", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("portrait_id", "address_hash", name="pk_portrait_access_attempts"),
        comment="Wrong phone numbers, by job and address",
    )
    op.create_table(
        "portrait_pictures",
        sa.Column("portrait_id", sa.Uuid(), nullable=False),
        sa.Column("index", sa.SmallInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("full_file", JSONB(), nullable=True),
        sa.Column("webp_file", JSONB(), nullable=True),
        sa.Column("thumbnail_file", JSONB(), nullable=True),
        sa.CheckConstraint("status IN ('waiting', 'made', 'failed')", name="ck_portrait_pictures_status"),
        sa.CheckConstraint("index >= 0", name="ck_portrait_pictures_index"),
        sa.ForeignKeyConstraint(["portrait_id"], ["portraits.id"], name="fk_portrait_pictures_portraits", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("portrait_id", "index", name="pk_portrait_pictures"),
        comment="The results of a job: one prompt, several seeds",
    )
    op.create_table(
        "portrait_surveys",
        sa.Column("portrait_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("score BETWEEN 1 AND 5", name="ck_portrait_surveys_score"),
        sa.ForeignKeyConstraint(["portrait_id"], ["portraits.id"], name="fk_portrait_surveys_portraits", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("portrait_id", name="pk_portrait_surveys"),
        comment="What buyers said, once a job",
    )


def downgrade() -> None:
    op.drop_table("portrait_surveys")
    op.drop_table("portrait_pictures")
    op.drop_table("portrait_access_attempts")
    op.drop_table("refunds")
    op.drop_table("portraits")
    op.drop_table("payments")
    op.drop_table("notifications")
    op.drop_table("messages")
    op.drop_table("knowledge_base")
    op.drop_table("inbox")
    op.drop_table("idempotency_keys")
    op.drop_table("heartbeats")
    op.drop_table("deletion_receipts")
    op.drop_table("actions")
