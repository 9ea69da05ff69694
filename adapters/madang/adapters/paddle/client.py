"""HTTP towards Paddle: bounded in time and size, no redirect followed, nothing tried twice."""

import asyncio
import functools
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx

from madang.adapters.paddle.capabilities import NAME
from madang.adapters.paddle.errors import error_of, object_in
from madang.adapters.paddle.settings import PaddleSettings
from madang.ports.errors import OutcomeUnknown, Unavailable

MAX_ANSWER_BYTES: Final = 4 * 1024**2


class PaddleClient:
    """Speaks version 1 of Paddle's API with the account's key."""

    def __init__(self, settings: PaddleSettings) -> None:
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
                "accept": "application/json",
                "accept-encoding": "identity",
                "authorization": f"Bearer {settings.api_key.reveal()}",
                "paddle-version": "1",
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
        params: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """The document of a success. Raises the taxonomy: of any method but GET, `OutcomeUnknown` when it may be done."""
        limits = httpx.Timeout(timeout, pool=timeout / 3, connect=timeout / 3)
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        request = self._http.build_request(method, path, content=content, params=params, headers=headers, timeout=limits)
        effect = method != "GET"
        try:
            async with asyncio.timeout(timeout):
                status, received, answer = await self._receive(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Unavailable(f"no connection: {type(error).__name__}", provider=NAME, operation=operation) from None
        except (httpx.HTTPError, TimeoutError, _TooLong) as error:
            lost = OutcomeUnknown if effect else Unavailable
            raise lost(f"the answer was lost: {type(error).__name__}", provider=NAME, operation=operation) from None
        if not 200 <= status < 300:
            raise error_of(status, received, answer, operation, effect=effect)
        return answer

    async def close(self) -> None:
        await self._http.aclose()

    async def _receive(self, request: httpx.Request) -> tuple[int, Mapping[str, str], Mapping[str, Any]]:
        response = await self._http.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise _TooLong
            return response.status_code, response.headers, object_in(bytes(body))
        finally:
            await response.aclose()


class _TooLong(Exception):
    """The answer is longer than anything that is meant here."""


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)
