"""Opening an account."""

from dataclasses import dataclass, field
from uuid import UUID

from madang.core.identity.email_verification import EmailVerification
from madang.core.identity.emails import EmailAddresses
from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE, User, UserStatus
from madang.core.identity.passwords import PasswordHasher, PasswordPolicy
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.identity.roles import Role
from madang.core.identity.sessions import SessionService, SignedIn
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail


@dataclass(frozen=True, slots=True)
class Register:
    """`id` is the new user's; the same for every try of one request."""

    id: UUID
    email: str = field(repr=False)
    password: str = field(repr=False)
    locale: str
    name: str | None = field(default=None, repr=False)


class RegistrationService:
    """Whoever registers is a client; other roles are given by administrators."""

    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        sessions: SessionService,
        verification: EmailVerification,
        policy: PasswordPolicy,
        hasher: PasswordHasher,
        emails: EmailAddresses,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._sessions = sessions
        self._verification = verification
        self._policy = policy
        self._hasher = hasher
        self._emails = emails
        self._cipher = cipher
        self._audit_trail = audit_trail
        self._clock = clock

    async def register(self, command: Register, caller: Caller) -> SignedIn:
        """The account, and its first session. Raises `ValidationFailed` at `email` or `password`, and `Conflict`
        (`EMAIL_TAKEN`)."""
        email = self._emails.checked(command.email)
        self._policy.check(command.password, email)
        user = self._user(command, email, await self._hasher.hash(command.password))
        async with self._units() as uow:
            before = await uow.users.get(command.id, lock=True)
            if before is None:
                await self._add(uow, user, email, caller)
            return await self._sessions.open(uow, before or user, caller)

    async def _add(self, uow: IdentityUnitOfWork, user: User, email: str, caller: Caller) -> None:
        hashes = self._cipher.keyed_hashes(self._emails.spelling(email), purpose=EMAIL_PURPOSE)
        if await uow.users.by_email(hashes) is not None or not await uow.users.add(user):
            raise Conflict("there is an account with this e-mail address", code="EMAIL_TAKEN")
        subject = f"user:{user.id}"
        await self._audit_trail.record(uow, caller, AuditAction.USER_REGISTERED, subject, person_id=user.id)
        await self._verification.send(uow, user.id)

    def _user(self, command: Register, email: str, password_hash: str) -> User:
        now, cipher = self._clock.now(), self._cipher
        return User(
            id=command.id,
            role=Role.CLIENT.value,
            status=UserStatus.ACTIVE,
            locale=command.locale,
            created_at=now,
            updated_at=now,
            email=cipher.encrypt(email, purpose=EMAIL_PURPOSE),
            email_hash=cipher.keyed_hash(self._emails.spelling(email), purpose=EMAIL_PURPOSE),
            name=None if command.name is None else cipher.encrypt(command.name, purpose=NAME_PURPOSE),
            password_hash=password_hash,
            password_changed_at=now,
        )
