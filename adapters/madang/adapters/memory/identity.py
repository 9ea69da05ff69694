"""`IdentityProvider` in memory: it issues the tokens that it believes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from madang.adapters.memory import capabilities
from madang.adapters.memory.capabilities import ISSUER
from madang.adapters.memory.provider import MemoryProvider, rejected
from madang.adapters.memory.signatures import believed_claims, believed_webhook, signed_token, signed_webhook
from madang.ports.errors import Rejected
from madang.ports.identity import ForeignPerson, IdentityCapabilities, PersonChange, PersonNotice, VerifyToken
from madang.ports.webhook import WebhookRequest

LEEWAY: Final = 10.0


class MemoryIdentity(MemoryProvider):
    """Fulfils `IdentityProvider`. Whoever a token is issued for is a person; `enrol` makes one that can be fetched."""

    @property
    def capabilities(self) -> IdentityCapabilities:
        return capabilities.IDENTITY

    def enrol(self, person: ForeignPerson) -> None:
        self.world.shelf("identity")[person.subject] = person

    def issue(self, subject: str, lifetime: timedelta = timedelta(hours=1), **claims: Any) -> str:
        """A token as this issuer gives it to a person."""
        now = datetime.now(UTC).timestamp()
        usual = {"iss": ISSUER, "sub": subject, "iat": now, "exp": now + lifetime.total_seconds()}
        return self.sign({**usual, **claims})

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with exactly these claims."""
        return signed_token(self._context.signing_key, claims)

    def announce(self, event: Mapping[str, Any], signed_at: datetime | None = None) -> WebhookRequest:
        """The signed webhook that says so, received now: `{"change": "deleted", "subject": …}`."""
        now = datetime.now(UTC)
        return signed_webhook(self._context.signing_key, self.world.next_id("event"), event, signed_at or now, now)

    async def verify(self, request: VerifyToken) -> ForeignPerson:
        claims = believed_claims(self._context.signing_key, request.token.reveal())
        if claims is None:
            raise _refused("this token is not of this issuer")
        return await self.world.look("identity.verify", lambda: _person_of(claims, request))

    async def fetch_person(self, subject: str) -> ForeignPerson:
        person: ForeignPerson | None = await self.world.look(
            "identity.fetch_person", lambda: self.world.shelf("identity").get(subject)
        )
        if person is None:
            raise rejected("there is no such person", "not_found", "fetch_person")
        return person

    async def delete_person(self, subject: str, *, idempotency_key: str) -> None:
        await self.world.effect("identity.delete_person", lambda: self.world.shelf("identity").pop(subject, None))

    def read_webhook(self, request: WebhookRequest) -> Sequence[PersonNotice]:
        event_id, event = believed_webhook(self._context.signing_key, request)
        known = {each.value: each for each in PersonChange}
        change = known.get(str(event.get("change")), PersonChange.OTHER)
        return [PersonNotice(event_id, change, None, event.get("subject"), event.get("session_id"))]


def _person_of(claims: Mapping[str, Any], request: VerifyToken) -> ForeignPerson:
    subject, email, now = claims.get("sub"), claims.get("email"), request.now.timestamp()
    if claims.get("iss") != ISSUER or not isinstance(subject, str) or not subject:
        raise _refused("it names another issuer or nobody")
    ends, begins = _moment(claims.get("exp")), _moment(claims.get("nbf", 0))
    if ends is None or begins is None or begins > now + LEEWAY:
        raise _refused("it has no end, or has not begun")
    if ends < now - LEEWAY:
        raise _refused("it is over", "expired_token")
    if "aud" in claims:
        raise _refused("it is meant for another application", "wrong_audience")
    if request.nonce is not None and claims.get("nonce") != request.nonce:
        raise _refused("it is of another sign-in")
    return ForeignPerson(
        ISSUER,
        subject,
        email,
        email is not None and claims.get("email_verified") is True,
        claims.get("name"),
        claims.get("picture"),
        claims.get("locale"),
        session_id=claims.get("sid"),
        expires_at=datetime.fromtimestamp(ends, UTC),
        claims=claims,
    )


def _moment(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _refused(message: str, reason: str = "invalid_token") -> Rejected:
    return rejected(message, reason, "verify")
