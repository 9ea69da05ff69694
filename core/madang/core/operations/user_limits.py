"""Rate limits of single users, instead of the deployment's: what a plan grants, or an administrator."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail

_TABLE: Final = "user_limits"


class UserLimitRepository(Protocol):
    async def of(self, user_id: UUID) -> Mapping[str, str]:
        """By policy, as they are written: `{"api_key": "5000/day"}`."""
        ...

    async def change(self, user_id: UUID, changes: Mapping[str, str | None], now: datetime) -> None:
        """None takes a limit of one's own away."""
        ...

    async def erase(self, user_id: UUID) -> int: ...


class UserLookup(Protocol):
    async def get(self, user_id: UUID) -> object | None: ...


class UserLimitsUnitOfWork(AuditedUnitOfWork, Protocol):
    @property
    def user_limits(self) -> UserLimitRepository: ...

    @property
    def users(self) -> UserLookup: ...


class UserLimits:
    """Also answers for them in export and erasure (`PersonalData`)."""

    name: Final = "limits"
    tables: Final = frozenset({_TABLE})

    def __init__(self, units: UnitOfWorkFactory[UserLimitsUnitOfWork], audit_trail: AuditTrail, clock: Clock) -> None:
        self._units = units
        self._audit_trail = audit_trail
        self._clock = clock

    async def of(self, user_id: UUID) -> Mapping[str, str]:
        async with self._units() as uow:
            return await uow.user_limits.of(user_id)

    async def shown(self, user_id: UUID) -> Mapping[str, str]:
        """Raises `NotFound` for no such user."""
        async with self._units() as uow:
            await _require(uow, user_id)
            return await uow.user_limits.of(user_id)

    async def change(self, caller: Caller, user_id: UUID, changes: Mapping[str, str | None]) -> Mapping[str, str]:
        """All of the user's own limits after the change. Raises `NotFound` for no such user."""
        async with self._units() as uow:
            await _require(uow, user_id)
            await uow.user_limits.change(user_id, changes, self._clock.now())
            await self._audit_trail.record(uow, caller, AuditAction.LIMITS_CHANGED, f"user:{user_id}", limits=dict(changes))
            return await uow.user_limits.of(user_id)

    async def export(self, uow: UserLimitsUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        return {"limits": dict(await uow.user_limits.of(user_id))}

    async def forget_outside(self, user_id: UUID) -> None:
        """Nothing of them lies outside."""

    async def erase(self, uow: UserLimitsUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        return {_TABLE: await uow.user_limits.erase(user_id)}


async def _require(uow: UserLimitsUnitOfWork, user_id: UUID) -> None:
    if await uow.users.get(user_id) is None:
        raise NotFound("there is no such user", code="USER_NOT_FOUND")
