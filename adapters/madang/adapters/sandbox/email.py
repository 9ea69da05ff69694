"""E-mails that arrive on the page `/sandbox/emails` instead of a letter-box."""

import base64
import re
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from madang.adapters.sandbox import capabilities, messages
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.messages import SentMessage
from madang.adapters.sandbox.provider import SandboxProvider, unsupported
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.email import EmailAddress, EmailCapabilities, EmailNotice, EmailReceipt, EmailRequest, EmailStatus
from madang.ports.errors import Rejected
from madang.ports.webhook import WebhookRequest

ADDRESS: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")
SENDER: Final = "noreply@sandbox.invalid"
OWN_HEADERS: Final = frozenset({"from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id"})


class SandboxEmailSender(SandboxProvider):
    """Fulfils `EmailSender`: idempotent by key, finds by key, and reports every e-mail as delivered."""

    @property
    def capabilities(self) -> EmailCapabilities:
        return capabilities.EMAIL

    async def send(self, request: EmailRequest) -> EmailReceipt:
        _check(request)
        details = _details(request)
        recipient = ", ".join(each.address for each in request.to)
        text = request.text if request.text is not None else _plain(request.html or "")

        def act(connection: sqlite3.Connection, knobs: SandboxSettings) -> SentMessage:
            identity = messages.message_id("email", knobs.seed, request.idempotency_key)
            message = SentMessage(identity, request.idempotency_key, "email", recipient, text, request.subject, details)
            return messages.send(connection, message)

        sent = await self._gate.effect("email.send", request.idempotency_key, act, request.timeout)
        return EmailReceipt(sent.id, EmailStatus.ACCEPTED)

    async def fetch(self, receipt_id: str) -> EmailReceipt:
        sent = await self._gate.query("email.fetch", receipt_id, lambda c, _: messages.get(c, "email", receipt_id))
        if sent is None:
            raise _rejected("no e-mail has this id", "not_found", "fetch")
        return EmailReceipt(sent.id, EmailStatus(sent.status))

    async def find(self, idempotency_key: str) -> EmailReceipt | None:
        sent = await self._gate.query("email.find", idempotency_key, lambda c, _: messages.find(c, "email", idempotency_key))
        return EmailReceipt(sent.id, EmailStatus(sent.status)) if sent else None

    def read_webhook(self, request: WebhookRequest) -> Sequence[EmailNotice]:
        raise unsupported("email.read_webhook")


def _check(request: EmailRequest) -> None:
    if request.template is not None:
        raise unsupported("email.send")
    if request.text is None and request.html is None:
        raise _rejected("the e-mail has no content", "invalid_request", "send")
    everybody = [*request.to, *request.cc, *request.bcc]
    if not request.to or len(everybody) > capabilities.EMAIL.max_recipients:
        raise _rejected(
            "nobody, or too many people, to send to", "too_many_recipients" if request.to else "invalid_recipient", "send"
        )
    if not all(ADDRESS.fullmatch(each.address) for each in everybody):
        raise _rejected("an address is not local@domain", "invalid_recipient", "send")
    senders = [each for each in (request.sender, request.reply_to) if each]
    if not all(ADDRESS.fullmatch(each.address) for each in senders):
        raise _rejected("the sender is not local@domain", "invalid_sender", "send")
    people = [*everybody, *senders]
    lines = [request.subject, *(each.name or "" for each in people), *request.headers, *request.headers.values()]
    if any("\r" in line or "\n" in line for line in lines) or any(name.lower() in OWN_HEADERS for name in request.headers):
        raise _rejected("a header holds a line break, or may not be set", "invalid_request", "send")
    size = sum(len(each.data) for each in request.attachments) * 4 // 3 + len((request.text or "") + (request.html or ""))
    if size > capabilities.EMAIL.max_bytes:
        raise _rejected("the e-mail is too large", "too_large", "send")


def _details(request: EmailRequest) -> dict[str, Any]:
    return {
        "sender": _shown(request.sender) if request.sender else SENDER,
        "replyTo": _shown(request.reply_to) if request.reply_to else None,
        "cc": [_shown(each) for each in request.cc],
        "bcc": [_shown(each) for each in request.bcc],
        "html": request.html,
        "tags": list(request.tags),
        "headers": dict(request.headers),
        "attachments": [
            {
                "filename": each.filename,
                "contentType": each.content_type,
                "size": len(each.data),
                "data": base64.b64encode(each.data).decode(),
            }
            for each in request.attachments
        ],
    }


def _shown(person: EmailAddress) -> str:
    return f"{person.name} <{person.address}>" if person.name else person.address


def _plain(html: str) -> str:
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"<[^>]+>", " ", html)).strip()


def _rejected(message: str, reason: str, operation: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation=f"email.{operation}")
