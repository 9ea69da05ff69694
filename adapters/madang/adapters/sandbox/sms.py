"""Text messages that arrive on the page `/sandbox/sms` instead of a phone."""

import re
import sqlite3
from typing import Final

from madang.adapters.sandbox import capabilities, messages
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.messages import SentMessage
from madang.adapters.sandbox.provider import SandboxProvider
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.errors import Rejected
from madang.ports.sms import SmsCapabilities, SmsReceipt, SmsRequest, SmsStatus

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
SENDER: Final = "+821000000000"


class SandboxSmsSender(SandboxProvider):
    """Fulfils `SmsSender`: idempotent by key, finds by key, reports delivery."""

    @property
    def capabilities(self) -> SmsCapabilities:
        return capabilities.SMS

    async def send(self, request: SmsRequest) -> SmsReceipt:
        _check(request)

        def act(connection: sqlite3.Connection, knobs: SandboxSettings) -> SentMessage:
            identity = messages.message_id("sms", knobs.seed, request.idempotency_key)
            details = {"sender": request.sender or SENDER}
            message = SentMessage(identity, request.idempotency_key, "sms", request.to, request.text, request.subject, details)
            return messages.send(connection, message)

        sent = await self._gate.effect("sms.send", request.idempotency_key, act, request.timeout)
        return SmsReceipt(sent.id, SmsStatus.ACCEPTED)

    async def fetch(self, receipt_id: str) -> SmsReceipt:
        sent = await self._gate.query("sms.fetch", receipt_id, lambda c, _: messages.get(c, "sms", receipt_id))
        if sent is None:
            raise _rejected("no message has this id", "not_found", "fetch")
        return SmsReceipt(sent.id, SmsStatus(sent.status))

    async def find(self, idempotency_key: str) -> SmsReceipt | None:
        sent = await self._gate.query("sms.find", idempotency_key, lambda c, _: messages.find(c, "sms", idempotency_key))
        return SmsReceipt(sent.id, SmsStatus(sent.status)) if sent else None


def network_bytes(text: str) -> int:
    """The length as Korean networks count it: EUC-KR, two bytes a Hangul syllable; what it lacks counts as four."""
    return sum(len(character.encode("euc-kr", "ignore")) or 4 for character in text)


def _check(request: SmsRequest) -> None:
    if not E164.fullmatch(request.to):
        raise _rejected("the recipient is not an E.164 number", "invalid_recipient", "send")
    if not request.text.strip():
        raise _rejected("the message is empty", "invalid_request", "send")
    if network_bytes(request.text) > capabilities.SMS.max_bytes:
        raise _rejected(f"longer than {capabilities.SMS.max_bytes} bytes", "too_long", "send")


def _rejected(message: str, reason: str, operation: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation=operation)
