"""HTTP towards Solapi.

The SDK's own transport (`default_fetcher`) asks again by itself, has no time limit in total, follows the environment's proxy
and raises without the status, so only its signing is used here, and its models in `payload`.
"""

from collections.abc import Mapping
from typing import Any, Final

from solapi.lib.authenticator import Authenticator

from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.client import ProviderHttp
from madang.adapters.solapi.capabilities import NAME
from madang.adapters.solapi.settings import SolapiSettings

MAX_ANSWER_BYTES: Final = 1024**2


class SolapiClient:
    """Each request is signed anew: a signature is good once, for fifteen minutes."""

    def __init__(self, settings: SolapiSettings) -> None:
        self._signer = Authenticator(settings.api_key.reveal(), settings.api_secret.reveal())
        self._http = ProviderHttp(NAME, base_url=settings.base_url, proxy=settings.proxy, max_answer_bytes=MAX_ANSWER_BYTES)

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        timeout: float,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises as `ProviderHttp.call`; all but questions act."""
        headers = {"authorization": self._signer.get_auth_info()}
        acts = method != "GET"
        return await self._http.call(operation, method, path, timeout, acts=acts, json=json, params=params, headers=headers)

    async def close(self) -> None:
        await self._http.close()
