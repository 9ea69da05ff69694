"""Who asks for something: the edges find it out, use cases decide by it, the audit trail writes it down."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from madang.core.kernel.errors import Unauthenticated


class CallerKind(StrEnum):
    """`OPERATOR`: somebody at the command line of the deployment. `SYSTEM`: the worker, by itself."""

    USER = "user"
    API_KEY = "api_key"
    BUYER = "buyer"
    ANONYMOUS = "anonymous"
    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Caller:
    """`permissions` are what this call may do: of a user those of the role, of an API key those that the key was given.
    `address` and `agent` (the User-Agent header) are personal data: they are never logged and stored only encrypted."""

    kind: CallerKind
    user_id: UUID | None = None
    role: str | None = None
    permissions: frozenset[str] = frozenset()
    session_id: UUID | None = None
    api_key_id: UUID | None = None
    address: str | None = field(default=None, repr=False)
    agent: str | None = field(default=None, repr=False)

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    @property
    def person(self) -> UUID:
        """The signed-in user, or whose API key it is. Raises `Unauthenticated` for who is none: an operator's token."""
        if self.user_id is None:
            raise Unauthenticated("this is for a person who has signed in")
        return self.user_id

    @property
    def session(self) -> UUID:
        """Raises `Unauthenticated` for a caller without one."""
        if self.session_id is None:
            raise Unauthenticated("this is for a person who has signed in")
        return self.session_id


SYSTEM = Caller(CallerKind.SYSTEM)
OPERATOR = Caller(CallerKind.OPERATOR)
