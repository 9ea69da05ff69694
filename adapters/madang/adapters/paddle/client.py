"""HTTP towards Paddle."""

from collections.abc import Mapping
from typing import Any

from madang.adapters.paddle.capabilities import NAME
from madang.adapters.paddle.errors import error_of
from madang.adapters.paddle.settings import PaddleSettings
from madang.adapters.provider_http.client import ProviderHttp


class PaddleClient:
    """Speaks version 1 of Paddle's API with the account's key."""

    def __init__(self, settings: PaddleSettings) -> None:
        headers = {"authorization": f"Bearer {settings.api_key.reveal()}", "paddle-version": "1"}
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
    ) -> Mapping[str, Any]:
        """The document of a success. Raises the taxonomy: of any method but GET, `OutcomeUnknown` when it may be done."""
        effect = method != "GET"
        answer = await self._http.call(operation, method, path, timeout, acts=effect, json=body, params=params)
        if not answer.is_success:
            raise error_of(answer.status, answer.headers, answer.fields, operation, effect=effect)
        return answer.fields

    async def close(self) -> None:
        await self._http.close()
