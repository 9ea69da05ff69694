"""The buyer's phone number: kept encrypted, and later the key to the result (seed 003, sections 4 and 5)."""

import hmac
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import PermissionDenied, TooManyAttempts
from madang.core.kernel.protection import PersonalDataCipher, PhoneNumbers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.events import portrait_changed
from madang.core.portraits.finding import existing
from madang.core.portraits.model import AccessAttempts, Portrait, PortraitStatus
from madang.core.portraits.repository import PortraitsUnitOfWork

PHONE: Final = "portraits.phone"
ADDRESS: Final = "portraits.address"

_ANSWERABLE: Final = (PortraitStatus.PROCESSING, PortraitStatus.COMPLETED, PortraitStatus.FAILED)


class Phones:
    def __init__(
        self,
        *,
        units: UnitOfWorkFactory[PortraitsUnitOfWork],
        cipher: PersonalDataCipher,
        phone_numbers: PhoneNumbers,
        clock: Clock,
    ) -> None:
        self._units = units
        self._cipher = cipher
        self._phone_numbers = phone_numbers
        self._clock = clock

    async def set_phone(self, portrait_id: UUID, written: str) -> Portrait:
        """Keep the buyer's phone number, encrypted; until the photo is in, a mistyped one can be replaced.

        Raises `ValidationFailed`, `WrongState`, `Gone`, `NotFound`.
        """
        number = self._phone_numbers.to_e164(written)
        now = self._clock.now()
        async with self._units() as uow:
            portrait = await existing(uow, portrait_id, lock=True)
            portrait.require_open(now)
            portrait.require(PortraitStatus.PENDING_PHONE, PortraitStatus.PENDING_UPLOAD)
            if portrait.status is PortraitStatus.PENDING_PHONE:
                portrait = portrait.to(PortraitStatus.PENDING_UPLOAD, now)
                uow.announce(portrait_changed(portrait))
            portrait = replace(
                portrait,
                phone=self._cipher.encrypt(number, purpose=PHONE),
                phone_hash=self._cipher.keyed_hash(number, purpose=PHONE),
                updated_at=now,
            )
            await uow.portraits.update(portrait)
        return portrait

    async def check_phone(self, portrait_id: UUID, written: str, address: str) -> Portrait:
        """Whether `written` is the job's phone number. Three wrong tries from one address block that address for this
        job for an hour.

        Raises `PermissionDenied` (`PHONE_DOES_NOT_MATCH`), `TooManyAttempts`, `ValidationFailed`, `WrongState`,
        `Gone`, `NotFound`.
        """
        number = self._phone_numbers.to_e164(written)
        now = self._clock.now()
        async with self._units() as uow:
            # The job's row lock makes simultaneous guesses wait for one another.
            portrait = await existing(uow, portrait_id, lock=True)
            portrait.require_open(now)
            portrait.require(*_ANSWERABLE)
            attempts = await self._attempts_of(uow, portrait_id, address)
            if attempts.is_blocked(now):
                raise _blocked(attempts, now)
            hashes = self._cipher.keyed_hashes(number, purpose=PHONE)
            matches = any(hmac.compare_digest(each, portrait.phone_hash or b"") for each in hashes)
            attempts = replace(attempts, failures=0, blocked_until=None) if matches else attempts.after_wrong(now)
            await uow.portraits.save_attempts(attempts)
        if matches:
            return portrait
        if attempts.is_blocked(now):
            raise _blocked(attempts, now)
        raise PermissionDenied("this is not the phone number of the order", code="PHONE_DOES_NOT_MATCH")

    async def _attempts_of(self, uow: PortraitsUnitOfWork, portrait_id: UUID, address: str) -> AccessAttempts:
        """A new key forgives nobody: the count goes on under the hash that it was begun under."""
        hashes = self._cipher.keyed_hashes(address, purpose=ADDRESS)
        for hashed in hashes:
            found = await uow.portraits.attempts(portrait_id, hashed)
            if found is not None:
                return found
        return AccessAttempts(portrait_id, hashes[0])


def _blocked(attempts: AccessAttempts, now: datetime) -> TooManyAttempts:
    seconds = (attempts.blocked_until - now).total_seconds() if attempts.blocked_until else 0.0
    return TooManyAttempts("too many wrong phone numbers: try again later", retry_after=seconds)
