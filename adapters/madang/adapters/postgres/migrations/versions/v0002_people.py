"""People: users, sessions and keys; the audit trail and the data keys that seal what is personal in it.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_APPEND_ONLY = """
CREATE FUNCTION refuse_to_change_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'insufficient_privilege';
END $$
"""
_TRIGGERS = (
    (
        "CREATE TRIGGER audit_events_rows BEFORE UPDATE OR DELETE ON audit_events FOR EACH ROW "
        "EXECUTE FUNCTION refuse_to_change_audit_events()"
    ),
    (
        "CREATE TRIGGER audit_events_table BEFORE TRUNCATE ON audit_events FOR EACH STATEMENT "
        "EXECUTE FUNCTION refuse_to_change_audit_events()"
    ),
)


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False, comment="one of AuditAction: a new one needs no migration"),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True, comment="the user, or the user whose API key it was"),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it was done to: user:<id>"),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True, comment="whose data key seals the origin"),
        sa.Column("origin", sa.LargeBinary(), nullable=True, comment="address and User-Agent, sealed"),
        sa.Column("details", JSONB(), nullable=False),
        sa.CheckConstraint(
            "actor_kind IN ('user', 'api_key', 'buyer', 'anonymous', 'operator', 'system')", name="ck_audit_events_actor_kind"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
        comment="Who did what to whom; a trigger refuses to change or delete a row",
    )
    op.create_index("ix_audit_events_actor_id", "audit_events", ["actor_id", "at"], unique=False)
    op.create_index("ix_audit_events_at", "audit_events", ["at", "id"], unique=False)
    op.create_index("ix_audit_events_subject", "audit_events", ["subject", "at"], unique=False)
    op.create_table(
        "personal_keys",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False, comment="the data key, sealed under the master key"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_personal_keys"),
        comment="One data key a person: destroyed with the person, it takes along what it sealed",
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("key", sa.LargeBinary(), nullable=False, comment="keyed hash of an account's e-mail or of a network address"),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_sign_in_attempts"),
        comment="Wrong passwords, by account and by address; forgotten after the block",
    )
    op.create_index("ix_sign_in_attempts_first_at", "sign_in_attempts", ["first_at"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column("email_hash", sa.LargeBinary(), nullable=True, comment="keyed hash of the address in lower case"),
        sa.Column("email_verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column("phone", sa.LargeBinary(), nullable=True, comment="E.164, encrypted"),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True, comment="Argon2id, or bcrypt until the next sign-in"),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("totp_secret", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column("totp_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "totp_last_step", sa.Integer(), nullable=True, comment="the newest time step that was used: none is accepted twice"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("role IN ('client', 'pm', 'developer', 'admin')", name="ck_users_role"),
        sa.CheckConstraint(
            "status <> 'erased' OR num_nonnulls(email, email_hash, name, phone, password_hash, totp_secret) = 0",
            name="ck_users_erased",
        ),
        sa.CheckConstraint("status IN ('active', 'suspended', 'erased')", name="ck_users_status"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        comment="People with an account; emptied, not deleted, when they are erased",
    )
    op.create_index("ix_users_created_at", "users", ["created_at", "id"], unique=False)
    op.create_index(
        "uq_users_email_hash", "users", ["email_hash"], unique=True, postgresql_where=sa.text("email_hash IS NOT NULL")
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False, comment="what the owner recognises it by"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256"),
        sa.Column("permissions", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
        comment="Named keys with permissions; the key itself is shown once",
    )
    op.create_index(
        "ix_api_keys_revoked_at", "api_keys", ["revoked_at"], unique=False, postgresql_where=sa.text("revoked_at IS NOT NULL")
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id", "created_at"], unique=False)
    op.create_table(
        "external_identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_external_identities_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_external_identities"),
        comment="Who somebody is at a foreign issuer",
    )
    op.create_index("ix_external_identities_user_id", "external_identities", ["user_id"], unique=False)
    op.create_table(
        "one_time_tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256"),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("purpose IN ('verify_email', 'reset_password', 'two_factor')", name="ck_one_time_tokens_purpose"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_one_time_tokens_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="pk_one_time_tokens"),
        comment="Mailed and handed-out tokens by their hash, each good once",
    )
    op.create_index("ix_one_time_tokens_expires_at", "one_time_tokens", ["expires_at"], unique=False)
    op.create_index("ix_one_time_tokens_user_id", "one_time_tokens", ["user_id", "purpose"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256"),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_recovery_codes_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "digest", name="pk_recovery_codes"),
        comment="For who has lost their authenticator, each good once",
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column("address", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_because", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        comment="Sign-ins: each is the family of its refresh tokens",
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)
    op.create_index(
        "ix_sessions_revoked_at", "sessions", ["revoked_at"], unique=False, postgresql_where=sa.text("revoked_at IS NOT NULL")
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id", "last_used_at"], unique=False)
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256"),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_refresh_tokens_sessions", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_tokens"),
        comment="Refresh tokens by their hash, each good once",
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"], unique=False)
    op.execute(_APPEND_ONLY)
    for trigger in _TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    op.drop_index("ix_refresh_tokens_session_id", table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_index("ix_sessions_user_id", table_name="sessions")
    op.drop_index("ix_sessions_revoked_at", table_name="sessions", postgresql_where=sa.text("revoked_at IS NOT NULL"))
    op.drop_index("ix_sessions_expires_at", table_name="sessions")
    op.drop_table("sessions")
    op.drop_table("recovery_codes")
    op.drop_index("ix_one_time_tokens_user_id", table_name="one_time_tokens")
    op.drop_index("ix_one_time_tokens_expires_at", table_name="one_time_tokens")
    op.drop_table("one_time_tokens")
    op.drop_index("ix_external_identities_user_id", table_name="external_identities")
    op.drop_table("external_identities")
    op.drop_index("ix_api_keys_user_id", table_name="api_keys")
    op.drop_index("ix_api_keys_revoked_at", table_name="api_keys", postgresql_where=sa.text("revoked_at IS NOT NULL"))
    op.drop_table("api_keys")
    op.drop_index("uq_users_email_hash", table_name="users", postgresql_where=sa.text("email_hash IS NOT NULL"))
    op.drop_index("ix_users_created_at", table_name="users")
    op.drop_table("users")
    op.drop_index("ix_sign_in_attempts_first_at", table_name="sign_in_attempts")
    op.drop_table("sign_in_attempts")
    op.drop_table("personal_keys")
    op.drop_index("ix_audit_events_subject", table_name="audit_events")
    op.drop_index("ix_audit_events_at", table_name="audit_events")
    op.drop_index("ix_audit_events_actor_id", table_name="audit_events")
    op.drop_table("audit_events")
    op.execute("DROP FUNCTION refuse_to_change_audit_events()")
