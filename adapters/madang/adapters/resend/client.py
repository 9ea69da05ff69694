"""HTTP towards Resend, which refuses calls without a user agent."""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.client import ProviderHttp
from madang.adapters.resend.payload import NAME
from madang.adapters.resend.settings import ResendSettings

MAX_ANSWER_BYTES: Final = 8 * 1024**2
"""An e-mail that is looked up comes with its whole content."""


class ResendClient:
    """Names the API key in every call."""

    def __init__(self, settings: ResendSettings) -> None:
        self._http = ProviderHttp(
            NAME,
            base_url=settings.base_url,
            headers={"authorization": f"Bearer {settings.api_key.reveal()}"},
            proxy=settings.proxy,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        timeout: float,
        *,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises as `ProviderHttp.call`; all but questions act."""
        acts = method != "GET"
        return await self._http.call(operation, method, path, timeout, acts=acts, json=json, headers=headers)

    async def close(self) -> None:
        await self._http.close()
