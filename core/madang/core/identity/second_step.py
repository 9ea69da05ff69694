"""The second step of a sign-in: the code that the challenge asked for."""

from uuid import UUID

from madang.core.identity.emails import EmailAddresses
from madang.core.identity.lockout import Lockout, Tries
from madang.core.identity.model import EMAIL_PURPOSE, TokenPurpose, User, UserStatus
from madang.core.identity.one_time import OneTimeTokens
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.identity.sessions import SessionService, SignedIn
from madang.core.identity.two_factor import SecondFactor
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import PermissionDenied, Unauthenticated
from madang.core.kernel.ids import new_id
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditAction, AuditTrail


class SecondStepService:
    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        sessions: SessionService,
        one_time: OneTimeTokens,
        lockout: Lockout,
        factor: SecondFactor,
        emails: EmailAddresses,
        notifier: Notifier,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
    ) -> None:
        self._units = units
        self._sessions = sessions
        self._one_time = one_time
        self._lockout = lockout
        self._factor = factor
        self._emails = emails
        self._notifier = notifier
        self._cipher = cipher
        self._audit_trail = audit_trail

    async def answer(self, challenge: str, code: str, caller: Caller) -> SignedIn:
        """A session. A wrong code counts like a wrong password, and the fifth voids the challenge.

        Raises `Unauthenticated`: `CHALLENGE_NOT_VALID`, `INVALID_CODE`. Raises `TooManyAttempts`, and `PermissionDenied`
        (`ACCOUNT_SUSPENDED`).
        """
        user_id, tries = await self._begin(challenge, caller)
        async with self._units() as uow:
            user = await uow.users.get(user_id, lock=True)
            token = await self._one_time.find(uow, challenge, TokenPurpose.TWO_FACTOR)
            if user is None or token is None or not user.two_factor:
                raise _not_valid()
            if user.status is not UserStatus.ACTIVE:
                raise PermissionDenied("this account is suspended", code="ACCOUNT_SUSPENDED")
            proved = await self._factor.prove(uow, user, code, caller)
            if proved is not None:
                await self._one_time.use(uow, token)
                await self._lockout.clear(uow, tries)
                return await self._sessions.open(uow, proved, caller)
            left = await self._one_time.fail(uow, token)
            await self._count(uow, user, tries, caller, left)
        raise Unauthenticated("this code is wrong, over, or was used", code="INVALID_CODE")

    async def _begin(self, challenge: str, caller: Caller) -> tuple[UUID, Tries]:
        """The try is counted before the code is looked at, so that many at once get no more answers than five."""
        async with self._units() as uow:
            user_id = await self._one_time.owner(uow, challenge, TokenPurpose.TWO_FACTOR)
            user = await uow.users.get(user_id) if user_id else None
            if user is None:
                raise _not_valid()
            tries = self._lockout.tries(self._account_of(user), caller.address)
            await self._lockout.begin(uow, tries)
        return user.id, tries

    async def _count(self, uow: IdentityUnitOfWork, user: User, tries: Tries, caller: Caller, left: int) -> None:
        shut, subject = await self._lockout.fail(uow, tries), f"user:{user.id}"
        failed, locked_out = AuditAction.USER_LOGIN_FAILED, AuditAction.USER_LOCKED_OUT
        await self._audit_trail.record(uow, caller, failed, subject, person_id=user.id, because="code", triesLeft=left)
        if shut:
            await self._audit_trail.record(uow, caller, locked_out, subject, person_id=user.id)
            key = f"locked-out:{new_id()}"
            await self._notifier.notify(uow, user.id, "identity.locked_out", key=key, values={})

    def _account_of(self, user: User) -> str:
        if user.email is None:
            return f"user:{user.id}"
        return self._emails.spelling(self._cipher.decrypt(user.email, purpose=EMAIL_PURPOSE))


def _not_valid() -> Unauthenticated:
    return Unauthenticated("this challenge was answered, is over, or never was one: sign in again", code="CHALLENGE_NOT_VALID")
