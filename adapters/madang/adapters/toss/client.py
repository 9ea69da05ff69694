"""HTTP towards Toss Payments."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.client import ProviderHttp
from madang.adapters.toss.capabilities import NAME
from madang.adapters.toss.settings import TossSettings


class TossClient:
    """Knows the shop by its secret key, as the user of Basic authentication without a password. Fractions of amounts are read
    exactly."""

    def __init__(self, settings: TossSettings) -> None:
        self._http = ProviderHttp(
            NAME,
            base_url=settings.base_url,
            auth=(settings.secret_key.reveal(), ""),
            proxy=settings.proxy,
            parse_float=Decimal,
        )

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
        """`key` goes along as `Idempotency-Key`. Raises as `ProviderHttp.call`; all but questions act."""
        headers = {} if key is None else {"idempotency-key": key}
        acts = method != "GET"
        return await self._http.call(operation, method, path, timeout, acts=acts, json=body, params=params, headers=headers)

    async def close(self) -> None:
        await self._http.close()
