"""Port: e-mail, with templates and attachments.

Addresses are `local@domain` with an ASCII or internationalised domain, without a display name; names go into
`EmailAddress.name`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from madang.ports.provider import Provider
from madang.ports.webhook import WebhookRequest


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """Who sends or receives. Neither part may hold a line break: an adapter refuses it as `invalid_request`."""

    address: str = field(repr=False)
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along. With `content_id` it is inline, and the HTML shows it as `cid:<content_id>`."""

    filename: str
    content_type: str
    data: bytes = field(repr=False)
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class EmailTemplate:
    """A template kept at the provider: its `reference` there, and the JSON values that fill it."""

    reference: str
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class EmailRequest:
    """One e-mail to everybody in `to`, who see one another.

    The content is `text`, `html` or both (the reader's program picks), or a `template`, never a template beside them. Without
    `sender` the configured one is used. `headers` are additional ones; the provider's own and the address fields may not be
    set. `tags` are short words for the provider's statistics. `timeout` is in seconds. `extra` is passed to the provider as it
    is.
    """

    to: Sequence[EmailAddress]
    subject: str = field(repr=False)
    idempotency_key: str
    text: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
    template: EmailTemplate | None = None
    sender: EmailAddress | None = None
    reply_to: EmailAddress | None = None
    cc: Sequence[EmailAddress] = ()
    bcc: Sequence[EmailAddress] = ()
    attachments: Sequence[Attachment] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    timeout: float = 30.0
    extra: Mapping[str, Any] = field(default_factory=dict)


class EmailStatus(StrEnum):
    """`ACCEPTED`: the provider has it; `DELIVERED`: the receiving server took it; `BOUNCED`: that server refused it for good;
    `COMPLAINED`: the reader called it unwanted. A remote state that an adapter does not know is `ACCEPTED`."""

    ACCEPTED = "accepted"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class EmailReceipt:
    """What the provider says of an e-mail. With several recipients the status is the worst of theirs."""

    id: str
    status: EmailStatus
    error: str | None = None


@dataclass(frozen=True, slots=True)
class EmailNotice:
    """One verified event of a delivery. `event_id` dedupes deliveries of the webhook; a notice about something else has no
    `receipt_id`.

    `permanent` says that writing to this recipient again is pointless (a hard bounce, a complaint).
    """

    event_id: str
    kind: str
    occurred_at: datetime
    receipt_id: str | None = None
    status: EmailStatus | None = None
    recipient: str | None = field(default=None, repr=False)
    permanent: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class EmailCapabilities:
    """`max_recipients` counts to, cc and bcc together; `max_bytes` is the whole message as encoded for sending.

    `idempotent`: the provider itself honours `idempotency_key`. `finds_by_key`: `find` works. `delivery_reports`: `fetch`
    works.
    """

    templates: bool = False
    attachments: bool = True
    inline_attachments: bool = False
    tags: bool = False
    delivery_reports: bool = False
    webhooks: bool = False
    idempotent: bool = False
    finds_by_key: bool = False
    max_recipients: int = 50
    max_bytes: int = 10 * 1024**2


class EmailSender(Provider, Protocol):
    """Sends e-mail. A sent e-mail cannot be called back, so a lost answer is looked up and never sent again blindly."""

    @property
    def capabilities(self) -> EmailCapabilities: ...

    async def send(self, request: EmailRequest) -> EmailReceipt:
        """Hand over one e-mail.

        Raises `Unavailable`, `RateLimited`, `Rejected` (`invalid_recipient`, `invalid_sender`, `too_large`,
        `too_many_recipients`, `suppressed`, `invalid_request`), `OutcomeUnknown`, `Misconfigured`, and `Unsupported` for a
        template, an attachment or a tag that it cannot take.
        """
        ...

    async def fetch(self, receipt_id: str) -> EmailReceipt:
        """What became of it; `Unsupported` unless `capabilities.delivery_reports`. Raises `Rejected(reason="not_found")`."""
        ...

    async def find(self, idempotency_key: str) -> EmailReceipt | None:
        """The e-mail sent with this key, or None when there surely is none; `Unsupported` unless
        `capabilities.finds_by_key`."""
        ...

    def read_webhook(self, request: WebhookRequest) -> Sequence[EmailNotice]:
        """Verify and read one delivery, which may tell of many e-mails. Raises `SignatureInvalid`, and `Unsupported` unless
        `capabilities.webhooks`."""
        ...
