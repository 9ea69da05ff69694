"""`EmailSender` through Resend."""

import re
import time
from collections.abc import Sequence
from typing import Final

from madang.adapters.resend.capabilities import as_configured
from madang.adapters.resend.client import ResendClient
from madang.adapters.resend.mapping import error_of, notices_of, receipt_of
from madang.adapters.resend.payload import NAME, key_of, payload_of
from madang.adapters.resend.settings import ResendSettings
from madang.adapters.standard_webhooks.verification import WebhookVerification
from madang.ports.context import ProviderContext
from madang.ports.email import EmailCapabilities, EmailNotice, EmailReceipt, EmailRequest
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable, Unsupported
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

API_SECONDS: Final = 10.0
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


class ResendEmailSender:
    """Fulfils `EmailSender`. The same key sends once within 24 hours, so that an e-mail whose answer was lost may be sent again
    with the same key and content."""

    def __init__(self, settings: ResendSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._capabilities = as_configured(settings)
        self._client = ResendClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> EmailCapabilities:
        return self._capabilities

    async def check(self) -> ProviderHealth:
        """Whether Resend takes the key. One that may only send is told so, and that is enough."""
        started = time.perf_counter()
        answer = await self._client.call("check", "GET", "/domains", API_SECONDS)
        restricted = answer.fields.get("name") == "restricted_api_key"
        if answer.status != 200 and not restricted:
            raise error_of(answer.status, answer.headers, answer.fields, "check")
        detail = "the key may send and nothing else" if restricted else "the key is taken"
        return ProviderHealth(True, detail, (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def send(self, request: EmailRequest) -> EmailReceipt:
        headers = {"idempotency-key": key_of(request.idempotency_key)}
        payload = payload_of(request, self._settings)
        answer = await self._client.call("send", "POST", "/emails", request.timeout, json=payload, headers=headers)
        if not answer.is_success:
            raise error_of(answer.status, answer.headers, answer.fields, "send")
        try:
            return receipt_of(answer.fields)
        except ValueError:
            raise OutcomeUnknown("the answer has no id", provider=NAME, operation="send") from None

    async def fetch(self, receipt_id: str) -> EmailReceipt:
        if not ID.fullmatch(receipt_id):
            raise Rejected("Resend gives no such id", reason="not_found", provider=NAME, operation="fetch")
        answer = await self._client.call("fetch", "GET", f"/emails/{receipt_id}", API_SECONDS)
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, "fetch")
        try:
            return receipt_of(answer.fields)
        except ValueError:
            raise Unavailable("the answer is not an e-mail", provider=NAME, operation="fetch") from None

    async def find(self, idempotency_key: str) -> EmailReceipt | None:
        raise Unsupported("Resend cannot be asked by key", provider=NAME, operation="find")

    def read_webhook(self, request: WebhookRequest) -> Sequence[EmailNotice]:
        if self._settings.webhook_secret is None:
            raise Unsupported("needs plugins.resend.webhook_secret", provider=NAME, operation="read_webhook")
        event = WebhookVerification(NAME, self._settings.webhook_secret, "svix").read(request)
        return notices_of(event.id, event.document, request.received_at)
