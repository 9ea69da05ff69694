"""What somebody has said about themself: for them to read and change."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE, PHONE_PURPOSE, User, UserStatus
from madang.core.identity.repository import IdentityUnitOfWork, UserReader
from madang.core.identity.roles import permissions_of
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import StaleVersion, Unauthenticated
from madang.core.kernel.protection import PersonalDataCipher, PhoneNumbers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail

SEALED: Final[Mapping[str, str]] = {"name": NAME_PURPOSE, "phone": PHONE_PURPOSE}


@dataclass(frozen=True, slots=True)
class Profile:
    """A user, legible. `phone` is E.164; `version` is the ETag."""

    id: UUID
    role: str
    permissions: Collection[str]
    status: UserStatus
    locale: str
    email: str | None = field(repr=False)
    email_verified: bool
    name: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    two_factor: bool
    created_at: datetime
    updated_at: datetime
    version: int


class ProfileService:
    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        reader: UserReader,
        cipher: PersonalDataCipher,
        phone_numbers: PhoneNumbers,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._reader = reader
        self._cipher = cipher
        self._phone_numbers = phone_numbers
        self._audit_trail = audit_trail
        self._clock = clock

    def of(self, user: User) -> Profile:
        """The user's row, decrypted."""
        return Profile(
            id=user.id,
            role=user.role,
            permissions=sorted(permissions_of(user.role)),
            status=user.status,
            locale=user.locale,
            email=self._opened(user.email, EMAIL_PURPOSE),
            email_verified=user.email_verified_at is not None,
            name=self._opened(user.name, NAME_PURPOSE),
            phone=self._opened(user.phone, PHONE_PURPOSE),
            two_factor=user.two_factor,
            created_at=user.created_at,
            updated_at=user.updated_at,
            version=user.version,
        )

    async def get(self, user_id: UUID) -> Profile:
        """By one statement. Raises `Unauthenticated` for who is no user any more."""
        return self.of(_existing(await self._reader.user(user_id)))

    async def change(
        self, caller: Caller, changes: Mapping[str, str | None], versions: Collection[int] | None = None
    ) -> Profile:
        """`changes` to `name`, `phone` and `locale`; None empties. Raises `StaleVersion` unless the user's version is among
        `versions`, where any are given, and `ValidationFailed` for what is no phone number."""
        wanted = {name: self._normal(name, value) for name, value in changes.items()}
        async with self._units() as uow:
            user = _existing(await uow.users.get(caller.person, lock=True))
            if versions is not None and user.version not in versions:
                raise StaleVersion("somebody else has saved in the meantime")
            now = self.of(user)
            different = {name: value for name, value in wanted.items() if getattr(now, name) != value}
            if different:
                user = self._changed(user, different)
                await uow.users.update(user)
                fields = sorted(different)
                await self._audit_trail.record(uow, caller, AuditAction.USER_CHANGED, f"user:{user.id}", fields=fields)
        return self.of(user)

    def _normal(self, name: str, value: str | None) -> str | None:
        if name == "phone" and value is not None:
            return self._phone_numbers.to_e164(value)
        return value

    def _changed(self, user: User, different: Mapping[str, str | None]) -> User:
        columns = {
            name: self._cipher.encrypt(value, purpose=SEALED[name]) if name in SEALED and value is not None else value
            for name, value in different.items()
        }
        return dataclasses.replace(user, **columns, updated_at=self._clock.now(), version=user.version + 1)  # type: ignore[arg-type]

    def _opened(self, sealed: bytes | None, purpose: str) -> str | None:
        return None if sealed is None else self._cipher.decrypt(sealed, purpose=purpose)


def _existing(user: User | None) -> User:
    if user is None or user.status is UserStatus.ERASED:
        raise Unauthenticated("this account is no more")
    return user
