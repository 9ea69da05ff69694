"""Bounds that hold whoever builds the request, an SDK included."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx

from madang.adapters.provider_http.certificates import trust
from madang.adapters.provider_http.failures import TooLong
from madang.ports.errors import Misconfigured
from madang.ports.secret import Secret

CONNECT_SHARE: Final = 1 / 3
"""Of the time limit, for a place in the pool and again for the connection, so that a call which was never sent is told from one
whose answer was lost."""
LAST_PORT: Final = 65_535


class BoundedTransport(httpx.AsyncHTTPTransport):
    """Goes to no impossible address, gives connecting a share of the time, and reads no more of an answer than `most_bytes`:
    what is longer is `TooLong`, or cut off there with `cut`.

    `kept` connections wait for the next call. For what has an effect it is none: one that the other side closed meanwhile would
    leave open what became of it. Raises `Misconfigured` for a proxy that cannot be used.
    """

    def __init__(self, name: str, most_bytes: int, *, proxy: Secret | None = None, kept: int = 0, cut: bool = False) -> None:
        limits = httpx.Limits(max_keepalive_connections=kept)
        super().__init__(verify=trust(), proxy=_proxy_of(name, proxy), limits=limits)
        self._most_bytes = most_bytes
        self._cut = cut

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises errors of httpx."""
        require_possible(request.url)
        request.extensions["timeout"] = _shared(request.extensions.get("timeout", {}))
        response = await super().handle_async_request(request)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = Counted(response.stream, self._most_bytes, self._cut)
        return response


def require_possible(address: httpx.URL) -> None:
    """Raises `httpx.InvalidURL` for what the system would refuse with errors of its own: a port or a name that cannot be."""
    try:
        address.raw_host.decode("ascii").encode("idna")
    except UnicodeError:
        raise httpx.InvalidURL("no host has such a name") from None
    if not address.host or (address.port is not None and not 0 < address.port <= LAST_PORT):
        raise httpx.InvalidURL("there is no such host or port")


def is_packed(response: httpx.Response) -> bool:
    """Although it was asked not to be. What is packed has no bound, so nobody unpacks it."""
    packing: str = response.headers.get("content-encoding", "identity")
    return packing.lower() != "identity"


def _proxy_of(name: str, address: Secret | None) -> httpx.Proxy | None:
    if address is None:
        return None
    try:
        proxy = httpx.Proxy(address.reveal())
        require_possible(proxy.url)
    except (httpx.InvalidURL, ValueError):
        raise Misconfigured("the proxy's address cannot be used", provider=name, operation="connect") from None
    return proxy


def _shared(limits: Mapping[str, Any]) -> dict[str, Any]:
    shares = {each: limits[each] * CONNECT_SHARE for each in ("connect", "pool") if limits.get(each) is not None}
    return {**limits, **shares}


class Counted(httpx.AsyncByteStream):
    """No more of a stream than `most_bytes`. Raises `TooLong`, or ends there with `cut`."""

    def __init__(self, stream: httpx.AsyncByteStream, most_bytes: int, cut: bool) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._most_bytes
        async for piece in self._stream:
            if len(piece) > left and not self._cut:
                raise TooLong
            yield piece[:left]
            left -= len(piece)
            if self._cut and left <= 0:
                return

    async def aclose(self) -> None:
        await self._stream.aclose()
