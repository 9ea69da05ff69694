"""What the Identity calls take and answer."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from madang.core.identity.profiles import Profile
from madang.core.identity.sessions import OpenSession, SignedIn
from madang.core.identity.sign_in import Challenge
from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.portraits.shapes import Input

Language = Literal["ko", "en"]
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^\u0000-\u001f\u007f]*\Z")]
"""No line end: an address is written into the head of a mail."""
Password = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\u0000]*$")]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000-\u001f\u007f]*\Z")]
Phone = Annotated[str, Meta(min_length=3, max_length=40, pattern=r"^[^\u0000]*$")]
Secret = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[\u0021-\u007e]*\Z")]


class RegisterBody(Input, frozen=True):
    """`locale` is the language of what is written to the user; without it, that of `Accept-Language`."""

    email: Email
    password: Password
    name: Name | None = None
    locale: Language | None = None


class LoginBody(Input, frozen=True):
    email: Email
    password: Password


class RefreshBody(Input, frozen=True):
    refresh_token: Secret


class ProfilePatch(Input, frozen=True):
    """A JSON merge patch: what is left out stays, `null` empties. `phone` in any common Korean or E.164 form."""

    name: Name | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    locale: Language | UnsetType = UNSET


class PasswordBody(Input, frozen=True):
    current_password: Password
    new_password: Password


class ForgotBody(Input, frozen=True):
    email: Email


class ResetBody(Input, frozen=True):
    """`token` is the one in the mailed link."""

    token: Secret
    password: Password


class TokenBody(Input, frozen=True):
    """`token` is the one in the mailed link."""

    token: Secret


class NoFields(Input, frozen=True):
    """A body without fields; it may be left out."""


class SessionsQuery(Input, frozen=True):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class UserShape(Shape, frozen=True):
    """`phone` is E.164. `permissions` are those of the role."""

    id: UUID
    email: str | None
    email_verified: bool
    name: str | None
    phone: str | None
    role: str
    permissions: Sequence[str]
    status: str
    locale: str
    two_factor: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, profile: Profile, zone: tzinfo) -> "UserShape":
        return cls(
            profile.id,
            profile.email,
            profile.email_verified,
            profile.name,
            profile.phone,
            profile.role,
            tuple(profile.permissions),
            profile.status.value,
            profile.locale,
            profile.two_factor,
            profile.created_at.astimezone(zone),
            profile.updated_at.astimezone(zone),
        )


class TokensShape(Shape, frozen=True):
    """`expiresIn` is the access token's time in seconds. The refresh token is good once: it answers the next pair."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    access_expires_at: datetime
    refresh_expires_at: datetime
    session_id: UUID


class SignedInShape(TokensShape, frozen=True):
    user: UserShape


class LoginShape(Shape, frozen=True):
    """With `twoFactorRequired` only the `challenge`, which is answered with a code within five minutes; else the tokens."""

    two_factor_required: bool
    challenge: str | UnsetType = UNSET
    challenge_expires_at: datetime | UnsetType = UNSET
    access_token: str | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET
    token_type: Literal["Bearer"] | UnsetType = UNSET
    expires_in: int | UnsetType = UNSET
    access_expires_at: datetime | UnsetType = UNSET
    refresh_expires_at: datetime | UnsetType = UNSET
    session_id: UUID | UnsetType = UNSET
    user: UserShape | UnsetType = UNSET


class SessionShape(Shape, frozen=True):
    """`current` is the one that asks; `agent` is the browser's or program's own name for itself."""

    id: UUID
    current: bool
    address: str | None
    agent: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, session: OpenSession, zone: tzinfo) -> "SessionShape":
        return cls(
            session.id,
            session.current,
            session.address,
            session.agent,
            session.created_at.astimezone(zone),
            session.last_used_at.astimezone(zone),
            session.expires_at.astimezone(zone),
        )


class EndedShape(Shape, frozen=True):
    """The session that is over."""

    id: UUID


class PasswordChangedShape(Shape, frozen=True):
    """How many other sessions were ended."""

    sessions_ended: int


class PasswordResetShape(Shape, frozen=True):
    password_reset: Literal[True]


class MailedShape(Shape, frozen=True):
    """A mail is on its way, where there is somebody to write to."""

    accepted: Literal[True]


class EmailVerifiedShape(Shape, frozen=True):
    email_verified: Literal[True]


def tokens_of(signed_in: SignedIn, now: datetime, zone: tzinfo) -> dict[str, Any]:
    """The fields of `TokensShape`."""
    return {
        "access_token": signed_in.access_token,
        "refresh_token": signed_in.refresh_token,
        "token_type": "Bearer",
        "expires_in": max(0, round((signed_in.access_expires_at - now).total_seconds())),
        "access_expires_at": signed_in.access_expires_at.astimezone(zone),
        "refresh_expires_at": signed_in.refresh_expires_at.astimezone(zone),
        "session_id": signed_in.session_id,
    }


def login_of(outcome: SignedIn | Challenge, user: UserShape | None, now: datetime, zone: tzinfo) -> LoginShape:
    if isinstance(outcome, Challenge):
        return LoginShape(True, challenge=outcome.token, challenge_expires_at=outcome.expires_at.astimezone(zone))
    return LoginShape(False, **tokens_of(outcome, now, zone), user=UNSET if user is None else user)


USER: Final[dict[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "email": "name@example.com",
    "emailVerified": False,
    "name": "홍길동",
    "phone": None,
    "role": "client",
    "permissions": ["events:read", "files:read", "files:write", "notifications:read", "profile:read"],
    "status": "active",
    "locale": "ko",
    "twoFactor": False,
    "createdAt": "2026-01-05T12:07:30+09:00",
    "updatedAt": "2026-01-05T12:07:30+09:00",
}
TOKENS: Final[dict[str, Any]] = {
    "accessToken": "(a JSON Web Token)",
    "refreshToken": "forty-three-random-characters",
    "tokenType": "Bearer",
    "expiresIn": 3600,
    "accessExpiresAt": "2026-01-05T13:07:30+09:00",
    "refreshExpiresAt": "2026-01-12T12:07:30+09:00",
    "sessionId": "01997f30-9a10-7c01-b7a2-0242ac120002",
}
SESSION: Final[dict[str, Any]] = {
    "id": "01997f30-9a10-7c01-b7a2-0242ac120002",
    "current": True,
    "address": "198.51.100.7",
    "agent": "Mozilla/5.0",
    "createdAt": "2026-01-05T12:07:30+09:00",
    "lastUsedAt": "2026-01-05T13:05:00+09:00",
    "expiresAt": "2026-01-12T13:05:00+09:00",
}
