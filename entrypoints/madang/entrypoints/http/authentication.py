"""Bearer tokens: which audience an operation wants, whose the token is, and what it permits."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from madang.core.kernel.errors import NotFound, PermissionDenied, Unauthenticated
from madang.core.kernel.tokens import Claims, Tokens

MAX_TOKEN: Final = 4096


class Audience(StrEnum):
    """What a token opens."""

    API = "api"
    PORTRAIT = "portrait"
    RESULT = "portrait-result"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call: bearers of a token for `audience`; for the API also with the permission, which the role `admin` has."""

    audience: Audience
    permission: str | None = None


def bearer_of(header: bytes | None) -> str | None:
    """The token of an `Authorization` header. Raises `Unauthenticated` for another scheme than `Bearer`."""
    if header is None:
        return None
    scheme, _, token = header.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN or not token.isascii():
        raise Unauthenticated("send the token as: Authorization: Bearer <token>")
    return token.strip()


def authenticate(tokens: Tokens, access: Access, token: str | None) -> Claims:
    """Raises `Unauthenticated` without a valid token for this audience."""
    if token is None:
        raise Unauthenticated("this needs a token")
    return tokens.verify(access.audience.value, token)


def require_permission(access: Access, claims: Claims) -> None:
    """Raises `PermissionDenied`."""
    granted = claims.extra.get("permissions") or ()
    if access.permission and claims.extra.get("role") != "admin" and access.permission not in granted:
        raise PermissionDenied(f"this needs the permission {access.permission}", permission=access.permission)


def require_own(claims: Claims, portrait_id: UUID) -> None:
    """Another's portrait looks like none at all. Raises `NotFound`."""
    if claims.subject != str(portrait_id):
        raise NotFound("there is no such portrait", code="PORTRAIT_NOT_FOUND")
