"""HTTP towards Lemon Squeezy."""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.lemonsqueezy.capabilities import NAME
from madang.adapters.lemonsqueezy.settings import LemonSqueezySettings
from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.client import ProviderHttp

MEDIA_TYPE: Final = "application/vnd.api+json"


class LemonSqueezyClient:
    """Speaks JSON:API with the store's key."""

    def __init__(self, settings: LemonSqueezySettings) -> None:
        headers = {"accept": MEDIA_TYPE, "authorization": f"Bearer {settings.api_key.reveal()}"}
        self._http = ProviderHttp(NAME, base_url=settings.base_url, headers=headers, proxy=settings.proxy)

    async def call(
        self, operation: str, method: str, path: str, timeout: float, *, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """Raises as `ProviderHttp.call`; all but questions act."""
        headers = {} if body is None else {"content-type": MEDIA_TYPE}
        acts = method != "GET"
        return await self._http.call(operation, method, path, timeout, acts=acts, json=body, headers=headers)

    async def close(self) -> None:
        await self._http.close()
