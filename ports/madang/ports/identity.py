"""Port: turn a token of a foreign identity provider into a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from madang.ports.provider import Provider
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest


@dataclass(frozen=True, slots=True)
class VerifyToken:
    """A token as the client sent it. `nonce` is what the client's sign-in was started with, where it was started by us.

    `now` is the time to judge it by; `timeout` is in seconds, for fetching the issuer's keys.
    """

    token: Secret
    now: datetime
    nonce: str | None = None
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class ForeignPerson:
    """Who the token speaks for. `issuer` and `subject` together are the one stable identity: an e-mail address is not.

    `email` is only to be believed when `email_verified`. `expires_at` is the token's end, which is not the end of our session.
    `claims` are the verified claims as they came, for what this contract does not name.
    """

    issuer: str
    subject: str
    email: str | None = field(default=None, repr=False)
    email_verified: bool = False
    name: str | None = field(default=None, repr=False)
    picture_url: str | None = field(default=None, repr=False)
    locale: str | None = None
    session_id: str | None = None
    expires_at: datetime | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


class PersonChange(StrEnum):
    """What happened to a person at the issuer. A kind that an adapter does not know is `OTHER`, which changes nothing here."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    SESSION_ENDED = "session_ended"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PersonNotice:
    """One verified webhook. `event_id` is unique at the issuer and dedupes deliveries; `person` is there when the notice
    carries it."""

    event_id: str
    change: PersonChange
    occurred_at: datetime | None = None
    subject: str | None = None
    session_id: str | None = None
    person: ForeignPerson | None = None


@dataclass(frozen=True, slots=True)
class IdentityCapabilities:
    """`issuers` whose tokens it accepts, exactly as in the token's `iss`. `offline`: a token is verified without asking the
    issuer each time (its public keys are cached)."""

    issuers: frozenset[str] = frozenset()
    offline: bool = True
    fetches_people: bool = False
    deletes_people: bool = False
    webhooks: bool = False


class IdentityProvider(Provider, Protocol):
    """Verifies foreign tokens. It never creates anybody here: that is the caller's decision."""

    @property
    def capabilities(self) -> IdentityCapabilities: ...

    async def verify(self, request: VerifyToken) -> ForeignPerson:
        """Check signature, algorithm, issuer, audience, time window and nonce, and answer who it is.

        Raises `Rejected` (`invalid_token` for whatever is wrong with it, `expired_token`, `wrong_audience`), `Unavailable`
        when the issuer's keys cannot be had, `Misconfigured`. A token is never believed because its keys could not be fetched.
        """
        ...

    async def fetch_person(self, subject: str) -> ForeignPerson:
        """The person as the issuer has them now; `Unsupported` unless `capabilities.fetches_people`. Raises
        `Rejected(reason="not_found")`, `Unavailable`, `RateLimited`, `Misconfigured`."""
        ...

    async def delete_person(self, subject: str, *, idempotency_key: str) -> None:
        """Erase the person at the issuer; one that is not there counts as erased. `Unsupported` unless
        `capabilities.deletes_people`. Raises `Unavailable`, `RateLimited`, `OutcomeUnknown`, `Misconfigured`."""
        ...

    def read_webhook(self, request: WebhookRequest) -> Sequence[PersonNotice]:
        """Verify and read one delivery. Raises `SignatureInvalid`, and `Unsupported` unless `capabilities.webhooks`."""
        ...
