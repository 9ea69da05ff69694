"""Recent proof that it is still the person at the session: before what an intruder in an open browser must not do."""

from datetime import timedelta
from typing import Final

from madang.core.identity.lockout import Lockout
from madang.core.identity.model import User
from madang.core.identity.passwords import PasswordHasher
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import PermissionDenied, Problem, ValidationFailed
from madang.core.kernel.unit_of_work import UnitOfWorkFactory

RECENT: Final = timedelta(minutes=10)


class RecentProof:
    def __init__(
        self, units: UnitOfWorkFactory[IdentityUnitOfWork], lockout: Lockout, hasher: PasswordHasher, clock: Clock
    ) -> None:
        self._units = units
        self._lockout = lockout
        self._hasher = hasher
        self._clock = clock

    async def by_password(self, caller: Caller, password: str | None) -> None:
        """The password; of who has none, for they sign in by an external identity, a sign-in that is not old.

        Raises `ValidationFailed` without the password of who has one, and
        `PermissionDenied`: `PASSWORD_DOES_NOT_MATCH`, or `RECENT_SIGN_IN_NEEDED`. Raises `TooManyAttempts` after five
        wrong tries, wherever they were made with this account's session.
        """
        async with self._units() as uow:
            user = await uow.users.get(caller.person)
            if user is not None and user.password_hash is None:
                await self._check_session(uow, caller)
                return
        if password is None:
            raise ValidationFailed(Problem("password", "the account has a password: send it"))
        await self._check_password(caller, user, password)

    async def _check_session(self, uow: IdentityUnitOfWork, caller: Caller) -> None:
        session = await uow.sessions.get(caller.session_id) if caller.session_id else None
        if session is None or session.created_at + RECENT <= self._clock.now():
            raise PermissionDenied("sign in again first", code="RECENT_SIGN_IN_NEEDED")

    async def _check_password(self, caller: Caller, user: User | None, password: str) -> None:
        async def is_right() -> bool:
            return (await self._hasher.verify(password, user.password_hash if user else None)).matches

        if not await self._lockout.counted(self._units, caller.person, is_right):
            raise PermissionDenied("this is not the password", code="PASSWORD_DOES_NOT_MATCH")
