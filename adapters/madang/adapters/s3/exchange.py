"""One call of the SDK: it waits in a thread, while the event loop carries its request.

So a call ends when its time is over or its caller goes away: the loop can let go of a connection, a thread cannot.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

import httpx

MAX_ANSWER_BYTES: Final = 8 * 1024**2
"""A listing of a thousand long keys."""
PIECE: Final = 256 * 1024
_BELATED: Final = 5.0
_OURS: Final = frozenset({"expect"})
"""Unsigned, and about the way and not the request: we do not wait for leave to send a body."""

Came: TypeAlias = tuple[int, Mapping[str, str], bytes]


class Abandoned(Exception):
    """Nobody waits for this call any more."""


class TooLong(Exception):
    """The answer is longer than anything that is meant here."""


class Exchange:
    """`sent` says whether anything may have reached the storage. With `stream`, a good answer's body is not read: `response` is
    left open for who takes it."""

    def __init__(self, http: httpx.AsyncClient, seconds: float, *, stream: bool) -> None:
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + seconds
        self._stream = stream
        self._carrying: Future[Came] | None = None
        self._over = False
        self.sent = False
        self.response: httpx.Response | None = None

    def run(self, call: Callable[[], Any]) -> Any:
        """In a thread: the SDK's call, whose request comes back to this exchange."""
        if self._over:
            raise Abandoned
        token = _UNDER_WAY.set(self)
        try:
            return call()
        finally:
            _UNDER_WAY.reset(token)

    async def end(self) -> None:
        """On the loop: whatever is still under way is let go."""
        self._over = True
        if self._carrying is not None:
            self._carrying.cancel()
        if self.response is not None:
            await self.response.aclose()

    def carry(self, request: Any) -> Any:
        """In the thread: hand the SDK's request to the loop, and wait for what comes."""
        from botocore.awsrequest import AWSResponse

        carrying = self._carry(request)
        try:
            self._carrying = asyncio.run_coroutine_threadsafe(carrying, self._loop)
        except RuntimeError:
            carrying.close()
            raise Abandoned from None
        status, headers, body = self._carrying.result(self._until + _BELATED - self._loop.time())
        return AWSResponse(request.url, status, headers, _Raw(body))

    async def _carry(self, request: Any) -> Came:
        if self._over or self._http.is_closed:
            raise Abandoned
        built = httpx.Request(
            request.method,
            request.url,
            headers={name: _text(value) for name, value in request.headers.items() if name.lower() not in _OURS},
            content=_pieces(request.body),
            extensions={"timeout": {"connect": (self._until - self._loop.time()) / 2}},
        )
        self.sent = True
        response = await self._http.send(built, stream=True)
        if self._stream and response.status_code == 200:
            self.response = response
            return response.status_code, response.headers, b""
        try:
            return response.status_code, response.headers, await _bounded(response)
        finally:
            await response.aclose()


_UNDER_WAY: Final[ContextVar[Exchange]] = ContextVar("the call of this thread")


def send(request: Any, **_: Any) -> Any:
    """What the SDK calls to send: its event `before-send`."""
    return _UNDER_WAY.get().carry(request)


class _Raw(io.BytesIO):
    """A body that is here already, as the SDK reads one."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _pieces(body: io.BytesIO | bytes | None) -> AsyncIterator[bytes] | None:
    """It goes piece by piece, so that no second copy of a large one waits to be sent."""
    if body is None:
        return None
    return _cut(body.getbuffer() if isinstance(body, io.BytesIO) else memoryview(body))


async def _cut(whole: memoryview) -> AsyncIterator[bytes]:
    with whole:
        for start in range(0, len(whole), PIECE):
            yield bytes(whole[start : start + PIECE])


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


async def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise TooLong
    return bytes(body)
