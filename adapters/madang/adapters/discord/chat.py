"""`ChatPoster` for a Discord channel."""

import time

from madang.adapters.discord import capabilities
from madang.adapters.discord.client import DiscordClient
from madang.adapters.discord.mapping import NAME, error_of, payload_of, receipt_of
from madang.adapters.discord.settings import DiscordSettings
from madang.ports.chat import ChatCapabilities, ChatReceipt, ChatRequest
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Unavailable, Unsupported
from madang.ports.provider import ProviderHealth

CHECK_SECONDS = 10.0


class DiscordChat:
    """Fulfils `ChatPoster`. It waits for Discord to keep the message, so that its id is known."""

    def __init__(self, settings: DiscordSettings, context: ProviderContext) -> None:
        self._client = DiscordClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> ChatCapabilities:
        return capabilities.CHAT

    async def check(self) -> ProviderHealth:
        """Whether the webhook is there: it is read, and nothing is posted."""
        started = time.perf_counter()
        try:
            answer = await self._client.look("check", CHECK_SECONDS)
            if answer.status != 200:
                raise error_of(answer.status, answer.headers, answer.body, "check")
        except OutcomeUnknown as error:
            raise Unavailable(error.message, provider=NAME, operation="check", code=error.code) from None
        return ProviderHealth(True, "the webhook is there", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def post(self, request: ChatRequest) -> ChatReceipt:
        answer = await self._client.post("post", payload_of(request), request.timeout)
        if answer.status not in (200, 204):
            raise error_of(answer.status, answer.headers, answer.body, "post")
        try:
            return receipt_of(answer.status, answer.body)
        except ValueError:
            raise OutcomeUnknown("the answer is not a message", provider=NAME, operation="post") from None

    async def find(self, idempotency_key: str) -> ChatReceipt | None:
        raise Unsupported("Discord knows no key of a message", provider=NAME, operation="find")
