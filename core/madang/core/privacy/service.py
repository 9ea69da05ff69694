"""Use cases of privacy: the copy of everything, and the request to be forgotten."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from madang.core.identity.model import User, UserStatus
from madang.core.identity.roles import Role
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, NotFound
from madang.core.kernel.personal_data import PersonalData
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.core.operations.deletion import DeletionReceipt
from madang.core.privacy.erasing import erasing_of
from madang.core.privacy.model import Erasure, ErasureStatus
from madang.core.privacy.repository import PrivacyUnitOfWork

ERASED = "erased"


class Proof(Protocol):
    """That the caller is who they say, once more: a stolen session must not be enough to end an account."""

    async def require(self, caller: Caller, *, password: str | None, code: str | None) -> None:
        """Raises `PermissionDenied` for a wrong one, `TooManyAttempts` after several, and `ValidationFailed` where the account
        has one and none was given."""
        ...


@dataclass(frozen=True, slots=True)
class Export:
    """`sections` by context: JSON values, and times as `datetime`."""

    user_id: UUID
    made_at: datetime
    sections: Mapping[str, Mapping[str, Any]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ErasureView:
    """`receipt` is there once it is done."""

    erasure: Erasure
    receipt: DeletionReceipt | None = None


class PrivacyService:
    def __init__(
        self,
        units: UnitOfWorkFactory[PrivacyUnitOfWork],
        contexts: Sequence[PersonalData[Any]],
        proof: Proof,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._contexts = contexts
        self._proof = proof
        self._audit_trail = audit_trail
        self._clock = clock

    async def export(self, caller: Caller) -> Export:
        """Everything that any context keeps about the caller."""
        person = caller.person
        async with self._units() as uow:
            sections = {context.name: await context.export(uow, person) for context in self._contexts}
            kept = {name: section for name, section in sections.items() if section}
            exported = AuditAction.DATA_EXPORTED
            await self._audit_trail.record(uow, caller, exported, f"user:{person}", sections=sorted(kept))
        return Export(person, self._clock.now(), kept)

    async def erase_me(self, caller: Caller, erasure_id: UUID, *, password: str | None, code: str | None) -> Erasure:
        """Asked again, the first one. Raises what `Proof.require` and `erase` raise."""
        await self._proof.require(caller, password=password, code=code)
        return await self.erase(caller, caller.person, erasure_id)

    async def erase(self, caller: Caller, user_id: UUID, erasure_id: UUID) -> Erasure:
        """From this commit on nobody signs in to the account, and no session or key of it is good any more; the rest follows by
        a message. Raises `NotFound` (`USER_NOT_FOUND`) and `Conflict` (`LAST_ADMIN`)."""
        now = self._clock.now()
        async with self._units() as uow:
            admins = await uow.users.lock_active(Role.ADMIN)
            user = await uow.users.get(user_id, lock=True)
            earlier = await uow.erasures.of_user(user_id)
            if earlier is not None:
                return earlier
            if user is None or user.status is UserStatus.ERASED:
                raise NotFound("there is no such user", code="USER_NOT_FOUND")
            if user.role == Role.ADMIN and list(admins) == [user_id]:
                raise Conflict("the last administrator cannot go: make another one first", code="LAST_ADMIN")
            erasure = Erasure(erasure_id, user_id, ErasureStatus.QUEUED, now, now)
            await uow.erasures.add(erasure)
            await self._shut(uow, user, now)
            await self._audit_trail.record(uow, caller, AuditAction.ERASURE_ASKED, erasure.user, erasure=str(erasure_id))
            uow.send(erasing_of(erasure))
        return erasure

    async def view(self, erasure_id: UUID) -> ErasureView:
        """Raises `NotFound` (`ERASURE_NOT_FOUND`)."""
        async with self._units() as uow:
            erasure = await uow.erasures.get(erasure_id)
            if erasure is None:
                raise NotFound("there is no such erasure", code="ERASURE_NOT_FOUND")
            return ErasureView(erasure, await uow.receipts.by_subject(erasure.subject))

    async def _shut(self, uow: PrivacyUnitOfWork, user: User, now: datetime) -> None:
        shut = dataclasses.replace(user, status=UserStatus.ERASING, updated_at=now, version=user.version + 1)
        await uow.users.update(shut)
        await uow.sessions.revoke(user.id, ERASED, now)
        await uow.api_keys.revoke_all(user.id, now)
