"""Chat messages that arrive on the page `/sandbox/chat` instead of a channel."""

import sqlite3
from datetime import UTC, datetime

from madang.adapters.sandbox import capabilities, messages
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.messages import SentMessage
from madang.adapters.sandbox.provider import SandboxProvider
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.chat import ChatCapabilities, ChatReceipt, ChatRequest
from madang.ports.errors import Rejected

DEFAULT_CHANNEL = "#general"


class SandboxChat(SandboxProvider):
    """Fulfils `ChatPoster`: idempotent by key, and finds by key. The channel `#closed` is closed, so that this can be tried."""

    @property
    def capabilities(self) -> ChatCapabilities:
        return capabilities.CHAT

    async def post(self, request: ChatRequest) -> ChatReceipt:
        _check(request)
        details = {
            "thread": request.thread,
            "link": request.link,
            "tone": request.tone.value,
            "fields": [{"label": each.label, "value": each.value} for each in request.fields],
        }
        channel = request.channel or DEFAULT_CHANNEL

        def act(connection: sqlite3.Connection, knobs: SandboxSettings) -> SentMessage:
            identity = messages.message_id("chat", knobs.seed, request.idempotency_key)
            message = SentMessage(identity, request.idempotency_key, "chat", channel, request.text, request.title, details)
            messages.send(connection, message)
            return messages.get(connection, "chat", identity) or message

        return _receipt(await self._gate.effect("chat.post", request.idempotency_key, act, request.timeout))

    async def find(self, idempotency_key: str) -> ChatReceipt | None:
        sent = await self._gate.query("chat.find", idempotency_key, lambda c, _: messages.find(c, "chat", idempotency_key))
        return _receipt(sent) if sent else None


def _receipt(sent: SentMessage) -> ChatReceipt:
    return ChatReceipt(sent.id, datetime.fromtimestamp(sent.sent_at, UTC))


def _check(request: ChatRequest) -> None:
    if request.channel == "#closed":
        raise _rejected("the channel is closed", "channel_closed")
    if not request.text.strip() or len(request.fields) > capabilities.CHAT.max_fields:
        raise _rejected("there is no text, or there are too many fields", "invalid_request")
    if len(request.text) > capabilities.CHAT.max_length:
        raise _rejected("the text is too long", "too_long")


def _rejected(message: str, reason: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation="chat.post")
