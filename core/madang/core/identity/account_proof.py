"""That somebody is who they say, asked for once more before what cannot be undone."""

from functools import partial
from typing import Final, Protocol

from madang.core.identity.lockout import Lockout
from madang.core.identity.model import User
from madang.core.identity.passwords import PasswordHasher
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import PermissionDenied, Problem, Unauthenticated, ValidationFailed
from madang.core.kernel.unit_of_work import UnitOfWorkFactory

_ASKED: Final = "the account has a password: send it, or a two-factor code"


class SecondFactor(Protocol):
    """A code of the person's authenticator, or one of their recovery codes; good once."""

    async def prove(self, uow: IdentityUnitOfWork, user: User, written: str, caller: Caller) -> User | None:
        """Under the lock of the user's row; None for a code that is wrong or was used."""
        ...


class AccountProof:
    """By the password, or by a code of the second factor. Wrong ones are counted as at the sign-in; an account that only an
    external identity opens is proved by its session."""

    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        lockout: Lockout,
        hasher: PasswordHasher,
        second_factor: SecondFactor | None = None,
    ) -> None:
        self._units = units
        self._lockout = lockout
        self._hasher = hasher
        self._second_factor = second_factor

    async def require(self, caller: Caller, *, password: str | None, code: str | None) -> None:
        """Raises `PermissionDenied` (`PASSWORD_DOES_NOT_MATCH`), `TooManyAttempts`, and `ValidationFailed` at `password` where
        the account has one and neither is given."""
        async with self._units() as uow:
            user = await uow.users.get(caller.person)
        if user is None:
            raise Unauthenticated("this account is no more")
        if user.password_hash is None and not user.two_factor:
            return
        if password is None and code is None:
            raise ValidationFailed(Problem("password", _ASKED))
        is_right = partial(self._is_right, user, password, code, caller)
        if not await self._lockout.counted(self._units, user.id, is_right):
            raise PermissionDenied("this is not the present password or code", code="PASSWORD_DOES_NOT_MATCH")

    async def _is_right(self, user: User, password: str | None, code: str | None, caller: Caller) -> bool:
        if password is not None:
            return (await self._hasher.verify(password, user.password_hash)).matches
        if self._second_factor is None or code is None:
            return False
        async with self._units() as uow:
            held = await uow.users.get(user.id, lock=True)
            if held is None or not held.two_factor:
                return False
            return await self._second_factor.prove(uow, held, code, caller) is not None
