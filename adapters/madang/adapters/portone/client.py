"""HTTP towards PortOne."""

from collections.abc import Mapping
from typing import Any

from madang.adapters.portone.capabilities import NAME
from madang.adapters.portone.settings import PortOneSettings
from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.client import ProviderHttp


class PortOneClient:
    """Knows the merchant by the API secret."""

    def __init__(self, settings: PortOneSettings) -> None:
        headers = {"authorization": f"PortOne {settings.api_secret.reveal()}"}
        self._http = ProviderHttp(NAME, base_url=settings.base_url, headers=headers, proxy=settings.proxy)

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        timeout: float,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        """`key` goes along as `Idempotency-Key`, a quoted string of RFC 8941. Raises as `ProviderHttp.call`; all but questions
        act."""
        headers = {} if key is None else {"idempotency-key": f'"{key}"'}
        acts = method != "GET"
        return await self._http.call(operation, method, path, timeout, acts=acts, json=body, params=params, headers=headers)

    async def close(self) -> None:
        await self._http.close()
