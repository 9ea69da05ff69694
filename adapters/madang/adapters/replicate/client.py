"""Replicate's SDK on the providers' transport.

The SDK says what is sent. What comes back is read here, for four reasons: it would try a 429 or a 503 again by itself, its
errors carry no header, its models refuse a status that they do not know (`aborted`), and it would read without end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final

import httpx
from replicate.client import Client

from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.bounds import BoundedTransport
from madang.adapters.provider_http.client import answer_of
from madang.adapters.provider_http.failures import port_errors
from madang.adapters.replicate.payload import NAME
from madang.adapters.replicate.settings import ReplicateSettings
from madang.ports.errors import Unavailable

MAX_ANSWER_BYTES: Final = 8 * 1024**2
"""A prediction repeats its inputs, also a photo that went in as a data URI."""
KEPT: Final = 20
_VERSION: Final = b"/v1"
"""What the SDK puts before every path, and `base_url` already holds."""
_SECONDS: Final[ContextVar[float]] = ContextVar("replicate_seconds")


class ReplicateClient:
    """Reached through the SDK."""

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
            with port_errors(NAME, operation, acts=acts):
                async with asyncio.timeout(timeout):
                    await ask(self._sdk)
        except _Answered as answered:
            return answered.answer
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
        self._asking = BoundedTransport(NAME, MAX_ANSWER_BYTES, proxy=settings.proxy, kept=KEPT)
        self._buying = BoundedTransport(NAME, MAX_ANSWER_BYTES, proxy=settings.proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = self._base_path + request.url.raw_path.removeprefix(_VERSION)
        request.url = request.url.copy_with(raw_path=path)
        request.headers["accept-encoding"] = "identity"
        buys = request.method == "POST" and path.endswith(b"/predictions")
        if buys:
            request.headers["cancel-after"] = self._cancel_after
        request.extensions["timeout"] = httpx.Timeout(_SECONDS.get()).as_dict()
        response = await (self._buying if buys else self._asking).handle_async_request(request)
        raise _Answered(await answer_of(response))

    async def aclose(self) -> None:
        await self._buying.aclose()
        await self._asking.aclose()


class _Answered(Exception):
    """The call is over, by whatever answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer
