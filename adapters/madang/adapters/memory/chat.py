"""`ChatPoster` in memory."""

from datetime import UTC, datetime

from madang.adapters.memory import capabilities
from madang.adapters.memory.provider import MemoryProvider, rejected
from madang.ports.chat import ChatCapabilities, ChatReceipt, ChatRequest


class MemoryChat(MemoryProvider):
    """Fulfils `ChatPoster`. Every channel is there."""

    @property
    def capabilities(self) -> ChatCapabilities:
        return capabilities.CHAT

    @property
    def posted(self) -> list[ChatRequest]:
        """Every message, in the order of posting."""
        return self.world.requests("chat")

    async def post(self, request: ChatRequest) -> ChatReceipt:
        _check(request)

        def act() -> ChatReceipt:
            return self.world.once("chat", request, lambda identity: ChatReceipt(identity, datetime.now(UTC)))

        return await self.world.effect("chat.post", act, request.timeout)

    async def find(self, idempotency_key: str) -> ChatReceipt | None:
        identity = await self.world.look("chat.find", lambda: self.world.identity_of("chat", idempotency_key))
        return ChatReceipt(identity) if identity else None


def _check(request: ChatRequest) -> None:
    if not request.text.strip() or len(request.fields) > capabilities.CHAT.max_fields:
        raise rejected("there is no text, or there are too many fields", "invalid_request", "post")
    if len(request.text) > capabilities.CHAT.max_length:
        raise rejected("the text is too long", "too_long", "post")
