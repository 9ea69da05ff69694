"""HTTP towards the issuer and Clerk's Backend API: bounded in time and size, no redirect followed, nothing tried twice."""

import asyncio
import functools
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from madang.adapters.clerk.mapping import NAME, error_of
from madang.adapters.clerk.settings import ClerkSettings
from madang.ports.errors import Misconfigured, OutcomeUnknown, Unavailable, Unsupported

MAX_KEYS_BYTES: Final = 256 * 1024
MAX_ANSWER_BYTES: Final = 1024 * 1024
API_VERSION: Final = "2025-11-10"
"""The release of the Backend API whose description this adapter was written from."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is the JSON object of the body, empty where there is none."""

    status: int
    headers: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        return httpx.codes.is_success(self.status)


class ClerkClient:
    """One connection pool for both. Environment and `.netrc` add nothing: what is sent where is said by the settings alone."""

    def __init__(self, settings: ClerkSettings) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(
            verify=_trust(),
            trust_env=False,
            follow_redirects=False,
            proxy=settings.proxy.reveal() if settings.proxy else None,
            headers={"user-agent": "madang", "accept": "application/json", "accept-encoding": "identity"},
        )

    async def public_document(self, url: str, timeout: float) -> Mapping[str, Any]:
        """A JSON object that the issuer publishes. Raises `Unavailable`, and `Misconfigured` where there is none."""
        answer = await self._exchange("verify", "GET", url, timeout, MAX_KEYS_BYTES, {})
        if answer.status in (408, 425, 429) or answer.status >= 500:
            message = f"the issuer answers {answer.status}"
            raise Unavailable(message, provider=NAME, operation="verify", code=str(answer.status))
        if answer.status != 200:
            message = f"the issuer publishes no keys there: {answer.status}"
            raise Misconfigured(message, provider=NAME, operation="verify", code=str(answer.status))
        if not answer.document:
            raise Unavailable("the issuer's answer is not a JSON object", provider=NAME, operation="verify")
        return answer.document

    async def backend(self, operation: str, method: str, path: str, timeout: float) -> Mapping[str, Any]:
        """What Clerk's Backend API answers. Raises `mapping.error_of` a refusal, `Unavailable`, `OutcomeUnknown`."""
        key = self._settings.secret_key
        if key is None:
            raise Unsupported("needs plugins.clerk.secret_key", provider=NAME, operation=operation)
        headers = {"authorization": f"Bearer {key.reveal()}", "clerk-api-version": API_VERSION}
        url = self._settings.api_url.rstrip("/") + path
        answer = await self._exchange(operation, method, url, timeout, MAX_ANSWER_BYTES, headers)
        if not answer.is_success:
            raise error_of(answer.status, answer.headers, answer.document, operation, changes=method != "GET")
        return answer.document

    async def close(self) -> None:
        await self._http.aclose()

    async def _exchange(
        self, operation: str, method: str, url: str, timeout: float, limit: int, headers: Mapping[str, str]
    ) -> Answer:
        changes = method != "GET"
        try:
            async with asyncio.timeout(timeout):
                return await self._receive(method, url, timeout, limit, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError):
            raise Unavailable("there is no connection", provider=NAME, operation=operation) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise Misconfigured("the address cannot be used", provider=NAME, operation=operation) from None
        except (httpx.HTTPError, TimeoutError, _TooLong) as error:
            lost = OutcomeUnknown if changes else Unavailable
            raise lost(f"the answer was lost: {type(error).__name__}", provider=NAME, operation=operation) from None

    async def _receive(self, method: str, url: str, timeout: float, limit: int, headers: Mapping[str, str]) -> Answer:
        limits = httpx.Timeout(timeout, connect=timeout / 2)
        async with self._http.stream(method, url, headers=dict(headers), timeout=limits) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > limit:
                    raise _TooLong
            return Answer(response.status_code, response.headers, _object_in(bytes(body)))


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)


class _TooLong(Exception):
    """The answer is longer than anything that is meant here."""


def _object_in(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
