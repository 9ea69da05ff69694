"""Replicate's SDK on a transport of ours: bounded in time and size, no redirect followed, nothing tried twice.

The SDK says what is sent. What comes back is read here, for four reasons: it would try a 429 or a 503 again by itself, its
errors carry no header, its models refuse a status that they do not know (`aborted`), and it would read without end.
"""

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import httpx
from replicate.client import Client

from madang.adapters.replicate.mapping import object_in
from madang.adapters.replicate.payload import NAME
from madang.adapters.replicate.settings import ReplicateSettings
from madang.ports.errors import Misconfigured, OutcomeUnknown, Unavailable

MAX_ANSWER_BYTES: Final = 8 * 1024**2
"""A prediction repeats its inputs, also a photo that went in as a data URI."""
_VERSION: Final = b"/v1"
"""What the SDK puts before every path, and `base_url` already holds."""
_SECONDS: Final[ContextVar[float]] = ContextVar("replicate_seconds")


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is the JSON object of the body, empty where there is none."""

    status: int
    headers: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        return httpx.codes.is_success(self.status)


class ReplicateClient:
    """One connection pool, reached through the SDK."""

    def __init__(self, settings: ReplicateSettings) -> None:
        base = httpx.URL(settings.base_url.rstrip("/"))
        self._transport = _Transport(base.raw_path.rstrip(b"/"), settings)
        self._sdk = Client(
            settings.api_key.reveal(),
            base_url=str(base.copy_with(raw_path=b"/")),
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
        )

    async def call(
        self, operation: str, timeout: float, ask: Callable[[Client], Awaitable[object]], *, acts: bool = False
    ) -> Answer:
        """What is answered to what `ask` makes the SDK send. Raises `Unavailable` when surely nothing was done, and for one
        that `acts` `OutcomeUnknown` when something may have been."""
        limit = _SECONDS.set(timeout)
        try:
            async with asyncio.timeout(timeout):
                await ask(self._sdk)
        except _Answered as answered:
            return answered.answer
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Unavailable(f"no connection: {type(error).__name__}", provider=NAME, operation=operation) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise Misconfigured("base_url cannot be used", provider=NAME, operation=operation) from None
        except (httpx.HTTPError, TimeoutError, _TooLong) as error:
            lost = OutcomeUnknown if acts else Unavailable
            raise lost(f"the answer was lost: {type(error).__name__}", provider=NAME, operation=operation) from None
        finally:
            _SECONDS.reset(limit)
        raise Unavailable("the SDK sent nothing", provider=NAME, operation=operation)

    async def close(self) -> None:
        await self._transport.aclose()


class _Transport(httpx.AsyncBaseTransport):
    """Carries a request of the SDK's, and ends it with what came. What buys has a connection of its own: one that was kept may
    end just when it is used again, and then nobody knows whether a prediction was bought."""

    def __init__(self, base_path: bytes, settings: ReplicateSettings) -> None:
        self._base_path = base_path
        self._cancel_after = str(settings.cancel_after)
        proxy = settings.proxy.reveal() if settings.proxy else None
        self._http = httpx.AsyncHTTPTransport(verify=trust(), proxy=proxy)
        none_kept = httpx.Limits(max_keepalive_connections=0)
        self._buying = httpx.AsyncHTTPTransport(verify=trust(), proxy=proxy, limits=none_kept)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        seconds = _SECONDS.get()
        path = self._base_path + request.url.raw_path.removeprefix(_VERSION)
        request.url = request.url.copy_with(raw_path=path)
        request.headers["accept-encoding"] = "identity"
        buys = request.method == "POST" and path.endswith(b"/predictions")
        if buys:
            request.headers["cancel-after"] = self._cancel_after
        request.extensions["timeout"] = httpx.Timeout(seconds, connect=seconds / 2).as_dict()
        response = await (self._buying if buys else self._http).handle_async_request(request)
        try:
            body = await _bounded(response)
        finally:
            await response.aclose()
        raise _Answered(Answer(response.status_code, response.headers, object_in(body)))

    async def aclose(self) -> None:
        await self._buying.aclose()
        await self._http.aclose()


async def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _TooLong
    return bytes(body)


class _Answered(Exception):
    """The call is over, by whatever answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _TooLong(Exception):
    """The answer is longer than anything that is meant here."""


@functools.cache
def trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)
