"""What HTTP asks of identity: the part of the container that the Identity routes touch."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from madang.core.identity.administration import Account, UserChange
from madang.core.identity.api_keys import CreatedApiKey, NewApiKey
from madang.core.identity.external import ExternalSignIn
from madang.core.identity.model import ApiKey, User, UserStatus
from madang.core.identity.profiles import Profile
from madang.core.identity.registration import Register
from madang.core.identity.roles import Role
from madang.core.identity.sessions import OpenSession, SignedIn
from madang.core.identity.sign_in import Challenge
from madang.core.identity.two_factor import Enrolment
from madang.core.kernel.caller import Caller
from madang.core.kernel.paging import Page, PageRequest


class Registration(Protocol):
    async def register(self, command: Register, caller: Caller) -> SignedIn: ...


class SignIn(Protocol):
    async def sign_in(self, email: str, password: str, caller: Caller) -> SignedIn | Challenge: ...


class Sessions(Protocol):
    async def refresh(self, written: str, caller: Caller) -> SignedIn: ...

    async def page(self, caller: Caller, request: PageRequest) -> Page[OpenSession]: ...

    async def end(self, caller: Caller, session_id: UUID) -> None: ...

    async def log_out(self, caller: Caller) -> None: ...


class Profiles(Protocol):
    def of(self, user: User) -> Profile: ...

    async def get(self, user_id: UUID) -> Profile: ...

    async def change(
        self, caller: Caller, changes: Mapping[str, str | None], versions: Collection[int] | None = None
    ) -> Profile: ...


class Passwords(Protocol):
    async def change(self, caller: Caller, current: str, new: str) -> int: ...

    async def forgot(self, email: str) -> None: ...

    async def reset(self, token: str, new: str, caller: Caller) -> None: ...


class EmailVerifications(Protocol):
    async def send_again(self, caller: Caller) -> None: ...

    async def verify(self, token: str, caller: Caller) -> None: ...


class ApiKeys(Protocol):
    """The owner's use cases (`ApiKeyService`)."""

    async def create(self, caller: Caller, wanted: NewApiKey) -> CreatedApiKey: ...

    async def of_caller(self, caller: Caller) -> Sequence[ApiKey]: ...

    async def revoke(self, caller: Caller, key_id: UUID) -> None: ...


class TwoFactor(Protocol):
    async def enrol(self, caller: Caller, password: str | None) -> Enrolment: ...

    async def confirm(self, caller: Caller, code: str) -> Sequence[str]: ...

    async def turn_off(self, caller: Caller, *, password: str | None = None, code: str | None = None) -> None: ...


class SecondStep(Protocol):
    async def answer(self, challenge: str, code: str, caller: Caller) -> SignedIn: ...


class ExternalSignIns(Protocol):
    async def sign_in(self, command: ExternalSignIn, caller: Caller) -> SignedIn | Challenge: ...


class Users(Protocol):
    """An administrator's use cases (`UserAdministration`)."""

    async def page(
        self, caller: Caller, request: PageRequest, *, role: Role | None = None, status: UserStatus | None = None
    ) -> Page[Account]: ...

    async def get(self, caller: Caller, user_id: UUID) -> Account: ...

    async def change(self, caller: Caller, user_id: UUID, change: UserChange) -> Account: ...


class IdentityParts(Protocol):
    @property
    def registration(self) -> Registration: ...

    @property
    def sign_in(self) -> SignIn: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def profiles(self) -> Profiles: ...

    @property
    def passwords(self) -> Passwords: ...

    @property
    def email_verification(self) -> EmailVerifications: ...

    @property
    def api_keys(self) -> ApiKeys: ...

    @property
    def two_factor(self) -> TwoFactor: ...

    @property
    def second_step(self) -> SecondStep: ...

    @property
    def external_sign_in(self) -> ExternalSignIns: ...

    @property
    def user_administration(self) -> Users: ...
