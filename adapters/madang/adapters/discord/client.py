"""HTTP towards the webhook, whose address is the secret."""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.discord.mapping import NAME
from madang.adapters.discord.settings import DiscordSettings
from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.bounds import BoundedTransport
from madang.adapters.provider_http.client import ProviderHttp
from madang.adapters.provider_http.hidden_address import HiddenAddress

MAX_ANSWER_BYTES: Final = 64 * 1024
"""What is longer is cut off: the status counts."""


class DiscordClient:
    """Posts to one webhook, and looks at it."""

    def __init__(self, settings: DiscordSettings) -> None:
        bounded = BoundedTransport(NAME, MAX_ANSWER_BYTES, proxy=settings.proxy, cut=True)
        hidden = HiddenAddress(NAME, settings.webhook_url, bounded)
        self._http = ProviderHttp(NAME, base_url=hidden.shown, transport=hidden)

    async def post(self, operation: str, payload: Mapping[str, Any], timeout: float) -> Answer:
        """What Discord answers, once it keeps the message. Raises as `ProviderHttp.call`."""
        return await self._http.call(operation, "POST", "", timeout, acts=True, json=payload, params={"wait": "true"})

    async def look(self, operation: str, timeout: float) -> Answer:
        """What Discord tells of the webhook; raises as `post`."""
        return await self._http.call(operation, "GET", "", timeout, acts=False)

    async def close(self) -> None:
        await self._http.close()
