"""OpenAI's SDK on our terms: bounded in time and size, nothing tried twice, no redirect followed, nothing of the environment.

Answers are taken as they came and not as the SDK's models: a compatible server leaves fields out. Source: the SDK 3.54 itself.
It reads `OPENAI_…` variables, among them headers to add, and tells of the machine in `x-stainless-…` headers; so the transport
lets pass what a request needs, and adds the key, which the SDK never holds.
"""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from openai import APIError, APIStatusError, AsyncOpenAI, AsyncStream

from madang.adapters.openai.mapping import NAME, error_of, mapping_in, request_id_in
from madang.adapters.openai.settings import OpenAISettings
from madang.adapters.provider_http.answers import object_in
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Unavailable

MEGABYTE: Final = 1024**2
CONNECTIONS: Final = 100
KEPT: Final = 20
"""Connections at once, and those that wait for the next text."""
NEEDED: Final = frozenset({"host", "content-type", "content-length", "transfer-encoding", "accept", "connection"})
NO_CONNECTION: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of success."""

    body: bytes
    request_id: str | None


class OpenAIClient:
    """One connection pool. With `fresh`, each call has a connection of its own: one that was kept may end just when it is used
    again, and then nobody knows whether a paid call arrived."""

    def __init__(self, settings: OpenAISettings, max_bytes: int, *, fresh: bool = False) -> None:
        self._http = httpx2.AsyncClient(transport=_OnOurTerms(settings, max_bytes, fresh), trust_env=False)
        self._sdk = AsyncOpenAI(
            api_key="added-by-the-transport",
            organization="",
            project="",
            webhook_secret="",
            base_url=settings.base_url,
            max_retries=0,
            http_client=self._http,
        )

    async def get(self, operation: str, path: str, timeout: float) -> Answer:
        """Raises what the answer says, else `Unavailable`."""
        try:
            async with asyncio.timeout(timeout):
                response = await self._sdk.get(path, cast_to=httpx2.Response, options=_options(timeout))
        except (APIError, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise _failure(error, operation) from None
        return Answer(response.content, request_id_in(response.headers))

    async def post(
        self, operation: str, path: str, payload: Mapping[str, Any], timeout: float, *, files: Mapping[str, Any] | None = None
    ) -> Answer:
        """Raises what the answer says, `Unavailable` when surely nothing was done, else `OutcomeUnknown`."""
        options = _options(timeout)
        if files:
            options["headers"] = {"content-type": "multipart/form-data"}
        try:
            async with asyncio.timeout(timeout):
                response = await self._sdk.post(path, cast_to=httpx2.Response, body=dict(payload), files=files, options=options)
        except (APIError, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise _failure(error, operation) from None
        return Answer(response.content, request_id_in(response.headers))

    async def stream(self, operation: str, path: str, payload: Mapping[str, Any], timeout: float) -> "EventStream":
        """The answer's events. Raises as `post`."""
        ends_at = asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout_at(ends_at):
                events = await self._sdk.post(
                    path,
                    cast_to=object,
                    body=dict(payload),
                    options=_options(timeout),
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
        except (APIError, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise _failure(error, operation) from None
        return EventStream(events, operation, ends_at)

    async def close(self) -> None:
        await self._http.aclose()


class EventStream:
    """The events of one answer, all of them within the call's time."""

    def __init__(self, events: AsyncStream[object], operation: str, ends_at: float) -> None:
        self._events = events
        self._operation = operation
        self._ends_at = ends_at
        self.request_id = request_id_in(events.response.headers)

    async def next(self) -> Mapping[str, Any] | None:
        """The next event, None at the end."""
        try:
            async with asyncio.timeout_at(self._ends_at):
                return mapping_in(await anext(self._events))
        except StopAsyncIteration:
            return None
        except (APIError, httpx2.HTTPError, OSError, ValueError, RecursionError) as error:
            raise _failure(error, self._operation, self.request_id) from None

    async def aclose(self) -> None:
        await self._events.close()


class _OnOurTerms(httpx2.AsyncHTTPTransport):
    """Sends what a request needs and what the settings say; takes an answer up to its size, and not packed."""

    def __init__(self, settings: OpenAISettings, max_bytes: int, fresh: bool) -> None:
        limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=0 if fresh else KEPT)
        proxy = settings.proxy.reveal() if settings.proxy else None
        super().__init__(verify=_trust(), limits=limits, proxy=proxy)
        self._settings = settings
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        for name in set(request.headers) - NEEDED:
            del request.headers[name]
        request.headers.update(_headers(self._settings))
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the answer is packed, which it was asked not to be", request=request)
        response.stream = _Bounded(response.stream, self._max_bytes)
        return response


def _headers(settings: OpenAISettings) -> Mapping[str, str]:
    headers = {
        "authorization": f"Bearer {settings.api_key.reveal()}" if settings.api_key else None,
        "openai-organization": settings.organization,
        "openai-project": settings.project,
        "user-agent": "madang",
        "accept-encoding": "identity",
    }
    return {name: value for name, value in headers.items() if value}


class _Bounded(httpx2.AsyncByteStream):
    """An answer that is longer than anything that is meant breaks off."""

    def __init__(self, stream: Any, max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise httpx2.ReadError("the answer is too long")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _options(timeout: float) -> Any:
    """The SDK's own type of it is private."""
    return {"timeout": httpx2.Timeout(timeout, connect=timeout / 2, pool=timeout / 2)}


def _failure(error: BaseException, operation: str, request_id: str | None = None) -> PortError:
    if isinstance(error, APIStatusError):
        answer = error.response
        return error_of(answer.status_code, answer.headers, object_in(answer.content), operation)
    if isinstance(error, APIError) and error.body is not None:
        return error_of(0, {"x-request-id": request_id or ""}, {"error": error.body}, operation)
    cause = error if isinstance(error, TimeoutError) else error.__cause__ or error
    name = type(cause).__name__
    if isinstance(cause, NO_CONNECTION):
        return Unavailable(f"no connection: {name}", provider=NAME, operation=operation)
    if isinstance(cause, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return Misconfigured("base_url cannot be used", provider=NAME, operation=operation)
    lost = Unavailable if operation == "check" else OutcomeUnknown
    return lost(f"the answer was lost: {name}", provider=NAME, operation=operation, request_id=request_id)


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx2.create_ssl_context(trust_env=False)
