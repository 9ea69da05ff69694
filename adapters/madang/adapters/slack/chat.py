"""`ChatPoster` for a Slack channel."""

import time

from madang.adapters.slack import capabilities
from madang.adapters.slack.client import SlackClient
from madang.adapters.slack.mapping import NAME, error_of, payload_of
from madang.adapters.slack.settings import SlackSettings
from madang.ports.chat import ChatCapabilities, ChatReceipt, ChatRequest
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable, Unsupported
from madang.ports.provider import ProviderHealth

CHECK_SECONDS = 10.0


class SlackChat:
    """Fulfils `ChatPoster`. Slack takes about one message a second and then says how long to wait."""

    def __init__(self, settings: SlackSettings, context: ProviderContext) -> None:
        self._client = SlackClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> ChatCapabilities:
        return capabilities.CHAT

    async def check(self) -> ProviderHealth:
        """Whether the webhook is there: it refuses a message without a text, and nothing is posted."""
        started = time.perf_counter()
        try:
            answer = await self._client.post("check", {}, CHECK_SECONDS)
            error = error_of(answer.status, answer.headers, answer.body, "check")
            if not (isinstance(error, Rejected) and error.reason == "invalid_request"):
                raise error
        except OutcomeUnknown as lost:
            raise Unavailable(lost.message, provider=NAME, operation="check", code=lost.code) from None
        return ProviderHealth(True, "the webhook is there", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def post(self, request: ChatRequest) -> ChatReceipt:
        answer = await self._client.post("post", payload_of(request), request.timeout)
        if answer.status != 200 or answer.body.strip() != b"ok":
            raise error_of(answer.status, answer.headers, answer.body, "post")
        return ChatReceipt(None)

    async def find(self, idempotency_key: str) -> ChatReceipt | None:
        raise Unsupported("Slack knows no key of a message", provider=NAME, operation="find")
