"""HTTP towards SendGrid."""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.client import ProviderHttp
from madang.adapters.sendgrid.capabilities import NAME
from madang.adapters.sendgrid.settings import SendgridSettings

MAX_ANSWER_BYTES: Final = 1024**2


class SendgridClient:
    """Names the API key in every call."""

    def __init__(self, settings: SendgridSettings) -> None:
        self._http = ProviderHttp(
            NAME,
            base_url=settings.base_url,
            headers={"authorization": f"Bearer {settings.api_key.reveal()}"},
            proxy=settings.proxy,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )

    async def call(
        self, operation: str, method: str, path: str, timeout: float, *, json: Mapping[str, Any] | None = None
    ) -> Answer:
        """Raises as `ProviderHttp.call`; all but questions act."""
        return await self._http.call(operation, method, path, timeout, acts=method != "GET", json=json)

    async def close(self) -> None:
        await self._http.close()
