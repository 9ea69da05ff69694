"""HTTP towards the webhook, whose address is the secret."""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.bounds import BoundedTransport
from madang.adapters.provider_http.client import ProviderHttp
from madang.adapters.provider_http.hidden_address import HiddenAddress
from madang.adapters.slack.mapping import NAME
from madang.adapters.slack.settings import SlackSettings

MAX_ANSWER_BYTES: Final = 64 * 1024
"""What is longer is cut off: an answer's first word counts."""


class SlackClient:
    """Posts to one webhook."""

    def __init__(self, settings: SlackSettings) -> None:
        bounded = BoundedTransport(NAME, MAX_ANSWER_BYTES, proxy=settings.proxy, cut=True)
        hidden = HiddenAddress(NAME, settings.webhook_url, bounded)
        self._http = ProviderHttp(NAME, base_url=hidden.shown, headers={"accept": "*/*"}, transport=hidden)

    async def post(self, operation: str, payload: Mapping[str, Any], timeout: float) -> Answer:
        """What Slack answers. Raises as `ProviderHttp.call`."""
        return await self._http.call(operation, "POST", "", timeout, acts=True, json=payload)

    async def close(self) -> None:
        await self._http.close()
