"""HTTP towards Gemini, for whichever SDK: bounded in time and size, no redirect followed, nothing of the environment used."""

import functools
import math
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final

import httpx

from madang.adapters.gemini.errors import NotExpressible, error_of
from madang.adapters.gemini.names import NAME
from madang.adapters.gemini.settings import GeminiSettings
from madang.ports.errors import Misconfigured, OutcomeUnknown, Unavailable, Unsupported

MAX_TEXT_BYTES: Final = 8 * 1024**2
MAX_PICTURE_BYTES: Final = 64 * 1024**2
"""A picture of 4096 pixels comes as base64 within JSON."""
CONNECT_SHARE: Final = 0.5
"""Of the time limit, so that a call that never connected is told from one whose answer was lost."""
SHORTEST_DEADLINE: Final = 10
"""Seconds; the API answers 400 to a shorter one."""


_NOTED: Final[ContextVar[list[httpx.Response] | None]] = ContextVar("noted", default=None)


class Refused(Exception):
    """The API answered something else than success."""

    def __init__(self, status: int, headers: httpx.Headers, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


class TooLong(Exception):
    """The answer is longer than anything that is meant here."""


def open_client(settings: GeminiSettings, *, pictures: bool = False) -> httpx.AsyncClient:
    """One connection pool. For pictures none of its connections is kept: one that the other side closed meanwhile would leave
    open whether a picture was bought."""
    limits = httpx.Limits(max_keepalive_connections=0 if pictures else 20)
    most_bytes = MAX_PICTURE_BYTES if pictures else MAX_TEXT_BYTES
    proxy = httpx.Proxy(settings.proxy.reveal()) if settings.proxy else None
    return httpx.AsyncClient(
        transport=_Bounded(most_bytes, verify=trust(), proxy=proxy, limits=limits),
        trust_env=False,
        follow_redirects=False,
        headers={"accept-encoding": "identity"},
    )


@functools.cache
def trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)


@asynccontextmanager
async def answers_closed() -> AsyncIterator[list[httpx.Response]]:
    """Every answer that is put into the list is closed when the block is left, however it is left."""
    answers: list[httpx.Response] = []
    try:
        yield answers
    finally:
        for answer in answers:
            await answer.aclose()


@contextmanager
def noting(answers: list[httpx.Response]) -> Iterator[None]:
    """Whatever our clients are answered while the block runs goes into the list, also when an SDK is in between."""
    token = _NOTED.set(answers)
    try:
        yield
    finally:
        _NOTED.reset(token)


def server_deadline(timeout: float) -> str:
    """`x-server-timeout`: after that many seconds nobody waits for the answer, and Google need not write it."""
    return str(max(SHORTEST_DEADLINE, math.ceil(timeout)))


@contextmanager
def port_errors(operation: str) -> Iterator[None]:
    """What may go wrong in a call, as errors of the taxonomy. `check` is a question; the other calls are paid for."""
    try:
        yield
    except Refused as refused:
        raise error_of(refused.status, refused.headers, refused.body, operation) from None
    except NotExpressible as error:
        raise Unsupported(f"Gemini cannot be asked that: {error}", provider=NAME, operation=operation) from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        raise Unavailable(f"no connection: {type(error).__name__}", provider=NAME, operation=operation) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Misconfigured("base_url cannot be used", provider=NAME, operation=operation) from None
    except (httpx.HTTPError, TimeoutError, TooLong, ValueError, RecursionError) as error:
        lost = Unavailable if operation == "check" else OutcomeUnknown
        raise lost(f"the answer was lost: {type(error).__name__}", provider=NAME, operation=operation) from None


class _Bounded(httpx.AsyncHTTPTransport):
    """Counts what arrives, takes nothing packed, for that is larger than what is counted, and gives connecting a share of the
    time."""

    def __init__(self, most_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        self._most_bytes = most_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits = request.extensions.get("timeout", {})
        if limits.get("connect") is not None:
            request.extensions["timeout"] = {**limits, "connect": limits["connect"] * CONNECT_SHARE}
        response = await super().handle_async_request(request)
        if (answers := _NOTED.get()) is not None:
            answers.append(response)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx.DecodingError("the answer is packed, which it was asked not to be", request=request)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Counted(response.stream, self._most_bytes)
        return await _legible(response) if response.is_error else response


async def _legible(response: httpx.Response) -> httpx.Response:
    """The SDK reads a refusal as text before it looks at the status, and stumbles over a byte that is none."""
    try:
        body = await response.aread()
    finally:
        await response.aclose()
    headers = {name: value for name, value in response.headers.items() if name not in ("content-length", "transfer-encoding")}
    return httpx.Response(response.status_code, headers=headers, content=body.decode(errors="replace").encode())


class _Counted(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > self._most_bytes:
                raise TooLong
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
