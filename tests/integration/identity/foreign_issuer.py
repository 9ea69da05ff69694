"""An identity provider of the tests: its tokens are JSON in clear text, and every one that can be read is believed."""

import json
from collections.abc import Callable
from typing import Any

from madang.plugins import ProviderDeclaration, hookimpl
from madang.ports.context import ProviderContext
from madang.ports.errors import Rejected, Unavailable, Unsupported
from madang.ports.identity import ForeignPerson, IdentityCapabilities, PersonNotice, VerifyToken
from madang.ports.provider import ProviderHealth, ProviderKind
from madang.ports.webhook import WebhookRequest

NAME = "foreign"
MODULE = "integration.identity.foreign_issuer"
ISSUER = "https://issuer.example.com"
AWAY = "away"


def token(subject: str = "u1", **claims: Any) -> str:
    """`email`, `email_verified`, `name` as `ForeignPerson` has them; without blanks, as tokens are."""
    return json.dumps({"subject": subject, **claims}, separators=(",", ":"))


class ForeignIssuer:
    name = NAME
    capabilities = IdentityCapabilities(frozenset({ISSUER}))

    async def verify(self, request: VerifyToken) -> ForeignPerson:
        written = request.token.reveal()
        if written == AWAY:
            raise Unavailable("the issuer's keys cannot be had", provider=NAME, operation="verify")
        if not written.startswith("{"):
            raise Rejected("no token", provider=NAME, operation="verify", reason="invalid_token")
        return ForeignPerson(issuer=ISSUER, **json.loads(written))

    async def fetch_person(self, subject: str) -> ForeignPerson:
        raise Unsupported("it fetches nobody", provider=NAME, operation="fetch_person")

    async def delete_person(self, subject: str, *, idempotency_key: str) -> None:
        raise Unsupported("it deletes nobody", provider=NAME, operation="delete_person")

    def read_webhook(self, request: WebhookRequest) -> list[PersonNotice]:
        raise Unsupported("it sends none", provider=NAME, operation="read_webhook")

    async def check(self) -> ProviderHealth:
        return ProviderHealth(True)

    async def close(self) -> None: ...


def _made(_settings: Any, _context: ProviderContext) -> ForeignIssuer:
    return ForeignIssuer()


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(ProviderDeclaration(ProviderKind.IDENTITY, NAME, None, ForeignIssuer.capabilities, _made))
