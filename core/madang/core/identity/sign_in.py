"""Signing in with e-mail and password."""

import asyncio
import dataclasses
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from madang.core.identity.emails import EmailAddresses
from madang.core.identity.lockout import Lockout, Tries
from madang.core.identity.model import EMAIL_PURPOSE, TokenPurpose, User, UserStatus
from madang.core.identity.one_time import LIFETIME, OneTimeTokens
from madang.core.identity.passwords import PasswordHasher, Verdict
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.identity.sessions import SessionService, SignedIn
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import PermissionDenied, Unauthenticated
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditAction, AuditTrail

_LOOKS: Final = 2
"""Another sign-in may upgrade the hash while we verify it."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The password was right, and a second factor is asked for: `token` goes with the code."""

    token: str = field(repr=False)
    expires_at: datetime


class SignInService:
    """`least_seconds` is the time that a refusal takes at least: it is the same whether there is such an account, and how its
    password is hashed."""

    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        sessions: SessionService,
        one_time: OneTimeTokens,
        lockout: Lockout,
        hasher: PasswordHasher,
        emails: EmailAddresses,
        notifier: Notifier,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
        *,
        least_seconds: float,
    ) -> None:
        self._units = units
        self._sessions = sessions
        self._one_time = one_time
        self._lockout = lockout
        self._hasher = hasher
        self._emails = emails
        self._notifier = notifier
        self._cipher = cipher
        self._audit_trail = audit_trail
        self._clock = clock
        self._least_seconds = least_seconds

    async def sign_in(self, email: str, password: str, caller: Caller) -> SignedIn | Challenge:
        """A session, or what must be answered first. Raises `Unauthenticated` (`INVALID_CREDENTIALS`) without a hint at what
        was wrong, `TooManyAttempts`, and `PermissionDenied` (`ACCOUNT_SUSPENDED`) to who knows the password."""
        began = time.monotonic()
        spelling = self._emails.spelling(email)
        tries = self._lockout.tries(spelling, caller.address)
        async with self._units() as uow:
            await self._lockout.begin(uow, tries)
            user = await uow.users.by_email(self._cipher.keyed_hashes(spelling, purpose=EMAIL_PURPOSE))
        for _ in range(_LOOKS):
            verdict = await self._hasher.verify(password, user.password_hash if user else None)
            if user is None or not verdict.matches:
                break
            opened = await self._let_in(user, verdict, tries, caller)
            if not isinstance(opened, User):
                return opened
            user = opened
        await self._count(user, tries, caller)
        await asyncio.sleep(self._least_seconds - (time.monotonic() - began))
        raise Unauthenticated("the e-mail address or the password is wrong", code="INVALID_CREDENTIALS")

    async def _let_in(self, seen: User, verdict: Verdict, tries: Tries, caller: Caller) -> SignedIn | Challenge | User:
        """The user anew when their password was changed, or its hash upgraded, while we looked at it."""
        async with self._units() as uow:
            user = await uow.users.get(seen.id, lock=True) or seen
            if user.password_hash != seen.password_hash:
                return user
            if user.status is UserStatus.ACTIVE:
                return await self._open(uow, await self._upgraded(uow, user, verdict), tries, caller)
            await self._lockout.give_back(uow, tries)
            await self._tell_audit(uow, AuditAction.USER_LOGIN_FAILED, user, caller, because=user.status.value)
        raise PermissionDenied("this account is suspended", code="ACCOUNT_SUSPENDED")

    async def _open(self, uow: IdentityUnitOfWork, user: User, tries: Tries, caller: Caller) -> SignedIn | Challenge:
        if not user.two_factor:
            await self._lockout.clear(uow, tries)
            return await self._sessions.open(uow, user, caller)
        await self._lockout.give_back(uow, tries)
        token = await self._one_time.issue(uow, user.id, TokenPurpose.TWO_FACTOR)
        return Challenge(token, self._clock.now() + LIFETIME[TokenPurpose.TWO_FACTOR])

    async def _upgraded(self, uow: IdentityUnitOfWork, user: User, verdict: Verdict) -> User:
        """A hash of an older kind is replaced while the password is at hand."""
        if verdict.upgraded is None:
            return user
        renewed = dataclasses.replace(
            user, password_hash=verdict.upgraded, updated_at=self._clock.now(), version=user.version + 1
        )
        await uow.users.update(renewed)
        return renewed

    async def _count(self, user: User | None, tries: Tries, caller: Caller) -> None:
        async with self._units() as uow:
            shut = await self._lockout.fail(uow, tries)
            await self._tell_audit(uow, AuditAction.USER_LOGIN_FAILED, user, caller)
            if shut:
                await self._tell_audit(uow, AuditAction.USER_LOCKED_OUT, user, caller)
                await self._tell_person(uow, user)

    async def _tell_person(self, uow: IdentityUnitOfWork, user: User | None) -> None:
        if user is not None and user.status is UserStatus.ACTIVE:
            key = f"locked-out:{user.id}:{self._clock.now().isoformat()}"
            await self._notifier.notify(uow, user.id, "identity.locked_out", key=key, values={})

    async def _tell_audit(
        self, uow: IdentityUnitOfWork, action: AuditAction, user: User | None, caller: Caller, **details: str
    ) -> None:
        subject = "user:unknown" if user is None else f"user:{user.id}"
        await self._audit_trail.record(uow, caller, action, subject, person_id=user.id if user else None, **details)
