"""Sessions: a sign-in with its tokens, the rotation of these, and its end.

A refresh token is good once. One that is shown again is in two hands, and nobody can tell which of them is the thief's: the
whole family, which is the session, ends.
"""

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from madang.core.identity.model import (
    ACCESS_LIFETIME,
    ADDRESS_PURPOSE,
    AGENT_PURPOSE,
    REFRESH_LIFETIME,
    RefreshToken,
    Session,
    User,
    UserStatus,
)
from madang.core.identity.one_time import digest_of, new_secret
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.identity.roles import permissions_of
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound, Unauthenticated
from madang.core.kernel.ids import new_id
from madang.core.kernel.paging import Page, PageRequest
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.tokens import Tokens
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail

AUDIENCE: Final = "api"
_MAX_AGENT: Final = 400
"""Characters of a User-Agent that are kept: enough to recognise a browser by."""


class Ended(StrEnum):
    """Why a session is over."""

    LOGOUT = "logout"
    REVOKED = "revoked"
    REUSED = "refresh_token_reused"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a word, not a password
    SUSPENDED = "suspended"
    ROLE_CHANGED = "role_changed"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session's tokens: they are nowhere else."""

    user: User
    session_id: UUID
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires_at: datetime
    refresh_expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session for its owner's eyes; `current` is the one that asks."""

    id: UUID
    current: bool
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    agent: str | None = field(repr=False)
    address: str | None = field(repr=False)


class SessionService:
    """`lifetime` is how long a session can be refreshed at most, counted from the sign-in."""

    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        tokens: Tokens,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
        *,
        lifetime: timedelta,
    ) -> None:
        self._units = units
        self._tokens = tokens
        self._cipher = cipher
        self._audit_trail = audit_trail
        self._clock = clock
        self._lifetime = lifetime

    async def open(self, uow: IdentityUnitOfWork, user: User, caller: Caller) -> SignedIn:
        """A new session of `user`, who has proved who they are, in the caller's commit.

        The user's row is new or locked: what ends all their sessions locks it, too, and so misses none.
        """
        now = self._clock.now()
        expires_at = now + min(REFRESH_LIFETIME, self._lifetime)
        agent, address = self._whereabouts(caller)
        session = Session(
            new_id(), user.id, created_at=now, last_used_at=now, expires_at=expires_at, agent=agent, address=address
        )
        await uow.sessions.add(session)
        await self._audit_trail.record(
            uow, caller, AuditAction.USER_LOGIN, f"user:{user.id}", person_id=user.id, sessionId=str(session.id)
        )
        return await self._with_tokens(uow, user, session)

    async def refresh(self, written: str, caller: Caller) -> SignedIn:
        """The next tokens of a session. Raises `Unauthenticated`: for a token that was used before with the code
        `REFRESH_TOKEN_REUSED`, after ending its session."""
        digest = digest_of(written)
        async with self._units() as uow:
            token = await uow.sessions.refresh(digest)
            session = await uow.sessions.get(token.session_id, lock=True) if token else None
            if token is None or session is None:
                raise _not_valid()
            if await uow.sessions.use_refresh(digest, self._clock.now()):
                return await self._rotate(uow, token, session, caller)
            await self._end_family(uow, session, caller)
        raise Unauthenticated("this refresh token was used before: its session is over", code="REFRESH_TOKEN_REUSED")

    async def page(self, caller: Caller, request: PageRequest) -> Page[OpenSession]:
        """Where this person is signed in, the session used last first."""
        async with self._units() as uow:
            page = await uow.sessions.page(caller.person, request, self._clock.now())
        return Page([self._legible(session, caller) for session in page.items], page.total, page.page, page.limit)

    async def end(self, caller: Caller, session_id: UUID) -> None:
        """Raises `NotFound`, also for another's session and for one that is over."""
        async with self._units() as uow:
            session = await uow.sessions.get(session_id, lock=True)
            mine = session is not None and session.user_id == caller.person
            if not mine or not await uow.sessions.revoke_one(session_id, Ended.REVOKED, self._clock.now()):
                raise NotFound("there is no such session", code="SESSION_NOT_FOUND")
            await self._audit_trail.record(uow, caller, AuditAction.SESSION_REVOKED, f"session:{session_id}")

    async def log_out(self, caller: Caller) -> None:
        """End the caller's own session; doing it again changes nothing."""
        async with self._units() as uow:
            if await uow.sessions.revoke_one(caller.session, Ended.LOGOUT, self._clock.now()):
                await self._audit_trail.record(uow, caller, AuditAction.USER_LOGOUT, f"session:{caller.session}")

    async def _rotate(self, uow: IdentityUnitOfWork, token: RefreshToken, session: Session, caller: Caller) -> SignedIn:
        now = self._clock.now()
        user = await uow.users.get(session.user_id)
        over = session.revoked_at is not None or min(session.expires_at, token.expires_at) <= now
        if over or user is None or user.status is not UserStatus.ACTIVE:
            raise _not_valid()
        expires_at = min(now + REFRESH_LIFETIME, session.created_at + self._lifetime)
        agent, address = self._whereabouts(caller)
        moved = dataclasses.replace(session, last_used_at=now, expires_at=expires_at, agent=agent, address=address)
        await uow.sessions.update(moved)
        return await self._with_tokens(uow, user, moved)

    async def _end_family(self, uow: IdentityUnitOfWork, session: Session, caller: Caller) -> None:
        """Once: whoever shows the token a third time is told, and nothing more is written down."""
        if await uow.sessions.revoke_one(session.id, Ended.REUSED, self._clock.now()):
            subject, owner = f"session:{session.id}", session.user_id
            await self._audit_trail.record(uow, caller, AuditAction.REFRESH_TOKEN_REUSED, subject, person_id=owner)

    async def _with_tokens(self, uow: IdentityUnitOfWork, user: User, session: Session) -> SignedIn:
        now, refresh_token = self._clock.now(), new_secret()
        await uow.sessions.add_refresh(RefreshToken(digest_of(refresh_token), session.id, now, session.expires_at))
        expires_at = min(now + ACCESS_LIFETIME, session.created_at + self._lifetime)
        extra = {
            "userId": str(user.id),
            "role": user.role,
            "permissions": sorted(permissions_of(user.role)),
            "sid": str(session.id),
        }
        access_token = self._tokens.issue(AUDIENCE, str(user.id), expires_at=expires_at, extra=extra)
        return SignedIn(user, session.id, access_token, refresh_token, expires_at, session.expires_at)

    def _whereabouts(self, caller: Caller) -> tuple[bytes | None, bytes | None]:
        """Agent and address, for the owner to recognise where they are signed in."""
        agent = caller.agent[:_MAX_AGENT] if caller.agent else None
        return self._sealed(agent, AGENT_PURPOSE), self._sealed(caller.address, ADDRESS_PURPOSE)

    def _legible(self, session: Session, caller: Caller) -> OpenSession:
        return OpenSession(
            session.id,
            session.id == caller.session_id,
            session.created_at,
            session.last_used_at,
            session.expires_at,
            agent=self._opened(session.agent, AGENT_PURPOSE),
            address=self._opened(session.address, ADDRESS_PURPOSE),
        )

    def _opened(self, sealed: bytes | None, purpose: str) -> str | None:
        return None if sealed is None else self._cipher.decrypt(sealed, purpose=purpose)

    def _sealed(self, written: str | None, purpose: str) -> bytes | None:
        return None if written is None else self._cipher.encrypt(written, purpose=purpose)


def _not_valid() -> Unauthenticated:
    return Unauthenticated("the refresh token is not valid")
