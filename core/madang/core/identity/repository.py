"""What identity asks of storage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from madang.core.identity.model import (
    ApiKey,
    ExternalIdentity,
    OneTimeToken,
    RecoveryCode,
    RefreshToken,
    Session,
    SignInAttempts,
    TokenPurpose,
    User,
    UserStatus,
)
from madang.core.kernel.paging import Page, PageRequest
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.core.operations.audit import AuditedUnitOfWork


class UserRepository(Protocol):
    async def get(self, user_id: UUID, *, lock: bool = False) -> User | None: ...

    async def by_email(self, email_hashes: Sequence[bytes], *, lock: bool = False) -> User | None:
        """By any of the hashes: while master keys rotate, an address has one under each."""
        ...

    async def add(self, user: User) -> bool:
        """False when the e-mail is taken, also by a concurrent request; then nothing was written."""
        ...

    async def update(self, user: User) -> None:
        """Write the whole row; `version` must be one more than the row's. Raises `StaleVersion`, and `AlreadyExists` when the
        e-mail is taken."""
        ...

    async def page(self, request: PageRequest, *, role: str | None = None, status: UserStatus | None = None) -> Page[User]:
        """The newest first."""
        ...

    async def lock_active(self, role: str) -> Sequence[UUID]:
        """Who has this role and is neither suspended nor erased; locked, in one order, until the commit."""
        ...


class UserReader(Protocol):
    """Outside of a unit of work."""

    async def user(self, user_id: UUID) -> User | None:
        """By one statement."""
        ...


class SessionRepository(Protocol):
    async def add(self, session: Session) -> None: ...

    async def get(self, session_id: UUID, *, lock: bool = False) -> Session | None: ...

    async def update(self, session: Session) -> None: ...

    async def page(self, user_id: UUID, request: PageRequest, now: datetime) -> Page[Session]:
        """Those that are neither revoked nor over, the one used last first."""
        ...

    async def revoke(self, user_id: UUID, because: str, now: datetime, *, except_for: UUID | None = None) -> Sequence[UUID]:
        """End all of a user's sessions, but perhaps one; which were ended. Every API process hears of it with the commit."""
        ...

    async def revoke_one(self, session_id: UUID, because: str, now: datetime) -> bool:
        """False when it was over already. Every API process hears of it with the commit."""
        ...

    async def add_refresh(self, token: RefreshToken) -> None: ...

    async def refresh(self, digest: bytes, *, lock: bool = False) -> RefreshToken | None: ...

    async def use_refresh(self, digest: bytes, now: datetime) -> bool:
        """False when it was used before, also by a concurrent request."""
        ...

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete sessions that were over before then, with their tokens."""
        ...


class OneTimeTokenRepository(Protocol):
    async def add(self, token: OneTimeToken) -> None: ...

    async def get(self, digest: bytes, purpose: TokenPurpose, *, lock: bool = False) -> OneTimeToken | None: ...

    async def update(self, token: OneTimeToken) -> None: ...

    async def cancel(self, user_id: UUID, purpose: TokenPurpose) -> int:
        """Delete what is still open for this purpose."""
        ...

    async def issued(self, user_id: UUID, purpose: TokenPurpose, since: datetime) -> int:
        """How many were made since then, and not cancelled."""
        ...

    async def prune(self, before: datetime, *, limit: int) -> int: ...


class SignInAttemptsRepository(Protocol):
    async def lock(self, keys: Sequence[bytes], now: datetime) -> Sequence[SignInAttempts]:
        """The row of each key, made where there is none, locked until the commit."""
        ...

    async def save(self, attempts: SignInAttempts) -> None: ...

    async def clear(self, keys: Sequence[bytes]) -> int: ...

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete those that were begun before then and block nobody any more."""
        ...


class RecoveryCodeRepository(Protocol):
    async def replace(self, user_id: UUID, codes: Sequence[RecoveryCode]) -> None:
        """These and no others."""
        ...

    async def use(self, user_id: UUID, digest: bytes, now: datetime) -> bool:
        """False when there is no such unused code, also after a concurrent request."""
        ...

    async def left(self, user_id: UUID) -> int: ...


class ApiKeyRepository(Protocol):
    async def add(self, key: ApiKey) -> None:
        """A key of the same user with this id keeps its row, and is from now on opened by this one's secret."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]:
        """Those that are not revoked, the newest first."""
        ...

    async def get(self, key_id: UUID, *, lock: bool = False) -> ApiKey | None: ...

    async def update(self, key: ApiKey) -> None:
        """Every API process hears of a revocation with the commit."""
        ...

    async def revoke_all(self, user_id: UUID, now: datetime) -> Sequence[UUID]:
        """Every API process hears of it with the commit."""
        ...

    async def reconsider(self, user_id: UUID) -> None:
        """What a user's keys may do has changed with their role: every API process asks anew after the commit."""
        ...


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A key with what its owner is now."""

    key: ApiKey
    role: str
    status: UserStatus


class KeyHolders(Protocol):
    """Outside of any unit of work: it is asked for calls of the API that may need none."""

    async def by_digest(self, digest: bytes, now: datetime) -> KeyHolder | None:
        """Of a good key it also writes down that it was used, at most once a minute."""
        ...


class ExternalIdentityRepository(Protocol):
    async def get(self, issuer: str, subject: str) -> ExternalIdentity | None: ...

    async def add(self, identity: ExternalIdentity) -> bool:
        """False when it is there already, also by a concurrent request."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[ExternalIdentity]: ...

    async def remove_all(self, user_id: UUID) -> int: ...


class EndpointsOfUsers(Protocol):
    """Where somebody wants to be told of what is theirs."""

    async def delete_all(self, user_id: UUID) -> int:
        """With their deliveries."""
        ...


@dataclass(frozen=True, slots=True)
class KeptAboutUser:
    """For the export: no secret and no hash of one. Keys and external identities are JSON already."""

    sessions: Sequence[Session]
    api_keys: Sequence[Mapping[str, Any]]
    external_identities: Sequence[Mapping[str, Any]]
    recovery_codes_left: int


class IdentityRecords(Protocol):
    """All tables of identity at once, for export and erasure."""

    async def of(self, user_id: UUID) -> KeptAboutUser: ...

    async def erase(self, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """Empty the user's row and end and empty their sessions, so that every API process hears of it; delete the rest. Rows
        by table; none when it was done before."""
        ...


class IdentityUnitOfWork(AuditedUnitOfWork, NotificationsUnitOfWork, Protocol):
    @property
    def users(self) -> UserRepository: ...

    @property
    def sessions(self) -> SessionRepository: ...

    @property
    def one_time_tokens(self) -> OneTimeTokenRepository: ...

    @property
    def sign_in_attempts(self) -> SignInAttemptsRepository: ...

    @property
    def recovery_codes(self) -> RecoveryCodeRepository: ...

    @property
    def api_keys(self) -> ApiKeyRepository: ...

    @property
    def external_identities(self) -> ExternalIdentityRepository: ...

    @property
    def webhook_endpoints(self) -> EndpointsOfUsers: ...

    @property
    def identity_records(self) -> IdentityRecords: ...
