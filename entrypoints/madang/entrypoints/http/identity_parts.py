"""What HTTP asks of identity: the part of the container that the Identity routes touch."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from madang.core.identity.model import User
from madang.core.identity.profiles import Profile
from madang.core.identity.registration import Register
from madang.core.identity.sessions import OpenSession, SignedIn
from madang.core.identity.sign_in import Challenge
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
