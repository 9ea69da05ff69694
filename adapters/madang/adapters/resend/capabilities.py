"""What Resend can do. It keeps an idempotency key for 24 hours, and nobody can ask it what was sent with one."""

from dataclasses import replace
from typing import Final

from madang.adapters.resend.settings import ResendSettings
from madang.ports.email import EmailCapabilities

EMAIL: Final = EmailCapabilities(
    templates=True,
    attachments=True,
    inline_attachments=True,
    tags=True,
    delivery_reports=True,
    webhooks=True,
    idempotent=True,
    finds_by_key=False,
    max_recipients=50,
    max_bytes=40 * 1024**2,
)


def as_configured(settings: ResendSettings) -> EmailCapabilities:
    """Without a webhook secret no webhook is believed."""
    return replace(EMAIL, webhooks=settings.webhook_secret is not None)
