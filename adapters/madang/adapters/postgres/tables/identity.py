"""Users, their sessions and their keys."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from madang.adapters.postgres.tables.schema import (
    count,
    instant,
    key_column,
    keyed_hash,
    metadata,
    one_of,
    person,
    sealed,
    unsealed,
    words,
)
from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE, PHONE_PURPOSE, TokenPurpose, UserStatus
from madang.core.identity.roles import Role


def digest(comment: str = "SHA-256") -> Column[bytes]:
    return unsealed("digest", "the hash of random bytes", comment)


def of_user() -> tuple[Column[object], ForeignKeyConstraint]:
    return person(), ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE")


users = Table(
    "users",
    metadata,
    key_column(),
    sealed("email", purpose=EMAIL_PURPOSE),
    keyed_hash("email_hash", "keyed hash of the address in lower case", of="email", purpose=EMAIL_PURPOSE),
    instant("email_verified_at", null=True),
    sealed("name", purpose=NAME_PURPOSE),
    sealed("phone", "E.164, encrypted", purpose=PHONE_PURPOSE),
    words("role"),
    words("status"),
    words("locale"),
    words("password_hash", "Argon2id, or bcrypt until the next sign-in", null=True),
    instant("password_changed_at", null=True),
    sealed("totp_secret", purpose="identity.totp_secret"),
    instant("totp_confirmed_at", null=True),
    Column("totp_last_step", Integer, comment="the newest time step that was used: none is accepted twice"),
    instant("created_at"),
    instant("updated_at"),
    Column("version", Integer, nullable=False, server_default=text("1")),
    one_of("role", Role),
    one_of("status", UserStatus),
    CheckConstraint(
        "status <> 'erased' OR num_nonnulls(email, email_hash, name, phone, password_hash, totp_secret) = 0", name="erased"
    ),
    Index("uq_users_email_hash", "email_hash", unique=True, postgresql_where=text("email_hash IS NOT NULL")),
    Index("ix_users_created_at", "created_at", "id"),
    comment="People with an account; emptied, not deleted, when they are erased",
)

sessions = Table(
    "sessions",
    metadata,
    key_column(),
    *of_user(),
    instant("created_at"),
    instant("last_used_at"),
    instant("expires_at"),
    sealed("agent", purpose="identity.agent"),
    sealed("address", purpose="identity.address"),
    instant("revoked_at", null=True),
    words("revoked_because", null=True),
    Index("ix_sessions_user_id", "user_id", "last_used_at"),
    Index("ix_sessions_expires_at", "expires_at"),
    Index("ix_sessions_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
    comment="Sign-ins: each is the family of its refresh tokens",
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    digest(),
    Column("session_id", Uuid, nullable=False),
    instant("issued_at"),
    instant("expires_at"),
    instant("used_at", null=True),
    PrimaryKeyConstraint("digest"),
    ForeignKeyConstraint(["session_id"], ["sessions.id"], ondelete="CASCADE"),
    Index("ix_refresh_tokens_session_id", "session_id"),
    comment="Refresh tokens by their hash, each good once",
)

one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    digest(),
    *of_user(),
    words("purpose"),
    instant("created_at"),
    instant("expires_at"),
    instant("used_at", null=True),
    count("failures"),
    PrimaryKeyConstraint("digest"),
    one_of("purpose", TokenPurpose),
    Index("ix_one_time_tokens_user_id", "user_id", "purpose"),
    Index("ix_one_time_tokens_expires_at", "expires_at"),
    comment="Mailed and handed-out tokens by their hash, each good once",
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    unsealed("key", "forgotten after the block", "keyed hash of an account's e-mail or of a network address"),
    count("failures"),
    instant("first_at"),
    instant("blocked_until", null=True),
    PrimaryKeyConstraint("key"),
    Index("ix_sign_in_attempts_first_at", "first_at"),
    comment="Wrong passwords, by account and by address; forgotten after the block",
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    *of_user(),
    digest(),
    instant("used_at", null=True),
    PrimaryKeyConstraint("user_id", "digest"),
    comment="For who has lost their authenticator, each good once",
)

api_keys = Table(
    "api_keys",
    metadata,
    key_column(),
    *of_user(),
    words("name"),
    words("prefix", "what the owner recognises it by"),
    digest(),
    Column("permissions", JSONB, nullable=False),
    instant("created_at"),
    instant("expires_at", null=True),
    instant("last_used_at", null=True),
    instant("revoked_at", null=True),
    UniqueConstraint("digest"),
    Index("ix_api_keys_user_id", "user_id", "created_at"),
    Index("ix_api_keys_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
    comment="Named keys with permissions; the key itself is shown once",
)

external_identities = Table(
    "external_identities",
    metadata,
    words("issuer"),
    words("subject"),
    *of_user(),
    words("provider"),
    instant("created_at"),
    PrimaryKeyConstraint("issuer", "subject"),
    Index("ix_external_identities_user_id", "user_id"),
    comment="Who somebody is at a foreign issuer",
)
