"""The Gemini API through `google-generativeai`, which Google has ended: for deployments that have nothing else.

Its messages (`protos`) and the REST transport beneath its `GenerativeModel` are used directly: `configure` would keep our key
for the whole process, and takes keys from the environment where it finds them. Retries come from a wrapper that is left out.
The messages are of early 2025: they hold no seed, no thinking and less of a schema, which is said before anything is sent. What
an answer has beyond them is lost, its id among it.

Source: google-generativeai 0.8.6, google-ai-generativelanguage 0.6.15 (`transports/rest.py`), google-api-core 2.33
(`rest_streaming.py`: a stream is a list in JSON).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import httpx

from madang.adapters.gemini.errors import NotExpressible
from madang.adapters.gemini.http import Refused, answers_closed, open_client
from madang.adapters.gemini.legacy_import import (
    AnonymousCredentials,
    GenerativeServiceRestTransport,
    GoogleAPICallError,
    ModelServiceRestTransport,
    json_format,
    protos,
)
from madang.adapters.gemini.legacy_session import Call
from madang.adapters.gemini.mapping import Unreadable
from madang.adapters.gemini.schema import OPENAPI, Dialect
from madang.adapters.gemini.settings import LEGACY, GeminiSettings

T = TypeVar("T")

THREADS: Final = 32
"""Calls at once; the next one waits, within its time limit."""
_NOBODY: Final[Any] = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth has types for part of it


class LegacySpeaker:
    """Fulfils `Speaker`."""

    def __init__(self, settings: GeminiSettings) -> None:
        self._key = settings.api_key
        self._base_url = settings.base_url.rstrip("/")
        self._http = open_client(settings)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gemini")

    @property
    def dialect(self) -> Dialect:
        return OPENAPI

    async def generate(self, model: str, document: Mapping[str, Any], timeout: float) -> object:
        request = _request(model, document)
        async with self._calling(timeout) as call:
            async with asyncio.timeout(timeout):
                return await self._in_thread(lambda: _document(self._texts(call).generate_content(request)))

    async def stream(self, model: str, document: Mapping[str, Any], timeout: float) -> AsyncGenerator[object, None]:
        request = _request(model, document)
        deadline = asyncio.get_running_loop().time() + timeout
        async with self._calling(timeout) as call:
            async with asyncio.timeout_at(deadline):
                pieces = await self._in_thread(lambda: self._texts(call).stream_generate_content(request))
            while True:
                async with asyncio.timeout_at(deadline):
                    piece = await self._in_thread(partial(next, pieces, None))
                if piece is None:
                    return
                yield _document(piece)

    async def look_at(self, model: str, timeout: float) -> None:
        async with self._calling(timeout) as call:
            transport = _speaking(ModelServiceRestTransport(host=self._base_url, credentials=_NOBODY), call)
            async with asyncio.timeout(timeout):
                await self._in_thread(lambda: transport.get_model(protos.GetModelRequest(name=_full_name(model))))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._http.aclose()

    def _texts(self, call: Call) -> Any:
        return _speaking(GenerativeServiceRestTransport(host=self._base_url, credentials=_NOBODY), call)

    @asynccontextmanager
    async def _calling(self, timeout: float) -> AsyncIterator[Call]:
        """A call that is given up when the block is left, however it is left."""
        async with answers_closed() as answers:
            call = Call(self._http, self._key.reveal(), timeout, answers)
            try:
                with self._errors(call):
                    yield call
            finally:
                call.give_up()

    @contextmanager
    def _errors(self, call: Call) -> Iterator[None]:
        try:
            yield
        except GoogleAPICallError as error:
            response = error.response
            raise Refused(response.http_status, response.headers, response.content) from None
        except json_format.ParseError:
            raise Unreadable("no message") from None
        except TimeoutError:
            raise (TimeoutError() if call.has_begun else httpx.PoolTimeout("all threads are busy")) from None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _speaking(transport: Any, call: Call) -> Any:
    """The transport takes no session, it makes one. Each call has a transport of its own, because each has its own session."""
    transport._session.close()
    transport._session = call
    return transport


def _request(model: str, document: Mapping[str, Any]) -> Any:
    """Raises `NotExpressible` for what the old messages have no field for."""
    request = protos.GenerateContentRequest(model=_full_name(model))
    try:
        json_format.ParseDict(dict(document), protos.GenerateContentRequest.pb(request))
    except json_format.ParseError:
        raise NotExpressible(f"{LEGACY} has no field for what `extra` holds") from None
    return request


def _document(message: Any) -> object:
    document: object = json_format.MessageToDict(type(message).pb(message))
    return document


def _full_name(model: str) -> str:
    return model if "/" in model else f"models/{model}"
