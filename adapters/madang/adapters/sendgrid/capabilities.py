"""What SendGrid can do. It knows no idempotency key, and sells the look-up of an e-mail separately (Email Activity), so what it
tells comes by webhook alone."""

from dataclasses import replace
from typing import Final

from madang.adapters.sendgrid.settings import SendgridSettings
from madang.ports.email import EmailCapabilities

NAME: Final = "sendgrid"
EMAIL: Final = EmailCapabilities(
    templates=True,
    attachments=True,
    inline_attachments=True,
    tags=True,
    delivery_reports=False,
    webhooks=True,
    idempotent=False,
    finds_by_key=False,
    max_recipients=1000,
    max_bytes=30 * 1000**2,
)


def as_configured(settings: SendgridSettings) -> EmailCapabilities:
    """Without the verification key no webhook is believed."""
    return replace(EMAIL, webhooks=settings.webhook_key is not None)
