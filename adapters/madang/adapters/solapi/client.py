"""HTTP towards Solapi: bounded in time and size, no redirect followed, nothing tried twice.

The SDK's own transport (`default_fetcher`) asks again by itself, has no time limit in total, follows the environment's proxy
and raises without the status, so only its signing is used here, and its models in `payload`.
"""

import asyncio
import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from solapi.lib.authenticator import Authenticator

from madang.adapters.solapi.capabilities import NAME
from madang.adapters.solapi.mapping import object_in
from madang.adapters.solapi.settings import SolapiSettings
from madang.ports.errors import OutcomeUnknown, Unavailable

MAX_ANSWER_BYTES: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is the JSON object of the body, empty where there is none."""

    status: int
    headers: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        return httpx.codes.is_success(self.status)


class SolapiClient:
    """Each request is signed anew: a signature is good once, for fifteen minutes."""

    def __init__(self, settings: SolapiSettings) -> None:
        self._signer = Authenticator(settings.api_key.reveal(), settings.api_secret.reveal())
        # No connection is kept: one that the other side closed meanwhile would leave open what became of a message.
        self._http = httpx.AsyncClient(
            base_url=settings.base_url,
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=_trust(),
            trust_env=False,
            follow_redirects=False,
            proxy=settings.proxy.reveal() if settings.proxy else None,
            headers={"user-agent": "madang", "accept": "application/json", "accept-encoding": "identity"},
        )

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
        """Raises `Unavailable` when surely nothing was done, `OutcomeUnknown` when something may have been."""
        limits = httpx.Timeout(timeout, pool=timeout / 3, connect=timeout / 3)
        request = self._http.build_request(method, path, json=json, params=params, timeout=limits)
        request.headers["authorization"] = self._signer.get_auth_info()
        try:
            async with asyncio.timeout(timeout):
                return await self._receive(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Unavailable(f"no connection: {type(error).__name__}", provider=NAME, operation=operation) from None
        except (httpx.HTTPError, TimeoutError, _TooLong) as error:
            lost = Unavailable if method == "GET" else OutcomeUnknown
            raise lost(f"the answer was lost: {type(error).__name__}", provider=NAME, operation=operation) from None

    async def close(self) -> None:
        await self._http.aclose()

    async def _receive(self, request: httpx.Request) -> Answer:
        response = await self._http.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise _TooLong
            return Answer(response.status_code, response.headers, object_in(bytes(body)))
        finally:
            await response.aclose()


class _TooLong(Exception):
    """The answer is longer than anything that is meant here."""


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)
