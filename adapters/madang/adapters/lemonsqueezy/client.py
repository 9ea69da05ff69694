"""HTTP towards Lemon Squeezy: bounded in time and size, no redirect followed, nothing tried twice."""

import asyncio
import functools
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from madang.adapters.lemonsqueezy.capabilities import NAME
from madang.adapters.lemonsqueezy.mapping import object_in
from madang.adapters.lemonsqueezy.settings import LemonSqueezySettings
from madang.ports.errors import OutcomeUnknown, Unavailable

MAX_ANSWER_BYTES: Final = 4 * 1024**2
MEDIA_TYPE: Final = "application/vnd.api+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is the JSON object of the body, empty where there is none."""

    status: int
    headers: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        return httpx.codes.is_success(self.status)


class LemonSqueezyClient:
    """Speaks JSON:API with the store's key."""

    def __init__(self, settings: LemonSqueezySettings) -> None:
        # No connection is kept: one that the other side closed meanwhile would leave open what became of a refund.
        self._http = httpx.AsyncClient(
            base_url=settings.base_url,
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=_trust(),
            trust_env=False,
            follow_redirects=False,
            proxy=settings.proxy.reveal() if settings.proxy else None,
            headers={
                "user-agent": "madang",
                "accept": MEDIA_TYPE,
                "accept-encoding": "identity",
                "authorization": f"Bearer {settings.api_key.reveal()}",
            },
        )

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        timeout: float,
        *,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Raises `Unavailable` when surely nothing was done, `OutcomeUnknown` when something may have been."""
        limits = httpx.Timeout(timeout, pool=timeout / 3, connect=timeout / 3)
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if body is None else {"content-type": MEDIA_TYPE}
        request = self._http.build_request(method, path, content=content, headers=headers, timeout=limits)
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
