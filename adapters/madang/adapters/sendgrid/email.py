"""`EmailSender` through SendGrid."""

import time
from collections.abc import Sequence
from typing import Final

from madang.adapters.sendgrid import webhooks
from madang.adapters.sendgrid.capabilities import NAME, as_configured
from madang.adapters.sendgrid.client import SendgridClient
from madang.adapters.sendgrid.mapping import error_of, notice_of, receipt_of
from madang.adapters.sendgrid.payload import payload_of
from madang.adapters.sendgrid.settings import SendgridSettings
from madang.ports.context import ProviderContext
from madang.ports.email import EmailCapabilities, EmailNotice, EmailReceipt, EmailRequest
from madang.ports.errors import Misconfigured, OutcomeUnknown, Unsupported
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

API_SECONDS: Final = 10.0
SENDING: Final = "mail.send"


class SendgridEmailSender:
    """Fulfils `EmailSender`. An address that SendGrid suppresses is taken all the same, and reported as dropped."""

    def __init__(self, settings: SendgridSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._capabilities = as_configured(settings)
        self._webhook_key = webhooks.public_key(settings.webhook_key) if settings.webhook_key else None
        self._client = SendgridClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> EmailCapabilities:
        return self._capabilities

    async def check(self) -> ProviderHealth:
        """Whether SendGrid takes the key, and lets it send."""
        started = time.perf_counter()
        answer = await self._client.call("check", "GET", "/v3/scopes", API_SECONDS)
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, "check")
        scopes = answer.fields.get("scopes")
        if isinstance(scopes, list) and SENDING not in scopes:
            raise Misconfigured("the key of plugins.sendgrid may not send", provider=NAME, operation="check", code=SENDING)
        return ProviderHealth(True, "the key is taken", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def send(self, request: EmailRequest) -> EmailReceipt:
        payload = payload_of(request, self._settings)
        answer = await self._client.call("send", "POST", "/v3/mail/send", request.timeout, json=payload)
        if not answer.is_success:
            raise error_of(answer.status, answer.headers, answer.fields, "send")
        try:
            return receipt_of(answer.headers)
        except ValueError:
            raise OutcomeUnknown("the answer has no X-Message-Id", provider=NAME, operation="send") from None

    async def fetch(self, receipt_id: str) -> EmailReceipt:
        raise Unsupported("SendGrid tells by webhook alone", provider=NAME, operation="fetch")

    async def find(self, idempotency_key: str) -> EmailReceipt | None:
        raise Unsupported("SendGrid cannot be asked by key", provider=NAME, operation="find")

    def read_webhook(self, request: WebhookRequest) -> Sequence[EmailNotice]:
        if self._webhook_key is None:
            raise Unsupported("needs plugins.sendgrid.webhook_key", provider=NAME, operation="read_webhook")
        return [notice_of(event, request.received_at) for event in webhooks.verified(self._webhook_key, request)]
