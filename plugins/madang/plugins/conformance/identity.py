"""Conformance of an identity provider."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final

import pytest

from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import EFFECT_ERRORS, ENDLESS, NOTHING_DONE, Errors, Stage, not_found, raised
from madang.plugins.conformance.suite import BARE, ProviderConformance, Read
from madang.plugins.conformance.webhooks import altered, believed, forgeries
from madang.ports.errors import Misconfigured, RateLimited, Rejected, Unavailable, Unsupported
from madang.ports.identity import ForeignPerson, IdentityProvider, PersonChange, VerifyToken
from madang.ports.provider import ProviderKind
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

EMAIL: Final = "person@example.com"
HOUR: Final = timedelta(hours=1)
NO_TOKENS: Final = ("", ".", "..", "...", "a.b.c", "no token at all", "é" * 30, "eyJ9.eyJ9.x", "." * 5000, "x" * 50_000)
STRANGE_IDS: Final = ("../count", "with a space/and?query#x", "")
DONE_OR_NOT: Final[Mapping[Fault, Errors]] = {fault: each for fault, each in EFFECT_ERRORS.items() if fault not in ENDLESS}

VERIFY_ERRORS: Final[Mapping[Fault, Errors]] = {
    **dict.fromkeys(Fault, (Unavailable,)),
    Fault.RATE_LIMITED: (Unavailable, RateLimited),
    Fault.WRONG_KEY: (Misconfigured,),
}
"""Nobody is believed, and nobody refused, because the issuer could not be asked."""


class IdentityConformance(ProviderConformance):
    """Give `token`, `claims` and `subject`, and `announcement` where there are webhooks.

    The provider believes one issuer, and the remote side has a person `subject` there.
    """

    kind = ProviderKind.IDENTITY
    operation = "verify"
    effects = 0
    errors = VERIFY_ERRORS
    bare: ClassVar[Mapping[int, Errors]] = {**BARE, 413: (Misconfigured, Unavailable), 429: VERIFY_ERRORS[Fault.RATE_LIMITED]}
    retry_after = None
    subject: ClassVar[str] = "user_1"
    unknown_subject: ClassVar[str] = "user_unknown"
    claims: ClassVar[Mapping[str, Any]] = {}
    """What the provider wants in a token besides issuer, subject and times: an audience, mostly."""
    for_others: ClassVar[Mapping[str, Any]] = {"aud": "somebody-else"}
    """Claims that make a token one for another application."""
    signature_headers: ClassVar[Sequence[str]] = ("webhook-id", "webhook-timestamp", "webhook-signature")
    """What a webhook's signature needs."""

    def token(self, claims: Mapping[str, Any], *, stranger: bool = False) -> str:
        """A token with exactly these claims, signed with a key that the stand-in publishes, or by a `stranger` with another
        key under the same key id."""
        raise NotImplementedError(f"{type(self).__name__} has no token(claims): sign as your issuer does")

    def announcement(self, change: PersonChange, subject: str, signed_at: datetime) -> WebhookRequest:
        """The genuine webhook that this happened to this person, signed at this time and received now."""
        raise NotImplementedError(f"{type(self).__name__} has no announcement(change, subject, signed_at)")

    async def act(self, provider: IdentityProvider, key: str, timeout: float = 20.0) -> ForeignPerson:
        return await provider.verify(self._request(provider, timeout=timeout))

    async def reads(self, provider: IdentityProvider) -> Mapping[str, Read]:
        if not provider.capabilities.fetches_people:
            return {}
        return {"fetch_person": lambda: provider.fetch_person(self.subject)}

    async def _provoked(self, stage: Stage, provider: Any) -> list[BaseException]:
        """One provider for each: a failure of the issuer's may be remembered for a while."""
        found: list[BaseException] = []
        for fault in Fault:
            if stage.service is None or fault in ENDLESS or fault in self.unmet:
                continue
            await self.inject(stage, fault, "verify")
            found.append(await raised(self.name, "verify", self.act(stage.build(), "key"), self.errors[fault]))
        return found

    @must("Answer issuer, subject and end of a token, and the claims as they came; show no address in repr().")
    async def test_a_token_of_the_issuer_says_who_it_is(self, provider: IdentityProvider) -> None:
        said: dict[str, Any] = {"name": "김마당", "picture": "https://img.example/1.jpg", "locale": "ko-KR", "sid": "s_1"}
        request = self._request(provider, email=EMAIL, email_verified=True, **said)
        person = await provider.verify(request)
        assert (person.issuer, person.subject) == (self._issuer(provider), self.subject)
        assert (person.email, person.email_verified, person.name) == (EMAIL, True, "김마당")
        assert (person.picture_url, person.locale, person.session_id) == ("https://img.example/1.jpg", "ko-KR", "s_1")
        assert person.expires_at is not None
        assert abs(person.expires_at - request.now - HOUR) < timedelta(seconds=2)
        assert person.claims["sub"] == self.subject
        assert EMAIL not in repr(person)

    @must("An address is verified when the token says exactly true, and not because of any other word.")
    @pytest.mark.parametrize("said", [None, False, "true", 1, "false", "1"])
    async def test_an_address_is_verified_only_when_the_token_says_so(self, provider: IdentityProvider, said: Any) -> None:
        person = await provider.verify(self._request(provider, email=EMAIL, email_verified=said))
        assert (person.email, person.email_verified) == (EMAIL, False)

    @must("Check issuer, subject, end, beginning and audience of a token, each with its reason.")
    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"iss": "https://evil.example"}, "invalid_token"),
            ({"iss": None}, "invalid_token"),
            ({"sub": None}, "invalid_token"),
            ({"sub": ""}, "invalid_token"),
            ({"exp": None}, "invalid_token"),
            ({"exp": "later"}, "invalid_token"),
            ({"exp": -3600}, "expired_token"),
            ({"nbf": 3600}, "invalid_token"),
            ("for_others", "wrong_audience"),
        ],
    )
    async def test_a_wrong_claim_is_refused_with_its_reason(
        self, provider: IdentityProvider, changed: Any, reason: str
    ) -> None:
        now = int(datetime.now(UTC).timestamp())
        claims = self.for_others if changed == "for_others" else changed
        moved: dict[str, Any] = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
        assert await self._refusal(provider, self._request(provider, **moved)) == reason

    @must("Where the sign-in was started with a nonce, the token must carry exactly that.")
    async def test_a_nonce_must_be_that_of_the_sign_in(self, provider: IdentityProvider) -> None:
        assert (await provider.verify(self._request(provider, expected="n-1", nonce="n-1"))).subject == self.subject
        assert await self._refusal(provider, self._request(provider, expected="n-1", nonce="n-2")) == "invalid_token"
        assert await self._refusal(provider, self._request(provider, expected="n-1")) == "invalid_token"

    @must('Verify the signature with the issuer\'s own keys and algorithms, and refuse all else as "invalid_token".')
    async def test_no_forgery_is_believed(self, provider: IdentityProvider) -> None:
        claims = self._claims(provider)
        genuine = self.token(claims)
        for forged in [*forged_tokens(genuine, claims), self.token(claims, stranger=True), *NO_TOKENS]:
            request = VerifyToken(Secret(forged), datetime.now(UTC), timeout=20.0)
            assert await self._refusal(provider, request) == "invalid_token", forged[:200]
        assert (await provider.verify(VerifyToken(Secret(genuine), datetime.now(UTC)))).subject == self.subject

    @must("Keep the issuer's keys: offline says that a second token is verified without asking anybody.")
    async def test_an_offline_provider_asks_the_issuer_once(self, stage: Stage, provider: IdentityProvider) -> None:
        if not provider.capabilities.offline or stage.service is None:
            pytest.skip("it does not claim to verify offline")
        await provider.verify(self._request(provider))
        asked = len(stage.service.arrived)
        await provider.verify(self._request(provider))
        assert len(stage.service.arrived) == asked

    @must("A check that fails says so in its own name: Unavailable, and Misconfigured for wrong keys or addresses.")
    @pytest.mark.parametrize("fault", [fault for fault in VERIFY_ERRORS if fault not in ENDLESS])
    async def test_each_failure_of_a_check_has_its_error(self, stage: Stage, provider: IdentityProvider, fault: Fault) -> None:
        self._needs(fault)
        if stage.service is None:
            pytest.skip("nothing outside can go wrong")
        await self.inject(stage, fault, "check")
        error = await raised(self.name, "check", provider.check(), VERIFY_ERRORS[fault])
        self._has_the_providers_code(stage, fault, error)

    @must("Fetch the person as the issuer has them; one that is unknown is not_found; else Unsupported.")
    async def test_a_person_is_fetched_by_the_subject(self, stage: Stage, provider: IdentityProvider) -> None:
        if not provider.capabilities.fetches_people:
            await raised(self.name, "fetch_person", provider.fetch_person(self.subject), (Unsupported,))
            return
        person = await provider.fetch_person(self.subject)
        assert (person.issuer, person.subject) == (self._issuer(provider), self.subject)
        for strange in (self.unknown_subject, *STRANGE_IDS):
            await not_found(stage, "fetch_person", provider.fetch_person(strange))

    @must("Delete the person at the issuer; one that is gone counts as erased; else Unsupported.")
    async def test_a_deleted_person_is_gone(self, provider: IdentityProvider) -> None:
        if not provider.capabilities.deletes_people:
            gone = provider.delete_person(self.subject, idempotency_key="delete-1")
            await raised(self.name, "delete_person", gone, (Unsupported,))
            return
        for _ in range(2):
            await provider.delete_person(self.subject, idempotency_key="delete-1")
        for strange in (self.unknown_subject, *STRANGE_IDS):
            await provider.delete_person(strange, idempotency_key="delete-2")
        if provider.capabilities.fetches_people:
            await raised(self.name, "fetch_person", provider.fetch_person(self.subject), (Rejected,))

    @must("A deletion whose answer was lost is OutcomeUnknown, after one try; one that was refused leaves the person.")
    @pytest.mark.parametrize("fault", DONE_OR_NOT)
    async def test_each_failure_of_a_deletion_has_its_error(
        self, stage: Stage, provider: IdentityProvider, fault: Fault
    ) -> None:
        self._needs(fault)
        if not provider.capabilities.deletes_people:
            pytest.skip("it does not claim to delete people")
        await self.inject(stage, fault, "delete_person")
        gone = provider.delete_person(self.subject, idempotency_key="delete-1")
        await raised(self.name, "delete_person", gone, DONE_OR_NOT[fault])
        assert stage.service is None or len(stage.service.acting) == 1
        if fault in NOTHING_DONE and provider.capabilities.fetches_people:
            assert (await provider.fetch_person(self.subject)).subject == self.subject
        await provider.delete_person(self.subject, idempotency_key="delete-1")

    @must("Verify a webhook, and tell whom it is about; a kind that you do not know is OTHER, which changes nothing.")
    @pytest.mark.parametrize("change", PersonChange)
    async def test_a_genuine_announcement_is_believed(self, provider: IdentityProvider, change: PersonChange) -> None:
        if not provider.capabilities.webhooks:
            with pytest.raises(Unsupported):
                provider.read_webhook(WebhookRequest({}, b"{}", datetime.now(UTC)))
            return
        request = self.announcement(change, self.subject, datetime.now(UTC))
        [notice] = provider.read_webhook(request)
        assert notice.change is change
        assert notice.event_id
        assert provider.read_webhook(request) == [notice]
        if change is not PersonChange.OTHER:
            assert notice.subject == self.subject
        assert notice.person is None or notice.person.subject == self.subject

    @must("Verify signature, time and shape before believing a word: SignatureInvalid for anything else.")
    async def test_a_forged_or_stale_announcement_is_refused(self, provider: IdentityProvider) -> None:
        if not provider.capabilities.webhooks:
            pytest.skip("it does not claim to have webhooks")
        sign = partial(self.announcement, PersonChange.UPDATED, self.subject)
        assert not believed(provider.read_webhook, self.name, forgeries(sign, self.signature_headers))

    def _issuer(self, provider: IdentityProvider) -> str:
        [issuer] = provider.capabilities.issuers
        return issuer

    def _claims(self, provider: IdentityProvider, **changed: Any) -> Mapping[str, Any]:
        """Of a token that is good for an hour; a claim that is None is left out."""
        now = int(datetime.now(UTC).timestamp())
        usual = {"iss": self._issuer(provider), "sub": self.subject, "iat": now, "nbf": now, "exp": now + 3600, **self.claims}
        return {name: value for name, value in {**usual, **changed}.items() if value is not None}

    def _request(
        self, provider: IdentityProvider, *, expected: str | None = None, timeout: float = 20.0, **changed: Any
    ) -> VerifyToken:
        return VerifyToken(Secret(self.token(self._claims(provider, **changed))), datetime.now(UTC), expected, timeout)

    async def _refusal(self, provider: IdentityProvider, request: VerifyToken) -> str:
        error = await raised(self.name, "verify", provider.verify(request), (Rejected,))
        token = request.token.reveal()
        assert len(token) < 20 or token not in str(error), "the error shows the token"
        return str(getattr(error, "reason", ""))


def forged_tokens(genuine: str, claims: Mapping[str, Any]) -> Iterator[str]:
    """What somebody makes of a genuine token without the issuer's private key."""
    head, body, signature = genuine.split(".")
    other = segment({**claims, "sub": "somebody_else"})
    yield f"{head}.{other}.{signature}"
    yield from (f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{altered(signature)}", f"{genuine}.{signature}")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    for none in ("none", "None", "NONE", "nOnE"):
        for claimed in (body, other):
            yield f"{segment({**header, 'alg': none})}.{claimed}."
            yield f"{segment({**header, 'alg': none})}.{claimed}.{signature}"
    for algorithm in ("HS256", "unheard-of", "", None):
        yield f"{segment({**header, 'alg': algorithm})}.{body}.{signature}"


def segment(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
