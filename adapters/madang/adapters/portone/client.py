"""HTTP towards PortOne: bounded in time and size, no redirect followed, nothing tried twice."""

import asyncio
import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from madang.adapters.portone.capabilities import NAME
from madang.adapters.portone.reading import document_in
from madang.adapters.portone.settings import PortOneSettings
from madang.ports.errors import Misconfigured, OutcomeUnknown, Unavailable

MAX_ANSWER_BYTES: Final = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is the JSON of the body, None where there is none that can be read."""

    status: int
    headers: Mapping[str, str]
    document: Any

    @property
    def fields(self) -> Mapping[str, Any]:
        """The JSON object of the body, empty where it is none."""
        return self.document if isinstance(self.document, dict) else {}


class PortOneClient:
    """Knows the merchant by the API secret."""

    def __init__(self, settings: PortOneSettings) -> None:
        # No connection is kept: one that the other side closed meanwhile would leave open what became of a charge.
        self._http = httpx.AsyncClient(
            base_url=settings.base_url,
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=_trust(),
            trust_env=False,
            follow_redirects=False,
            proxy=settings.proxy.reveal() if settings.proxy else None,
            headers={
                "authorization": f"PortOne {settings.api_secret.reveal()}",
                "user-agent": "madang",
                "accept": "application/json",
                "accept-encoding": "identity",
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
        key: str | None = None,
    ) -> Answer:
        """`key` goes along as `Idempotency-Key`, a quoted string of RFC 8941. Raises `Unavailable` when surely nothing was
        done, `OutcomeUnknown` when something may have been."""
        limits = httpx.Timeout(timeout, pool=timeout / 3, connect=timeout / 3)
        headers = {} if key is None else {"idempotency-key": f'"{key}"'}
        request = self._http.build_request(method, path, json=body, params=params, headers=headers, timeout=limits)
        try:
            async with asyncio.timeout(timeout):
                return await self._receive(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Unavailable(f"no connection: {type(error).__name__}", provider=NAME, operation=operation) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise Misconfigured("base_url cannot be used", provider=NAME, operation=operation) from None
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
            return Answer(response.status_code, response.headers, document_in(bytes(body)))
        finally:
            await response.aclose()


class _TooLong(Exception):
    """The answer is longer than anything that is meant here."""


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)
