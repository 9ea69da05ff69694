"""HTTP towards the webhook, whose address is the secret: nothing above the transport ever sees it."""

import asyncio
import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from madang.adapters.slack.mapping import NAME
from madang.adapters.slack.settings import SlackSettings
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable

MAX_ANSWER_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class HiddenAddress(httpx.AsyncBaseTransport):
    """httpx writes a request's address into its log and its errors. So it is given the host alone, and the path, which is the
    secret, comes in below it."""

    def __init__(self, address: httpx.URL, proxy: str | None) -> None:
        self._address = address
        # No connection is kept: one that the other side closed meanwhile would leave open what became of a message.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=_trust(), limits=limits, proxy=httpx.Proxy(proxy) if proxy else None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        addressed = httpx.Request(
            request.method, self._address, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return await self._inner.handle_async_request(addressed)

    async def aclose(self) -> None:
        await self._inner.aclose()


class SlackClient:
    """Bounded in time and size; no redirect is followed and nothing is tried twice."""

    def __init__(self, settings: SlackSettings) -> None:
        address = httpx.URL(settings.webhook_url.reveal())
        self._http = httpx.AsyncClient(
            transport=HiddenAddress(address, settings.proxy.reveal() if settings.proxy else None),
            base_url=address.copy_with(raw_path=b"/", fragment=None),
            trust_env=False,
            headers={"user-agent": "madang", "accept-encoding": "identity"},
        )

    async def post(self, operation: str, payload: Mapping[str, Any], timeout: float) -> Answer:
        """What Slack answers. Raises `Unavailable` when surely nothing was sent, else `OutcomeUnknown`, and `Rejected` for
        values that JSON cannot carry."""
        limits = httpx.Timeout(timeout, connect=timeout / 2)
        try:
            request = self._http.build_request("POST", "", json=payload, timeout=limits)
        except (TypeError, ValueError):
            reason = "invalid_request"
            raise Rejected("JSON cannot carry a value", reason=reason, provider=NAME, operation=operation) from None
        try:
            async with asyncio.timeout(timeout):
                return await self._receive(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Unavailable(f"no connection: {type(error).__name__}", provider=NAME, operation=operation) from None
        except (httpx.HTTPError, TimeoutError) as error:
            message = f"the answer was lost: {type(error).__name__}"
            raise OutcomeUnknown(message, provider=NAME, operation=operation) from None

    async def close(self) -> None:
        await self._http.aclose()

    async def _receive(self, request: httpx.Request) -> Answer:
        response = await self._http.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk[: MAX_ANSWER_BYTES - len(body)]
                if len(body) >= MAX_ANSWER_BYTES:
                    break
            return Answer(response.status_code, response.headers, bytes(body))
        finally:
            await response.aclose()


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)
