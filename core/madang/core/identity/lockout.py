"""Wrong tries at a sign-in, by account and by network address: five, and both are shut for a quarter of an hour.

A try is counted before the password is looked at and given back when it was right. So a hundred at once get no more than five
answers, no row is locked while a password is hashed, and a try whose process died counts as wrong. Keys are hashes of what was
typed: an address without an account is shut like any other.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.identity.model import SignInAttempts
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import TooManyAttempts
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory

MAX_FAILURES: Final = 5
BLOCKED_FOR: Final = timedelta(minutes=15)
"""Also how long a wrong try is remembered."""
_PURPOSE: Final = "identity.sign_in_attempts"


@dataclass(frozen=True, slots=True)
class Tries:
    """What one try counts for; `address` is None for a caller whose address nobody knows."""

    account: bytes = field(repr=False)
    address: bytes | None = field(default=None, repr=False)

    @property
    def keys(self) -> Sequence[bytes]:
        return [self.account] if self.address is None else [self.account, self.address]


class Lockout:
    """`begin` in a commit of its own before the secret is checked, then one of `fail`, `give_back` and `clear` in another."""

    def __init__(self, cipher: PersonalDataCipher, clock: Clock) -> None:
        self._cipher = cipher
        self._clock = clock

    def tries(self, account: str, address: str | None) -> Tries:
        """`account` is the spelling of an e-mail address, or another name of what is guessed at."""
        known = address not in (None, "", "unknown")
        return Tries(self._key(f"account:{account}"), self._key(f"address:{address}") if known else None)

    async def begin(self, uow: IdentityUnitOfWork, tries: Tries) -> None:
        """Raises `TooManyAttempts`; then nothing was counted."""
        now = self._clock.now()
        counted = []
        for attempts in await uow.sign_in_attempts.lock(tries.keys, now):
            current = _remembered(attempts, now)
            if current.blocked_until is not None:
                raise TooManyAttempts("too many wrong tries", retry_after=(current.blocked_until - now).total_seconds())
            if current.failures >= MAX_FAILURES:
                raise TooManyAttempts("too many tries at once", retry_after=1)
            counted.append(dataclasses.replace(current, failures=current.failures + 1))
        for attempts in counted:
            await uow.sign_in_attempts.save(attempts)

    async def counted(
        self, units: UnitOfWorkFactory[IdentityUnitOfWork], person: UUID, is_right: Callable[[], Awaitable[bool]]
    ) -> bool:
        """One try of who is signed in at a secret of theirs: an intruder in an open browser has five, wherever they try.

        Nothing is open while the secret is checked. Raises `TooManyAttempts`.
        """
        tries = self.tries(f"proof:{person}", None)
        async with units() as uow:
            await self.begin(uow, tries)
        right = await is_right()
        async with units() as uow:
            await (self.clear(uow, tries) if right else self.fail(uow, tries))
        return right

    async def fail(self, uow: IdentityUnitOfWork, tries: Tries) -> bool:
        """It was wrong. Whether the account is shut by it."""
        now, shut = self._clock.now(), False
        for attempts in await uow.sign_in_attempts.lock(tries.keys, now):
            if attempts.failures >= MAX_FAILURES and attempts.blocked_until is None:
                await uow.sign_in_attempts.save(dataclasses.replace(attempts, blocked_until=now + BLOCKED_FOR))
                shut = shut or attempts.key == tries.account
        return shut

    async def give_back(self, uow: IdentityUnitOfWork, tries: Tries) -> None:
        """It was right, and does not end the counting: a second factor is still to come."""
        await self._give_back(uow, tries.keys)

    async def clear(self, uow: IdentityUnitOfWork, tries: Tries) -> None:
        """It was right: the account begins anew, the address only gets this try back."""
        await uow.sign_in_attempts.clear([tries.account])
        await self._give_back(uow, [] if tries.address is None else [tries.address])

    async def forget(self, uow: IdentityUnitOfWork, tries: Tries) -> int:
        """Let the account begin anew: somebody proved otherwise that it is theirs, or is no more. Rows deleted."""
        return await uow.sign_in_attempts.clear([tries.account])

    async def _give_back(self, uow: IdentityUnitOfWork, keys: Sequence[bytes]) -> None:
        for attempts in await uow.sign_in_attempts.lock(keys, self._clock.now()):
            failures = max(0, attempts.failures - 1)
            open_again = failures < MAX_FAILURES
            blocked_until = None if open_again else attempts.blocked_until
            await uow.sign_in_attempts.save(dataclasses.replace(attempts, failures=failures, blocked_until=blocked_until))

    def _key(self, name: str) -> bytes:
        return self._cipher.keyed_hash(name, purpose=_PURPOSE)


def _remembered(attempts: SignInAttempts, now: datetime) -> SignInAttempts:
    """Begun anew when the block, or the time that a wrong try is remembered, is over."""
    over = attempts.blocked_until <= now if attempts.blocked_until else attempts.first_at + BLOCKED_FOR <= now
    return SignInAttempts(attempts.key, 0, now) if over else attempts
