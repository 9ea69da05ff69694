"""HTTP towards Gemini, for whichever SDK, on the providers' transport."""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Final

import httpx

from madang.adapters.gemini.errors import NotExpressible, error_of
from madang.adapters.gemini.names import NAME
from madang.adapters.gemini.settings import GeminiSettings
from madang.adapters.provider_http import failures
from madang.adapters.provider_http.bounds import BoundedTransport, is_packed
from madang.adapters.provider_http.client import answer_of
from madang.ports.errors import Unsupported

MAX_TEXT_BYTES: Final = 8 * 1024**2
MAX_PICTURE_BYTES: Final = 64 * 1024**2
"""A picture of 4096 pixels comes as base64 within JSON."""
KEPT: Final = 20
"""Connections that wait for the next text."""
_OF_THE_BODY: Final = frozenset({"content-length", "transfer-encoding", "content-encoding"})
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


def open_client(settings: GeminiSettings, *, pictures: bool = False) -> httpx.AsyncClient:
    """One connection pool. For pictures none of its connections is kept: one that the other side closed meanwhile would leave
    open whether a picture was bought."""
    most_bytes, kept = (MAX_PICTURE_BYTES, 0) if pictures else (MAX_TEXT_BYTES, KEPT)
    return httpx.AsyncClient(
        transport=_Transport(NAME, most_bytes, proxy=settings.proxy, kept=kept),
        trust_env=False,
        follow_redirects=False,
        headers={"accept-encoding": "identity"},
    )


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
    acts = operation != "check"
    try:
        with failures.port_errors(NAME, operation, acts=acts):
            yield
    except Refused as refused:
        raise error_of(refused.status, refused.headers, refused.body, operation) from None
    except NotExpressible as error:
        raise Unsupported(f"Gemini cannot be asked that: {error}", provider=NAME, operation=operation) from None
    except (ValueError, RecursionError) as error:
        raise failures.lost(NAME, operation, f"the answer was lost: {type(error).__name__}", acts=acts) from None


class _Transport(BoundedTransport):
    """Takes nothing packed, which an SDK would unpack: that is larger than what was counted."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if (answers := _NOTED.get()) is not None:
            answers.append(response)
        if not response.is_success:
            return await _legible(response)
        if is_packed(response):
            await response.aclose()
            raise httpx.DecodingError("the answer is packed, which it was asked not to be", request=request)
        return response


async def _legible(response: httpx.Response) -> httpx.Response:
    """The SDK reads a refusal as text before it looks at the status, and stumbles over a byte that is none."""
    answer = await answer_of(response)
    headers = {name: value for name, value in answer.headers.items() if name not in _OF_THE_BODY}
    return httpx.Response(answer.status, headers=headers, content=answer.body.decode(errors="replace").encode())
