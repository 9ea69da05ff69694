"""The second factor: codes by time (TOTP, RFC 6238), and recovery codes for who has lost what makes them.

No code is good twice, also not at once: the user's row is locked while one is checked, and keeps the newest time step that was
used. Wrong codes are counted like wrong passwords.
"""

import dataclasses
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from madang.core.identity.lockout import Lockout, Tries
from madang.core.identity.model import EMAIL_PURPOSE, RecoveryCode, TokenPurpose, User
from madang.core.identity.one_time import digest_of
from madang.core.identity.proof import RecentProof
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, PermissionDenied, Unauthenticated
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditAction, AuditTrail

SECRET_PURPOSE: Final = "identity.totp_secret"  # noqa: S105 - a word, not a secret
RECOVERY_CODES: Final = 10
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""32 signs that nobody takes for one another; 16 of them are 80 bits."""
_GROUPS: Final = 4
_TIME_CODE: Final = 6


class TimeCodes(Protocol):
    """The arithmetic of an authenticator."""

    def new_secret(self) -> str:
        """160 random bits in base32."""
        ...

    def address(self, secret: str, account: str) -> str:
        """The `otpauth://` address that an authenticator takes."""
        ...

    def picture(self, address: str) -> str:
        """It as a QR code, in SVG."""
        ...

    def step_of(self, secret: str, code: str, now: datetime, *, after: int | None) -> int | None:
        """The time step whose code this is: the present one, or one beside it, but none up to `after`. None for another."""
        ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator is set up with; shown once."""

    secret: str = field(repr=False)
    address: str = field(repr=False)
    picture: str = field(repr=False)


class SecondFactor:
    """Checks codes, in the caller's commit and under the lock of the user's row that the caller holds."""

    def __init__(
        self, codes: TimeCodes, notifier: Notifier, cipher: PersonalDataCipher, audit_trail: AuditTrail, clock: Clock
    ) -> None:
        self._codes = codes
        self._notifier = notifier
        self._cipher = cipher
        self._audit_trail = audit_trail
        self._clock = clock

    async def prove(self, uow: IdentityUnitOfWork, user: User, written: str, caller: Caller) -> User | None:
        """Use up a code, of either kind: the user as stored then, None for a code that is wrong or was used."""
        code = "".join(sign for sign in written.upper() if sign not in "- ")
        if len(code) == _TIME_CODE:
            return await self.prove_by_time(uow, user, code)
        if not await uow.recovery_codes.use(user.id, digest_of(code), self._clock.now()):
            return None
        left, subject = await uow.recovery_codes.left(user.id), f"user:{user.id}"
        await self._audit_trail.record(uow, caller, AuditAction.RECOVERY_CODE_USED, subject, person_id=user.id, left=left)
        key = f"recovery-code:{user.id}:{digest_of(code).hex()}"
        await self._notifier.notify(uow, user.id, "identity.recovery_code_used", key=key, values={})
        return user

    async def prove_by_time(self, uow: IdentityUnitOfWork, user: User, code: str) -> User | None:
        if user.totp_secret is None:
            return None
        now, secret = self._clock.now(), self._cipher.decrypt(user.totp_secret, purpose=SECRET_PURPOSE)
        step = self._codes.step_of(secret, code, now, after=user.totp_last_step)
        if step is None:
            return None
        used = dataclasses.replace(user, totp_last_step=step, updated_at=now, version=user.version + 1)
        await uow.users.update(used)
        return used


class TwoFactorService:
    """Turning it on and off."""

    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        codes: TimeCodes,
        factor: SecondFactor,
        proof: RecentProof,
        lockout: Lockout,
        notifier: Notifier,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._codes = codes
        self._factor = factor
        self._proof = proof
        self._lockout = lockout
        self._notifier = notifier
        self._cipher = cipher
        self._audit_trail = audit_trail
        self._clock = clock

    async def enrol(self, caller: Caller, password: str | None) -> Enrolment:
        """A new secret, which replaces one that was not confirmed. Raises as `RecentProof.by_password`, and `Conflict`
        (`TWO_FACTOR_ALREADY_ON`)."""
        await self._proof.by_password(caller, password)
        secret = self._codes.new_secret()
        async with self._units() as uow:
            user = await _own(uow, caller)
            _must_be_off(user)
            sealed = self._cipher.encrypt(secret, purpose=SECRET_PURPOSE)
            await self._update(uow, user, totp_secret=sealed, totp_last_step=None)
        address = self._codes.address(secret, self._account_of(user))
        return Enrolment(secret, address, self._codes.picture(address))

    async def confirm(self, caller: Caller, code: str) -> Sequence[str]:
        """On, from now on; the recovery codes, which are nowhere else. Raises `Conflict` (`TWO_FACTOR_ALREADY_ON`,
        `TWO_FACTOR_NOT_BEGUN`), `PermissionDenied` (`CODE_DOES_NOT_MATCH`), `TooManyAttempts`."""
        tries = await self._begin(caller, _must_have_begun)
        async with self._units() as uow:
            user = await _own(uow, caller)
            _must_have_begun(user)
            proved = await self._factor.prove_by_time(uow, user, code)
            if proved is not None:
                await self._lockout.clear(uow, tries)
                return await self._turn_on(uow, proved, caller)
            await self._lockout.fail(uow, tries)
        raise _wrong_code()

    async def turn_off(self, caller: Caller, *, password: str | None = None, code: str | None = None) -> None:
        """By a code where one is given, else by the password. Raises as these, and `Conflict` (`TWO_FACTOR_NOT_ON`)."""
        if code is None:
            await self._proof.by_password(caller, password)
            async with self._units() as uow:
                await self._turn_off(uow, await _own(uow, caller), caller)
            return
        tries = await self._begin(caller, _must_be_on)
        async with self._units() as uow:
            proved = await self._factor.prove(uow, await _own(uow, caller), code, caller)
            if proved is not None:
                await self._lockout.clear(uow, tries)
                await self._turn_off(uow, proved, caller)
                return
            await self._lockout.fail(uow, tries)
        raise _wrong_code()

    async def _begin(self, caller: Caller, check: Callable[[User], None]) -> Tries:
        """Count a try at a code, unless there is nothing to be tried."""
        tries = self._lockout.tries(f"two-factor:{caller.person}", None)
        async with self._units() as uow:
            user = await uow.users.get(caller.person)
            if user is not None:
                check(user)
            await self._lockout.begin(uow, tries)
        return tries

    async def _turn_on(self, uow: IdentityUnitOfWork, user: User, caller: Caller) -> Sequence[str]:
        await self._update(uow, user, totp_confirmed_at=self._clock.now())
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        kept = [RecoveryCode(user.id, digest_of(code.replace("-", ""))) for code in codes]
        await uow.recovery_codes.replace(user.id, kept)
        await self._tell(uow, user, caller, AuditAction.TWO_FACTOR_ENABLED, "identity.two_factor_enabled")
        return codes

    async def _turn_off(self, uow: IdentityUnitOfWork, user: User, caller: Caller) -> None:
        _must_be_on(user)
        await self._update(uow, user, totp_secret=None, totp_confirmed_at=None, totp_last_step=None)
        await uow.recovery_codes.replace(user.id, ())
        await uow.one_time_tokens.cancel(user.id, TokenPurpose.TWO_FACTOR)
        await self._tell(uow, user, caller, AuditAction.TWO_FACTOR_DISABLED, "identity.two_factor_disabled")

    async def _tell(self, uow: IdentityUnitOfWork, user: User, caller: Caller, action: AuditAction, kind: str) -> None:
        await self._audit_trail.record(uow, caller, action, f"user:{user.id}")
        await self._notifier.notify(uow, user.id, kind, key=f"{kind}:{user.id}:{user.version}", values={})

    async def _update(self, uow: IdentityUnitOfWork, user: User, **changes: object) -> None:
        renewed = dataclasses.replace(user, updated_at=self._clock.now(), version=user.version + 1, **changes)  # type: ignore[arg-type]
        await uow.users.update(renewed)

    def _account_of(self, user: User) -> str:
        return str(user.id) if user.email is None else self._cipher.decrypt(user.email, purpose=EMAIL_PURPOSE)


async def _own(uow: IdentityUnitOfWork, caller: Caller) -> User:
    user = await uow.users.get(caller.person, lock=True)
    if user is None:
        raise Unauthenticated("this account is gone")
    return user


def _recovery_code() -> str:
    signs = [secrets.choice(_ALPHABET) for _ in range(4 * _GROUPS)]
    return "-".join("".join(signs[start : start + 4]) for start in range(0, len(signs), 4))


def _must_be_off(user: User) -> None:
    if user.two_factor:
        raise Conflict("two-factor sign-in is on already", code="TWO_FACTOR_ALREADY_ON")


def _must_be_on(user: User) -> None:
    if not user.two_factor:
        raise Conflict("two-factor sign-in is off", code="TWO_FACTOR_NOT_ON")


def _must_have_begun(user: User) -> None:
    _must_be_off(user)
    if user.totp_secret is None:
        raise Conflict("ask for a secret first", code="TWO_FACTOR_NOT_BEGUN")


def _wrong_code() -> PermissionDenied:
    return PermissionDenied("this code is wrong, over, or was used", code="CODE_DOES_NOT_MATCH")
