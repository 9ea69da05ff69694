"""Clerk's words and ours. Pure: no clock, no network.

Source: Clerk's descriptions of the Backend API (2025-11-10: `User`, `EmailAddress`, `ClerkErrors`) and of its webhooks
(2025-04-15: `WebhookEventPayload`, `User`, `Session`, `DeletedObject`), OpenID Connect Core for the standard claims.
Not verified: whether the webhook's `timestamp` is always in seconds; the description says so, samples in circulation carry
milliseconds, so both are read.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.identity import ForeignPerson, PersonChange, PersonNotice

NAME: Final = "clerk"
SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,255}")
"""OpenID Connect: up to 255 ASCII characters."""

REASONS: Final[Mapping[int, str]] = {
    400: "invalid_request",
    404: "not_found",
    409: "conflict",
    410: "not_found",
    422: "invalid_request",
}
"""Refusals for good, by status. Any other of 4xx is an invalid request too."""

WRONG_KEYS: Final = frozenset({401, 402, 403})

CHANGES: Final[Mapping[str, PersonChange]] = {
    "user.created": PersonChange.CREATED,
    "user.updated": PersonChange.UPDATED,
    "user.deleted": PersonChange.DELETED,
    "session.ended": PersonChange.SESSION_ENDED,
    "session.removed": PersonChange.SESSION_ENDED,
    "session.revoked": PersonChange.SESSION_ENDED,
}
_MAX_RETRY_AFTER: Final = 86_400.0
_CODE: Final = re.compile(r"[\w.-]{1,64}")


def person_from_claims(claims: Mapping[str, Any]) -> ForeignPerson:
    """The person of verified claims. Clerk's session tokens name an e-mail only where the instance's template adds it."""
    email = _text(claims.get("email"), 320)
    names = [_text(claims.get(part), 100) for part in ("given_name", "family_name")]
    return ForeignPerson(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=email,
        email_verified=email is not None and claims.get("email_verified") is True,
        name=_text(claims.get("name"), 200) or " ".join(filter(None, names)) or None,
        picture_url=_https(claims.get("picture")),
        locale=_text(claims.get("locale"), 35),
        session_id=_text(claims.get("sid"), 255),
        expires_at=_moment(claims.get("exp")),
        claims=dict(claims),
    )


def person_from_user(user: Mapping[str, Any], issuer: str) -> ForeignPerson:
    """The person of a `User` object. Raises `ValueError` for an object that names nobody."""
    subject = user.get("id")
    if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
        raise ValueError("the user has no id")
    email, verified = _primary_email(user)
    names = [_text(user.get(part), 100) for part in ("first_name", "last_name")]
    return ForeignPerson(
        issuer=issuer,
        subject=subject,
        email=email,
        email_verified=verified,
        name=" ".join(filter(None, names)) or None,
        picture_url=_https(user.get("image_url")) if user.get("has_image") else None,
        locale=_text(user.get("locale"), 35),
    )


def notice_from(event_id: str, event: Mapping[str, Any], issuer: str) -> PersonNotice:
    """What a verified event tells. Raises `ValueError` for one about a person that names nobody."""
    kind, data = str(event.get("type")), event.get("data")
    change = CHANGES.get(kind, PersonChange.OTHER)
    occurred_at = _moment(event.get("timestamp"))
    if not isinstance(data, dict) or change is PersonChange.OTHER:
        return PersonNotice(event_id, PersonChange.OTHER, occurred_at)
    about_session = kind.startswith("session.")
    subject = _text(data.get("user_id" if about_session else "id"), 255)
    if subject is None:
        raise ValueError("the event names nobody")
    session_id = _text(data.get("id"), 255) if about_session else None
    told = change in (PersonChange.CREATED, PersonChange.UPDATED)
    return PersonNotice(event_id, change, occurred_at, subject, session_id, person_from_user(data, issuer) if told else None)


def error_of(
    status: int, headers: Mapping[str, str], document: Mapping[str, Any], operation: str, *, changes: bool
) -> PortError:
    """The error of an answer that is no success. A failure of Clerk's (5xx) leaves open what became of a change."""
    code, request_id = _code(document), _code_like(document.get("clerk_trace_id"))
    if status == 404 and code is None:
        message = "plugins.clerk.api_url is not Clerk's Backend API"
        return Misconfigured(message, provider=NAME, operation=operation, code="404", request_id=request_id)
    code = code or str(status)
    if status == 429:
        retry_after = retry_after_of(headers)
        return RateLimited(
            "too many calls", retry_after=retry_after, provider=NAME, operation=operation, code=code, request_id=request_id
        )
    if status in WRONG_KEYS:
        message = "plugins.clerk.secret_key is refused"
        return Misconfigured(message, provider=NAME, operation=operation, code=code, request_id=request_id)
    if status < 400:
        message = f"plugins.clerk.api_url answers {status}"
        return Misconfigured(message, provider=NAME, operation=operation, code=code, request_id=request_id)
    if status >= 500:
        kind = OutcomeUnknown if changes else Unavailable
        return kind(f"Clerk answers {status}", provider=NAME, operation=operation, code=code, request_id=request_id)
    reason = REASONS.get(status, "invalid_request")
    message = f"Clerk refuses it with {status}"
    return Rejected(message, reason=reason, provider=NAME, operation=operation, code=code, request_id=request_id)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None for a date or anything else."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def _code(document: Mapping[str, Any]) -> str | None:
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return _code_like(first.get("code")) if isinstance(first, dict) else None


def _code_like(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _primary_email(user: Mapping[str, Any]) -> tuple[str | None, bool]:
    primary, addresses = user.get("primary_email_address_id"), user.get("email_addresses")
    for each in addresses if isinstance(addresses, list) else []:
        if isinstance(each, dict) and primary is not None and each.get("id") == primary:
            verification = each.get("verification")
            verified = isinstance(verification, dict) and verification.get("status") == "verified"
            email = _text(each.get("email_address"), 320)
            return email, verified and email is not None
    return None, False


def _text(value: object, longest: int) -> str | None:
    """A printable text of sensible length; anything else is as good as not there."""
    return value if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable() else None


def _https(value: object) -> str | None:
    address = _text(value, 2048)
    return address if address and address.startswith("https://") else None


def _moment(value: object) -> datetime | None:
    """Seconds or milliseconds since 1970. Seconds reach this threshold in the year 5138."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value / 1000 if value >= 100_000_000_000 else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
