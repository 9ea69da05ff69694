"""What SMTP can do. A server that has taken a message tells nothing of it, and takes it again: one whose answer was lost cannot
be looked up. Its `Message-ID` is derived from the key, so that the reader's program can tell two copies for one."""

from dataclasses import replace
from typing import Final

from madang.adapters.smtp.settings import SmtpSettings
from madang.ports.email import EmailCapabilities

EMAIL: Final = EmailCapabilities(
    templates=False,
    attachments=True,
    inline_attachments=True,
    tags=False,
    delivery_reports=False,
    webhooks=False,
    idempotent=False,
    finds_by_key=False,
    max_recipients=100,
    max_bytes=25 * 1024**2,
)
"""RFC 5321 has every server take 100 recipients."""


def as_configured(settings: SmtpSettings) -> EmailCapabilities:
    """Servers differ in the size that they take."""
    return replace(EMAIL, max_bytes=settings.max_bytes)
