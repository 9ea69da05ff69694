"""`IdentityProvider` for Clerk and other issuers of JSON Web Tokens."""

import re
import time
from collections.abc import Sequence
from typing import Final

from madang.adapters.clerk import webhooks
from madang.adapters.clerk.capabilities import as_configured
from madang.adapters.clerk.client import ClerkClient
from madang.adapters.clerk.issuer_keys import FETCH_SECONDS, IssuerKeys
from madang.adapters.clerk.mapping import NAME, notice_from, person_from_claims, person_from_user
from madang.adapters.clerk.settings import ClerkSettings
from madang.adapters.clerk.tokens import TokenRules
from madang.ports.context import ProviderContext
from madang.ports.errors import Rejected, SignatureInvalid, Unavailable, Unsupported
from madang.ports.identity import ForeignPerson, IdentityCapabilities, PersonNotice, VerifyToken
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

API_SECONDS: Final = 10.0
CLERK_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")


class ClerkIdentity:
    """Fulfils `IdentityProvider`. A token is judged here with the issuer's public keys; the issuer is not asked about it.

    Where a token names no e-mail address, as Clerk's do by default, `fetch_person` tells it.
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
        return person_from_claims(self._rules.verified(request, issuer, keys))

    async def fetch_person(self, subject: str) -> ForeignPerson:
        user = await self._client.backend("fetch_person", "GET", f"/users/{_path(subject, 'fetch_person')}", API_SECONDS)
        try:
            person = person_from_user(user, self._settings.issuers[0])
        except ValueError:
            raise Unavailable("the answer is not a user", provider=NAME, operation="fetch_person") from None
        if person.subject != subject:
            raise Unavailable("the answer is another user", provider=NAME, operation="fetch_person")
        return person

    async def delete_person(self, subject: str, *, idempotency_key: str) -> None:
        try:
            await self._client.backend("delete_person", "DELETE", f"/users/{_path(subject, 'delete_person')}", API_SECONDS)
        except Rejected as error:
            if error.reason != "not_found":
                raise

    def read_webhook(self, request: WebhookRequest) -> Sequence[PersonNotice]:
        if self._settings.webhook_secret is None:
            raise Unsupported("needs plugins.clerk.webhook_secret", provider=NAME, operation="read_webhook")
        event_id, event = webhooks.verified(self._settings.webhook_secret, request)
        try:
            return [notice_from(event_id, event, self._settings.issuers[0])]
        except ValueError as error:
            raise SignatureInvalid(str(error), provider=NAME, operation="read_webhook") from None

    def _monotonic(self) -> float:
        return time.monotonic()


def _path(subject: str, operation: str) -> str:
    """As part of an address. Raises `Rejected` for what cannot be an id of Clerk's."""
    if not CLERK_ID.fullmatch(subject):
        raise Rejected("Clerk gives no such id", reason="not_found", provider=NAME, operation=operation)
    return subject
