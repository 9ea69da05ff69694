"""`EmailSender` in memory."""

import re
from collections.abc import Sequence
from typing import Final

from madang.adapters.memory import capabilities
from madang.adapters.memory.provider import MemoryProvider, rejected, unsupported
from madang.ports.email import EmailCapabilities, EmailNotice, EmailReceipt, EmailRequest, EmailStatus
from madang.ports.webhook import WebhookRequest

ADDRESS: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")
OWN_HEADERS: Final = frozenset({"from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id"})


class MemoryEmailSender(MemoryProvider):
    """Fulfils `EmailSender`. What was sent is delivered at once, and any template is there."""

    @property
    def capabilities(self) -> EmailCapabilities:
        return capabilities.EMAIL

    @property
    def sent(self) -> list[EmailRequest]:
        """Every e-mail, in the order of sending."""
        return self.world.requests("email")

    async def send(self, request: EmailRequest) -> EmailReceipt:
        _check_people(request)
        _check_content(request)

        def act() -> EmailReceipt:
            return self.world.once("email", request, lambda identity: EmailReceipt(identity, EmailStatus.ACCEPTED))

        return await self.world.effect("email.send", act, request.timeout)

    async def fetch(self, receipt_id: str) -> EmailReceipt:
        if not await self.world.look("email.fetch", lambda: self.world.has("email", receipt_id)):
            raise rejected("there is no such e-mail", "not_found", "fetch")
        return EmailReceipt(receipt_id, EmailStatus.DELIVERED)

    async def find(self, idempotency_key: str) -> EmailReceipt | None:
        identity = await self.world.look("email.find", lambda: self.world.identity_of("email", idempotency_key))
        return EmailReceipt(identity, EmailStatus.DELIVERED) if identity else None

    def read_webhook(self, request: WebhookRequest) -> Sequence[EmailNotice]:
        raise unsupported("read_webhook")


def _check_people(request: EmailRequest) -> None:
    everybody = [*request.to, *request.cc, *request.bcc]
    if not request.to or not all(ADDRESS.fullmatch(each.address) for each in everybody):
        raise rejected("a recipient is not local@domain, or there is none", "invalid_recipient", "send")
    if len(everybody) > capabilities.EMAIL.max_recipients:
        raise rejected("there are too many recipients", "too_many_recipients", "send")
    senders = [each for each in (request.sender, request.reply_to) if each]
    if not all(ADDRESS.fullmatch(each.address) for each in senders):
        raise rejected("the sender is not local@domain", "invalid_sender", "send")


def _check_content(request: EmailRequest) -> None:
    contents = request.text is not None or request.html is not None
    if contents == (request.template is not None):
        raise rejected("the content is a text, or a template", "invalid_request", "send")
    people = [*request.to, *request.cc, *request.bcc, *(each for each in (request.sender, request.reply_to) if each)]
    lines = [request.subject, *(each.name or "" for each in people), *request.headers, *request.headers.values()]
    if any("\r" in line or "\n" in line for line in lines) or any(name.lower() in OWN_HEADERS for name in request.headers):
        raise rejected("a header holds a line break, or may not be set", "invalid_request", "send")
    size = sum(len(each.data) for each in request.attachments) * 4 // 3 + len((request.text or "") + (request.html or ""))
    if size > capabilities.EMAIL.max_bytes:
        raise rejected("the e-mail is too large", "too_large", "send")
