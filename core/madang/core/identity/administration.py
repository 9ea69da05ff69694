"""Everybody's accounts, for administrators: look, change a role, suspend, reinstate."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from madang.core.identity.emails import EmailAddresses
from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE, TokenPurpose, User, UserStatus
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.identity.roles import Role, permissions_of
from madang.core.identity.sessions import Ended
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, Gone, NotFound, PermissionDenied, StaleVersion
from madang.core.kernel.paging import Page, PageRequest
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail

_STATUS_ACTION: Final = {
    UserStatus.SUSPENDED: AuditAction.USER_SUSPENDED,
    UserStatus.ACTIVE: AuditAction.USER_REINSTATED,
}


@dataclass(frozen=True, slots=True)
class Account:
    """A user with what is encrypted in the row."""

    user: User
    email: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class UserChange:
    """What is None stays. `versions` are those that the change was made for, None for whichever it is."""

    role: Role | None = None
    status: UserStatus | None = None
    versions: Collection[int] | None = None


class UserAdministration:
    """Reading who somebody is leaves a trace; there is always an administrator left."""

    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        emails: EmailAddresses,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._emails = emails
        self._cipher = cipher
        self._audit_trail = audit_trail
        self._clock = clock

    async def page(
        self, caller: Caller, request: PageRequest, *, role: Role | None = None, status: UserStatus | None = None
    ) -> Page[Account]:
        """The newest first."""
        async with self._units() as uow:
            found = await uow.users.page(request, role=role, status=status)
            seen = [str(user.id) for user in found.items]
            await self._audit_trail.record(uow, caller, AuditAction.SENSITIVE_DATA_ACCESSED, "users", users=seen)
        return Page([self._account(user) for user in found.items], found.total, found.page, found.limit)

    async def get(self, caller: Caller, user_id: UUID) -> Account:
        """Raises `NotFound`."""
        async with self._units() as uow:
            user = await uow.users.get(user_id)
            if user is None:
                raise _unknown()
            await self._audit_trail.record(uow, caller, AuditAction.SENSITIVE_DATA_ACCESSED, f"user:{user_id}")
        return self._account(user)

    async def change(self, caller: Caller, user_id: UUID, change: UserChange) -> Account:
        """Raises `NotFound`, `StaleVersion`, `Gone` for a user who is erased, `Conflict` (`LAST_ADMIN`), and
        `PermissionDenied` for an API key that would give more than it has."""
        async with self._units() as uow:
            administrators = await self._lock_administrators(uow, change)
            user = await uow.users.get(user_id, lock=True)
            if user is None:
                raise _unknown()
            if change.versions is not None and user.version not in change.versions:
                raise StaleVersion("somebody else changed this user meanwhile")
            if user.status in (UserStatus.ERASING, UserStatus.ERASED):
                raise Gone("this user was erased, or asked to be")
            if administrators == {user_id}:
                raise Conflict("nobody else administers this deployment", code="LAST_ADMIN")
            changed = await self._apply(uow, caller, user, change)
        return self._account(changed)

    async def grant(self, caller: Caller, email: str, role: Role) -> Account:
        """For who stands at the command line. Raises `NotFound` for an address that nobody has."""
        hashes = self._cipher.keyed_hashes(self._emails.spelling(email), purpose=EMAIL_PURPOSE)
        async with self._units() as uow:
            user = await uow.users.by_email(hashes)
        if user is None:
            raise _unknown()
        return await self.change(caller, user.id, UserChange(role))

    async def _lock_administrators(self, uow: IdentityUnitOfWork, change: UserChange) -> frozenset[UUID]:
        """The active ones, whenever one may be lost: two who take one another's role away wait for each other here, and the
        second one counts anew."""
        takes_away = (change.role or Role.ADMIN) is not Role.ADMIN or change.status is UserStatus.SUSPENDED
        return frozenset(await uow.users.lock_active(Role.ADMIN)) if takes_away else frozenset()

    async def _apply(self, uow: IdentityUnitOfWork, caller: Caller, user: User, change: UserChange) -> User:
        role, status = change.role or user.role, change.status or user.status
        if (role, status) == (user.role, user.status):
            return user
        changed = dataclasses.replace(
            user, role=str(role), status=status, updated_at=self._clock.now(), version=user.version + 1
        )
        await uow.users.update(changed)
        if changed.role != user.role:
            _require_within(caller, changed.role)
            await self._after_role(uow, caller, user, changed)
        if changed.status is not user.status:
            await self._after_status(uow, caller, changed)
        return changed

    async def _after_role(self, uow: IdentityUnitOfWork, caller: Caller, before: User, user: User) -> None:
        """Tokens carry permissions: those that were issued under the other role end with their sessions."""
        action, subject = AuditAction.USER_ROLE_CHANGED, f"user:{user.id}"
        await self._audit_trail.record(uow, caller, action, subject, before=before.role, after=user.role)
        await uow.sessions.revoke(user.id, Ended.ROLE_CHANGED, self._clock.now())
        await uow.api_keys.reconsider(user.id)

    async def _after_status(self, uow: IdentityUnitOfWork, caller: Caller, user: User) -> None:
        await self._audit_trail.record(uow, caller, _STATUS_ACTION[user.status], f"user:{user.id}")
        if user.status is UserStatus.SUSPENDED:
            now = self._clock.now()
            await uow.sessions.revoke(user.id, Ended.SUSPENDED, now)
            await uow.api_keys.revoke_all(user.id, now)
            for purpose in (TokenPurpose.TWO_FACTOR, TokenPurpose.RESET_PASSWORD):
                await uow.one_time_tokens.cancel(user.id, purpose)

    def _account(self, user: User) -> Account:
        return Account(user, self._opened(user.email, EMAIL_PURPOSE), self._opened(user.name, NAME_PURPOSE))

    def _opened(self, sealed: bytes | None, purpose: str) -> str | None:
        return None if sealed is None else self._cipher.decrypt(sealed, purpose=purpose)


def _require_within(caller: Caller, role: str) -> None:
    """A key that was given a part of what its owner may do must not make somebody who may do the rest."""
    if caller.kind is CallerKind.API_KEY and (missing := sorted(permissions_of(role) - caller.permissions)):
        raise PermissionDenied("this key gives no role that may do more than the key", permission=missing[0])


def _unknown() -> NotFound:
    return NotFound("there is no such user", code="USER_NOT_FOUND")
