"""`SmsSender` in memory."""

import re
from typing import Final

from madang.adapters.memory import capabilities
from madang.adapters.memory.provider import MemoryProvider, rejected
from madang.ports.sms import SmsCapabilities, SmsReceipt, SmsRequest, SmsStatus

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


class MemorySmsSender(MemoryProvider):
    """Fulfils `SmsSender`. What was sent is delivered at once."""

    @property
    def capabilities(self) -> SmsCapabilities:
        return capabilities.SMS

    @property
    def sent(self) -> list[SmsRequest]:
        """Every message, in the order of sending."""
        return self.world.requests("sms")

    async def send(self, request: SmsRequest) -> SmsReceipt:
        _check(request)

        def act() -> SmsReceipt:
            return self.world.once("sms", request, lambda identity: SmsReceipt(identity, SmsStatus.ACCEPTED))

        return await self.world.effect("sms.send", act, request.timeout)

    async def fetch(self, receipt_id: str) -> SmsReceipt:
        known = await self.world.look("sms.fetch", lambda: self.world.has("sms", receipt_id))
        if not known:
            raise rejected("there is no such message", "not_found", "fetch")
        return SmsReceipt(receipt_id, SmsStatus.DELIVERED)

    async def find(self, idempotency_key: str) -> SmsReceipt | None:
        identity = await self.world.look("sms.find", lambda: self.world.identity_of("sms", idempotency_key))
        return SmsReceipt(identity, SmsStatus.DELIVERED) if identity else None


def network_bytes(text: str) -> int:
    """The length as Korean networks count it: EUC-KR, two bytes a Hangul syllable; what it lacks counts as four."""
    return sum(len(character.encode("euc-kr", "ignore")) or 4 for character in text)


def _check(request: SmsRequest) -> None:
    if not E164.fullmatch(request.to):
        raise rejected("the recipient is not an E.164 number", "invalid_recipient", "send")
    if not request.text.strip():
        raise rejected("the message is empty", "invalid_request", "send")
    if network_bytes(request.text) > capabilities.SMS.max_bytes:
        raise rejected(f"longer than {capabilities.SMS.max_bytes} bytes", "too_long", "send")
