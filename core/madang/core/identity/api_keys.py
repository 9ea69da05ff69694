"""API keys: named, with some of their owner's permissions, shown once."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.core.identity.model import ApiKey, User
from madang.core.identity.one_time import digest_of, new_secret
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.identity.roles import permissions_of
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, NotFound, Problem, Unauthenticated, ValidationFailed
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditAction, AuditTrail

MARK: Final = "madang_"
"""What a key begins with, so that people and scanners of leaked secrets recognise it."""
SECRET_CHARACTERS: Final = 43
MAX_KEYS: Final = 50
_SHOWN: Final = len(MARK) + 6


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """`id` is the call's subject id. `expires_at` None: it lasts until it is revoked."""

    id: UUID
    name: str
    permissions: frozenset[str]
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """`secret` is the key itself: it is nowhere else."""

    key: ApiKey
    secret: str = field(repr=False)


class ApiKeyService:
    def __init__(
        self, units: UnitOfWorkFactory[IdentityUnitOfWork], notifier: Notifier, audit_trail: AuditTrail, clock: Clock
    ) -> None:
        self._units = units
        self._notifier = notifier
        self._audit_trail = audit_trail
        self._clock = clock

    async def create(self, caller: Caller, wanted: NewApiKey) -> CreatedApiKey:
        """A try whose answer was lost is repeated under the same id: the row gets a new secret, since nobody saw the first.

        Raises `ValidationFailed` at `permissions` for one that the owner's role lacks, and at `expiresAt` for a time that is
        past; `Conflict` for more keys than `MAX_KEYS`.
        """
        async with self._units() as uow:
            user = await uow.users.get(caller.person, lock=True)
            if user is None:
                raise Unauthenticated("this account is gone")
            self._check(wanted, user)
            others = [key for key in await uow.api_keys.of_user(user.id) if key.id != wanted.id]
            if len(others) >= MAX_KEYS:
                raise Conflict(
                    f"an account has at most {MAX_KEYS} keys: revoke one first", code="TOO_MANY_API_KEYS", max=MAX_KEYS
                )
            created = self._made(wanted, user)
            await uow.api_keys.add(created.key)
            await self._audit_trail.record(uow, caller, AuditAction.API_KEY_CREATED, f"api_key:{wanted.id}")
            key, values = f"api-key:{wanted.id}", {"name": wanted.name}
            await self._notifier.notify(uow, user.id, "identity.api_key_created", key=key, values=values)
        return created

    async def of_caller(self, caller: Caller) -> Sequence[ApiKey]:
        """Those that are not revoked, the newest first."""
        async with self._units() as uow:
            return await uow.api_keys.of_user(caller.person)

    async def revoke(self, caller: Caller, key_id: UUID) -> None:
        """Raises `NotFound` for one that is another's, or revoked already."""
        async with self._units() as uow:
            key = await uow.api_keys.get(key_id, lock=True)
            if key is None or key.user_id != caller.person or key.revoked_at is not None:
                raise NotFound("there is no such API key", code="API_KEY_NOT_FOUND")
            await uow.api_keys.update(dataclasses.replace(key, revoked_at=self._clock.now()))
            await self._audit_trail.record(uow, caller, AuditAction.API_KEY_REVOKED, f"api_key:{key_id}")

    def _check(self, wanted: NewApiKey, user: User) -> None:
        allowed = permissions_of(user.role)
        problems = [
            Problem("permissions", f"{permission} is not among the permissions of the role {user.role}")
            for permission in sorted(wanted.permissions - allowed)
        ]
        if wanted.expires_at is not None and wanted.expires_at <= self._clock.now():
            problems.append(Problem("expiresAt", "must be in the future"))
        if problems:
            raise ValidationFailed(*problems)

    def _made(self, wanted: NewApiKey, user: User) -> CreatedApiKey:
        secret = MARK + new_secret()
        key = ApiKey(
            id=wanted.id,
            user_id=user.id,
            name=wanted.name,
            prefix=secret[:_SHOWN],
            digest=digest_of(secret),
            permissions=wanted.permissions,
            created_at=self._clock.now(),
            expires_at=wanted.expires_at,
        )
        return CreatedApiKey(key, secret)
