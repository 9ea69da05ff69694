"""Signing in by a token of an external identity provider."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from madang.core.identity.email_verification import EmailVerification
from madang.core.identity.emails import EmailAddresses
from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE, ExternalIdentity, TokenPurpose, User, UserStatus
from madang.core.identity.one_time import LIFETIME, OneTimeTokens
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.identity.roles import Role
from madang.core.identity.sessions import SessionService, SignedIn
from madang.core.identity.sign_in import Challenge
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, NotFound, PermissionDenied, Unauthenticated, ValidationFailed
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.ports.errors import Misconfigured, Rejected
from madang.ports.identity import ForeignPerson, VerifyToken
from madang.ports.secret import Secret

_TRIES: Final = 3
_MAX_NAME: Final = 100


class _Overtaken(Exception):
    """Another sign-in made the same person meanwhile: what this one did is rolled back."""


@dataclass(frozen=True, slots=True)
class ExternalSignIn:
    """`id` is the new user's, where one is made; `locale` is theirs unless the issuer knows better."""

    id: UUID
    provider: str
    token: str = field(repr=False)
    locale: str


@dataclass(frozen=True, slots=True)
class _Arrival:
    command: ExternalSignIn
    person: ForeignPerson
    caller: Caller


class ExternalSignInService:
    """An account is found by issuer and subject. An e-mail address joins the two only when both sides have verified it: else
    whoever writes another's address at one side would have their account at the other."""

    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        providers: Providers,
        sessions: SessionService,
        one_time: OneTimeTokens,
        verification: EmailVerification,
        emails: EmailAddresses,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._providers = providers
        self._sessions = sessions
        self._one_time = one_time
        self._verification = verification
        self._emails = emails
        self._cipher = cipher
        self._audit_trail = audit_trail
        self._clock = clock

    async def sign_in(self, command: ExternalSignIn, caller: Caller) -> SignedIn | Challenge:
        """Raises `NotFound` (`PROVIDER_NOT_FOUND`), `Unauthenticated` (`EXTERNAL_TOKEN_NOT_VALID`), `Conflict`
        (`EMAIL_TAKEN`) for an address that belongs to an account which the token does not prove to be theirs,
        `PermissionDenied` (`ACCOUNT_SUSPENDED`), and what the provider raises."""
        arrival = _Arrival(command, await self._verified(command), caller)
        for _ in range(_TRIES):
            try:
                async with self._units() as uow:
                    return await self._let_in(uow, await self._find_or_make(uow, arrival), caller)
            except _Overtaken:
                continue
        raise Conflict("several sign-ins of this person at once: try again", code="CONFLICT")

    async def _verified(self, command: ExternalSignIn) -> ForeignPerson:
        try:
            provider = self._providers.identity_provider(command.provider)
        except Misconfigured as error:
            if error.operation != "route":
                raise
            raise NotFound("there is no such identity provider", code="PROVIDER_NOT_FOUND") from None
        try:
            return await provider.verify(VerifyToken(Secret(command.token), self._clock.now()))
        except Rejected:
            raise Unauthenticated("the provider's token is not valid", code="EXTERNAL_TOKEN_NOT_VALID") from None

    async def _find_or_make(self, uow: IdentityUnitOfWork, arrival: _Arrival) -> User:
        known = await uow.external_identities.get(arrival.person.issuer, arrival.person.subject)
        if known is not None:
            user = await uow.users.get(known.user_id, lock=True)
            if user is None:
                raise _Overtaken
            return user
        email = self._email_of(arrival.person)
        user = None if email is None else await uow.users.by_email(self._hashes(email), lock=True)
        if user is None:
            return await self._make(uow, arrival, email)
        if not (arrival.person.email_verified and user.email_verified_at):
            raise Conflict("there is an account with this e-mail address: sign in to it, and verify it", code="EMAIL_TAKEN")
        await self._link(uow, arrival, user)
        return user

    async def _make(self, uow: IdentityUnitOfWork, arrival: _Arrival, email: str | None) -> User:
        """The new row is this transaction's own; an address that was taken meanwhile shows when it is written."""
        user = self._user(arrival, email)
        if not await uow.users.add(user):
            raise _Overtaken
        subject = f"user:{user.id}"
        await self._audit_trail.record(uow, arrival.caller, AuditAction.USER_REGISTERED, subject, person_id=user.id)
        await self._link(uow, arrival, user)
        if email is not None and user.email_verified_at is None:
            await self._verification.send(uow, user.id)
        return user

    async def _link(self, uow: IdentityUnitOfWork, arrival: _Arrival, user: User) -> None:
        person, name = arrival.person, arrival.command.provider
        identity = ExternalIdentity(person.issuer, person.subject, user.id, name, self._clock.now())
        if not await uow.external_identities.add(identity):
            raise _Overtaken
        action, subject = AuditAction.EXTERNAL_IDENTITY_LINKED, f"user:{user.id}"
        await self._audit_trail.record(uow, arrival.caller, action, subject, person_id=user.id, provider=name)

    async def _let_in(self, uow: IdentityUnitOfWork, user: User, caller: Caller) -> SignedIn | Challenge:
        if user.status is not UserStatus.ACTIVE:
            raise PermissionDenied("this account is suspended", code="ACCOUNT_SUSPENDED")
        if not user.two_factor:
            return await self._sessions.open(uow, user, caller)
        token = await self._one_time.issue(uow, user.id, TokenPurpose.TWO_FACTOR)
        return Challenge(token, self._clock.now() + LIFETIME[TokenPurpose.TWO_FACTOR])

    def _user(self, arrival: _Arrival, email: str | None) -> User:
        now, person, cipher = self._clock.now(), arrival.person, self._cipher
        name = (person.name or "").replace("\0", "").strip()[:_MAX_NAME]
        return User(
            id=arrival.command.id,
            role=Role.CLIENT.value,
            status=UserStatus.ACTIVE,
            locale=arrival.command.locale,
            created_at=now,
            updated_at=now,
            email=None if email is None else cipher.encrypt(email, purpose=EMAIL_PURPOSE),
            email_hash=None if email is None else self._hashes(email)[0],
            email_verified_at=now if email is not None and person.email_verified else None,
            name=cipher.encrypt(name, purpose=NAME_PURPOSE) if name else None,
        )

    def _email_of(self, person: ForeignPerson) -> str | None:
        """What is no address for us is none at all."""
        try:
            return None if person.email is None else self._emails.checked(person.email)
        except ValidationFailed:
            return None

    def _hashes(self, email: str) -> tuple[bytes, ...]:
        return tuple(self._cipher.keyed_hashes(self._emails.spelling(email), purpose=EMAIL_PURPOSE))
