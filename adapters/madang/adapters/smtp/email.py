"""`EmailSender` through an SMTP server."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from madang.adapters.smtp.capabilities import as_configured
from madang.adapters.smtp.client import SmtpClient
from madang.adapters.smtp.message import NAME, composed
from madang.adapters.smtp.settings import SmtpSettings
from madang.ports.context import ProviderContext
from madang.ports.email import EmailCapabilities, EmailNotice, EmailReceipt, EmailRequest, EmailStatus
from madang.ports.errors import Unsupported
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

CHECK_SECONDS: Final = 10.0


class SmtpEmailSender:
    """Fulfils `EmailSender`. All recipients get it or none: the receipt's id is the message's `Message-ID`."""

    def __init__(self, settings: SmtpSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._client = SmtpClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> EmailCapabilities:
        return as_configured(self._settings)

    async def check(self) -> ProviderHealth:
        """Whether the server greets us and takes our password; no message is begun."""
        started = time.perf_counter()
        await self._client.greet(CHECK_SECONDS)
        place = f"{self._settings.host}:{self._settings.actual_port}"
        return ProviderHealth(True, place, (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        """Nothing is held between calls."""

    async def send(self, request: EmailRequest) -> EmailReceipt:
        # Encoding large attachments takes seconds, in which the other tasks must go on.
        message = await asyncio.to_thread(composed, request, self._settings, datetime.now(UTC))
        await self._client.deliver(message, request.timeout)
        return EmailReceipt(message.message_id, EmailStatus.ACCEPTED)

    async def fetch(self, receipt_id: str) -> EmailReceipt:
        raise Unsupported("a mail server tells nothing of a message", provider=NAME, operation="fetch")

    async def find(self, idempotency_key: str) -> EmailReceipt | None:
        raise Unsupported("a mail server knows no key of a message", provider=NAME, operation="find")

    def read_webhook(self, request: WebhookRequest) -> Sequence[EmailNotice]:
        raise Unsupported("a mail server sends no webhooks", provider=NAME, operation="read_webhook")
