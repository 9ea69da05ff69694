"""`IdentityProvider` for Clerk and other issuers of JSON Web Tokens."""

import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from madang.adapters.clerk.capabilities import as_configured
from madang.adapters.clerk.client import ClerkClient
from madang.adapters.clerk.issuer_keys import FETCH_SECONDS, IssuerKeys
from madang.adapters.clerk.mapping import NAME, notice_from, person_from_claims, person_from_user
from madang.adapters.clerk.settings import ClerkSettings
from madang.adapters.clerk.tokens import TokenRules, refused
from madang.adapters.standard_webhooks.verification import WebhookVerification
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Rejected, SignatureInvalid, Unavailable, Unsupported
from madang.ports.identity import ForeignPerson, IdentityCapabilities, PersonNotice, VerifyToken
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

API_SECONDS: Final = 10.0
CLERK_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")


class ClerkIdentity:
    """Fulfils `IdentityProvider`. A token is judged here with the issuer's public keys; the issuer is not asked about it.

    Where it names no e-mail address, as Clerk's do by default, the first issuer's Backend API tells it, given a secret key.
    """

    def __init__(self, settings: ClerkSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._capabilities = as_configured(settings)
        self._rules = TokenRules(settings)
        self._client = ClerkClient(settings)
        self._keys = {issuer: IssuerKeys(issuer, settings, self._client, self._monotonic) for issuer in settings.issuers}

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> IdentityCapabilities:
        return self._capabilities

    async def check(self) -> ProviderHealth:
        """Whether every issuer gives its keys, and Clerk takes ours (by counting its users, which changes nothing)."""
        started = time.perf_counter()
        for keys in self._keys.values():
            await keys.fetch(FETCH_SECONDS)
        if self._settings.secret_key is not None:
            await self._client.backend("check", "GET", "/users/count", API_SECONDS)
        return ProviderHealth(True, ", ".join(self._settings.issuers), (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        for keys in self._keys.values():
            await keys.close()
        await self._client.close()

    async def verify(self, request: VerifyToken) -> ForeignPerson:
        issuer, algorithm, key_id = self._rules.announced(request.token.reveal())
        keys = await self._keys[issuer].find(key_id, algorithm, request.timeout)
        person = person_from_claims(self._rules.verified(request, issuer, keys))
        if person.email is None and self._settings.secret_key is not None and issuer == self._settings.issuers[0]:
            return await self._completed(person, request.timeout)
        return person

    async def fetch_person(self, subject: str) -> ForeignPerson:
        return self._person_of(await self._user(subject, "fetch_person", API_SECONDS), subject, "fetch_person")

    async def delete_person(self, subject: str, *, idempotency_key: str) -> None:
        try:
            path = f"/users/{_path(subject, 'delete_person')}"
            answer = await self._client.backend("delete_person", "DELETE", path, API_SECONDS)
        except Rejected as error:
            if error.reason != "not_found":
                raise
            return
        if answer.get("deleted") is not True:
            raise OutcomeUnknown("the answer does not say that it is deleted", provider=NAME, operation="delete_person")

    def read_webhook(self, request: WebhookRequest) -> Sequence[PersonNotice]:
        if self._settings.webhook_secret is None:
            raise Unsupported("needs plugins.clerk.webhook_secret", provider=NAME, operation="read_webhook")
        event = WebhookVerification(NAME, self._settings.webhook_secret, "svix").read(request)
        try:
            return [notice_from(event.id, event.document, self._settings.issuers[0])]
        except ValueError as error:
            raise SignatureInvalid(str(error), provider=NAME, operation="read_webhook") from None

    async def _completed(self, person: ForeignPerson, timeout: float) -> ForeignPerson:
        """What the token does not name, as Clerk has it now. Raises `Rejected` for somebody who is gone or banned there."""
        try:
            user = await self._user(person.subject, "verify", timeout)
        except Rejected as error:
            raise refused("Clerk has no such person", "invalid_token") from error
        if user.get("banned") is True:
            raise refused("Clerk has banned this person", "invalid_token")
        known = self._person_of(user, person.subject, "verify")
        return dataclasses.replace(
            person,
            email=known.email,
            email_verified=known.email_verified,
            name=person.name or known.name,
            picture_url=person.picture_url or known.picture_url,
            locale=person.locale or known.locale,
        )

    async def _user(self, subject: str, operation: str, timeout: float) -> Mapping[str, Any]:
        return await self._client.backend(operation, "GET", f"/users/{_path(subject, operation)}", timeout)

    def _person_of(self, user: Mapping[str, Any], subject: str, operation: str) -> ForeignPerson:
        try:
            person = person_from_user(user, self._settings.issuers[0])
        except ValueError:
            raise Unavailable("the answer is not a user", provider=NAME, operation=operation) from None
        if person.subject != subject:
            raise Unavailable("the answer is another user", provider=NAME, operation=operation)
        return person

    def _monotonic(self) -> float:
        return time.monotonic()


def _path(subject: str, operation: str) -> str:
    """As part of an address. Raises `Rejected` for what cannot be an id of Clerk's."""
    if not CLERK_ID.fullmatch(subject):
        raise Rejected("Clerk gives no such id", reason="not_found", provider=NAME, operation=operation)
    return subject
