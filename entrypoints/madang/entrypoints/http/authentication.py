"""Bearer tokens: which audience an operation wants, whose the token is, and what it permits."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from madang.core.identity.roles import Role, permissions_of
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import NotFound, PermissionDenied, Unauthenticated
from madang.core.kernel.tokens import Claims, Tokens

MAX_TOKEN: Final = 4096


class Audience(StrEnum):
    """What a token opens."""

    API = "api"
    PORTRAIT = "portrait"
    RESULT = "portrait-result"
    ERASURE = "erasure"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call: bearers of a token for `audience`; for the API also with the permission, which the role `admin` has, and
    unless `by_key` is off also API keys that were given the permission."""

    audience: Audience
    permission: str | None = None
    by_key: bool = True


SIGNED_IN: Final = Access(Audience.API, by_key=False)
"""The person themself, with a session: what concerns the account's own security is open to no API key."""


def bearer_of(header: bytes | None) -> str | None:
    """The token of an `Authorization` header. Raises `Unauthenticated` for another scheme than `Bearer`."""
    if header is None:
        return None
    scheme, _, token = header.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN or not token.isascii():
        raise Unauthenticated("send the token as: Authorization: Bearer <token>")
    return token.strip()


class NoKeyTaken(Unauthenticated):
    """An API key, where only the person themself is let in."""


class Revocations(Protocol):
    def ended(self, session: object) -> bool:
        """Whether tokens of this session are to be refused, whatever they say."""
        ...


class ApiKeys(Protocol):
    async def verify(self, written: str) -> Claims:
        """Claims like those of a token, with the `keyId`. Raises `Unauthenticated`."""
        ...


def authenticate(tokens: Tokens, revocations: Revocations, access: Access, token: str | None) -> Claims:
    """Raises `Unauthenticated` without a valid token for this audience, and for one whose session is over."""
    if token is None:
        raise Unauthenticated("this needs a token")
    claims = tokens.verify(access.audience.value, token)
    if revocations.ended(claims.extra.get("sid")):
        raise Unauthenticated("this session is over: sign in again")
    return claims


async def authenticate_key(keys: ApiKeys, access: Access, header: bytes) -> Claims:
    """Raises `Unauthenticated` for a key that is not good, and where no key is taken at all."""
    if access.audience is not Audience.API or not access.by_key:
        raise NoKeyTaken("this takes no API key: sign in, and send the token as: Authorization: Bearer <token>")
    return await keys.verify(header.decode("latin-1").strip())


def permissions_in(claims: Claims) -> frozenset[str]:
    """What the bearer may do. An administrator may do what the role may now; an administrator's key what it was given."""
    granted = frozenset(claims.extra.get("permissions") or ())
    if claims.extra.get("role") == Role.ADMIN and "keyId" not in claims.extra:
        return granted | permissions_of(Role.ADMIN)
    return granted


def caller_of(claims: Claims | None, address: str, agent: str | None) -> Caller:
    """Who asks, as the use cases know them. A token that `madang token` made names no user: it is the operator's."""
    if claims is None:
        return Caller(CallerKind.ANONYMOUS, address=address, agent=agent)
    if claims.audience != Audience.API:
        return Caller(CallerKind.BUYER, address=address, agent=agent)
    extra = claims.extra
    user_id = _uuid(extra.get("userId"))
    key_id = _uuid(extra.get("keyId"))
    kind = CallerKind.API_KEY if key_id else CallerKind.USER if user_id else CallerKind.OPERATOR
    return Caller(kind, user_id, extra.get("role"), permissions_in(claims), _uuid(extra.get("sid")), key_id, address, agent)


def _uuid(written: object) -> UUID | None:
    """None for a word that is no id: a token of `madang token` may name anybody."""
    try:
        return UUID(written) if isinstance(written, str) else None
    except ValueError:
        return None


def require_permission(access: Access, claims: Claims) -> None:
    """Raises `PermissionDenied`; and `Unauthenticated` where a person with a session is asked for, and this is none."""
    signed_in = _uuid(claims.extra.get("userId")) is not None and _uuid(claims.extra.get("sid")) is not None
    if access.audience is Audience.API and not access.by_key and not signed_in:
        raise Unauthenticated("this is for a person who has signed in")
    if access.permission and access.permission not in permissions_in(claims):
        raise PermissionDenied(f"this needs the permission {access.permission}", permission=access.permission)


def require_own(claims: Claims, portrait_id: UUID) -> None:
    """Another's portrait looks like none at all. Raises `NotFound`."""
    if claims.subject != str(portrait_id):
        raise NotFound("there is no such portrait", code="PORTRAIT_NOT_FOUND")
