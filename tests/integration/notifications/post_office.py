"""An e-mail provider of the tests, as a plugin: it keeps what it is given, tells of it by signed webhooks, and can be asked
nothing."""

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from madang.plugins import ProviderDeclaration, hookimpl
from madang.ports.context import ProviderContext
from madang.ports.email import EmailCapabilities, EmailNotice, EmailReceipt, EmailRequest, EmailStatus
from madang.ports.errors import SignatureInvalid, Unsupported
from madang.ports.provider import ProviderHealth, ProviderKind
from madang.ports.webhook import WebhookRequest

NAME = "post_office"
MODULE = "integration.notifications.post_office"
SECRET = b"test-webhook-secret"
ABILITIES = EmailCapabilities(webhooks=True, idempotent=True, tags=True)

letters: list[EmailRequest] = []
troubles: list[Exception] = []
"""Raised by the next calls, one each, instead of taking the letter."""


class PostOffice:
    name = NAME
    capabilities = ABILITIES

    async def send(self, request: EmailRequest) -> EmailReceipt:
        if troubles:
            raise troubles.pop(0)
        if request.idempotency_key not in [letter.idempotency_key for letter in letters]:
            letters.append(request)
        return EmailReceipt(receipt_of(request.idempotency_key), EmailStatus.ACCEPTED)

    async def fetch(self, receipt_id: str) -> EmailReceipt:
        raise Unsupported("ask by webhook", provider=NAME, operation="fetch")

    async def find(self, idempotency_key: str) -> EmailReceipt | None:
        raise Unsupported("ask by webhook", provider=NAME, operation="find")

    def read_webhook(self, request: WebhookRequest) -> Sequence[EmailNotice]:
        if not hmac.compare_digest(request.headers.get("x-signature", ""), signature_of(request.body)):
            raise SignatureInvalid("forged", provider=NAME, operation="read_webhook")
        return [
            EmailNotice(
                event_id=told["id"],
                kind=f"email.{told['status']}",
                occurred_at=datetime.now(UTC),
                receipt_id=told["receipt"],
                status=EmailStatus(told["status"]),
                recipient="whoever@example.com",
                permanent=told.get("permanent", False),
                error="550 5.1.1 <whoever@example.com> unknown",
            )
            for told in json.loads(request.body)
        ]

    async def check(self) -> ProviderHealth:
        return ProviderHealth(reachable=True)

    async def close(self) -> None: ...


def receipt_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def signature_of(body: bytes) -> str:
    return hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def _make(settings: Any, context: ProviderContext) -> PostOffice:
    return PostOffice()


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(ProviderDeclaration(ProviderKind.EMAIL, NAME, None, ABILITIES, _make, "An e-mail provider of the tests"))
