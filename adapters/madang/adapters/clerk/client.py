"""HTTP towards the issuers and Clerk's Backend API."""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.clerk.mapping import NAME, error_of
from madang.adapters.clerk.settings import ClerkSettings
from madang.adapters.provider_http.client import ProviderHttp
from madang.ports.errors import Misconfigured, Unavailable, Unsupported

MAX_KEYS_BYTES: Final = 256 * 1024
MAX_ANSWER_BYTES: Final = 1024 * 1024
API_VERSION: Final = "2025-11-10"
"""The release of the Backend API whose description this adapter was written from."""


class ClerkClient:
    """Issuers are asked without our key: that is for the Backend API."""

    def __init__(self, settings: ClerkSettings) -> None:
        self._key = settings.secret_key
        self._issuers = ProviderHttp(NAME, proxy=settings.proxy, max_answer_bytes=MAX_KEYS_BYTES)
        self._backend = ProviderHttp(
            NAME,
            base_url=settings.api_url,
            headers={"clerk-api-version": API_VERSION},
            proxy=settings.proxy,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )

    async def public_document(self, url: str, timeout: float) -> Mapping[str, Any]:
        """A JSON object that the issuer publishes. Raises `Unavailable`, and `Misconfigured` where there is none."""
        answer = await self._issuers.call("verify", "GET", url, timeout, acts=False)
        if answer.status in (408, 425, 429) or answer.status >= 500:
            message = f"the issuer answers {answer.status}"
            raise Unavailable(message, provider=NAME, operation="verify", code=str(answer.status))
        if answer.status != 200:
            message = f"the issuer publishes no keys there: {answer.status}"
            raise Misconfigured(message, provider=NAME, operation="verify", code=str(answer.status))
        if not answer.fields:
            raise Unavailable("the issuer's answer is not a JSON object", provider=NAME, operation="verify")
        return answer.fields

    async def backend(self, operation: str, method: str, path: str, timeout: float) -> Mapping[str, Any]:
        """What Clerk's Backend API answers. Raises `mapping.error_of` a refusal, and as `ProviderHttp.call`."""
        if self._key is None:
            raise Unsupported("needs plugins.clerk.secret_key", provider=NAME, operation=operation)
        headers = {"authorization": f"Bearer {self._key.reveal()}"}
        changes = method != "GET"
        answer = await self._backend.call(operation, method, path, timeout, acts=changes, headers=headers)
        if not answer.is_success:
            raise error_of(answer.status, answer.headers, answer.fields, operation, changes=changes)
        return answer.fields

    async def close(self) -> None:
        await self._issuers.close()
        await self._backend.close()
