"""Users, their sessions and their keys (seed 002, "Auth Service")."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

ACCESS_LIFETIME: Final = timedelta(hours=1)
REFRESH_LIFETIME: Final = timedelta(days=7)
EMAIL_PURPOSE: Final = "identity.email"
NAME_PURPOSE: Final = "identity.name"
PHONE_PURPOSE: Final = "identity.phone"
AGENT_PURPOSE: Final = "identity.agent"
ADDRESS_PURPOSE: Final = "identity.address"


class UserStatus(StrEnum):
    """`ERASING`: asked to be forgotten; nothing brings the account back. `ERASED`: nothing personal is left; the row stays so
    that what the law keeps points at something."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ERASING = "erasing"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class User:
    """`email`, `name`, `phone` (E.164) and `totp_secret` are encrypted; `email_hash` finds the account. Without a
    `password_hash` only an external identity signs in. `totp_last_step` is the newest TOTP time step that was used: none is
    accepted twice. `version` grows with every change and is the ETag."""

    id: UUID
    role: str
    status: UserStatus
    locale: str
    created_at: datetime
    updated_at: datetime
    email: bytes | None = field(default=None, repr=False)
    email_hash: bytes | None = field(default=None, repr=False)
    email_verified_at: datetime | None = None
    name: bytes | None = field(default=None, repr=False)
    phone: bytes | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)
    password_changed_at: datetime | None = None
    totp_secret: bytes | None = field(default=None, repr=False)
    totp_confirmed_at: datetime | None = None
    totp_last_step: int | None = None
    version: int = 1

    @property
    def two_factor(self) -> bool:
        return self.totp_confirmed_at is not None


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in, and the family of its refresh tokens. `agent` and `address` are encrypted, for the owner to read.
    A session ends at `expires_at` unless a refresh moves it, and at once when `revoked_at` is set."""

    id: UUID
    user_id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    agent: bytes | None = field(default=None, repr=False)
    address: bytes | None = field(default=None, repr=False)
    revoked_at: datetime | None = None
    revoked_because: str | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Stored by its SHA-256. `used_at` set and the token shown again: somebody else has it, and the family ends."""

    digest: bytes = field(repr=False)
    session_id: UUID
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class TokenPurpose(StrEnum):
    """What a mailed or handed-out one-time token is good for."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a word, not a password
    TWO_FACTOR = "two_factor"


@dataclass(frozen=True, slots=True)
class OneTimeToken:
    """Stored by its SHA-256; good once, until `expires_at`."""

    digest: bytes = field(repr=False)
    user_id: UUID
    purpose: TokenPurpose
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class SignInAttempts:
    """Wrong tries by `key`: a keyed hash of an account's e-mail or of a network address."""

    key: bytes = field(repr=False)
    failures: int
    first_at: datetime
    blocked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """Stored by its SHA-256 (the codes are random); good once."""

    user_id: UUID
    digest: bytes = field(repr=False)
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`prefix` is what the owner recognises it by; the key itself is shown once and stored by its SHA-256."""

    id: UUID
    user_id: UUID
    name: str
    prefix: str
    digest: bytes = field(repr=False)
    permissions: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """Who somebody is at a foreign issuer: `issuer` and `subject` are the one stable identity."""

    issuer: str
    subject: str
    user_id: UUID
    provider: str
    created_at: datetime
