"""The HTTP session that the old SDK's REST transport is given instead of its own.

Its own is of `requests`: it sends a refused call up to three times, follows redirects with our key, asks the environment for
proxies, has no limit on a whole answer, and cannot be interrupted. This one looks the same to the SDK, which calls it in a
thread, and does the work in the event loop, with the client that the newer SDK gets, too.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from threading import Event
from typing import Any, Final, TypeVar

import httpx

from madang.adapters.gemini.http import server_deadline

T = TypeVar("T")

_KEY: Final = "x-goog-api-key"


class Call:
    """One call of the SDK: its thread waits for what the loop does, until somebody gives it up. Whoever made it closes its
    `answers`."""

    def __init__(self, http: httpx.AsyncClient, key: str, timeout: float, answers: list[httpx.Response]) -> None:
        self._http = http
        self._answers = answers
        self._key = key
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._pending: Future[Any] | None = None
        self._given_up = Event()

    def get(self, url: str, **options: Any) -> "Response":
        return self.wait_for(self._send("GET", url, **options))

    def post(self, url: str, **options: Any) -> "Response":
        return self.wait_for(self._send("POST", url, **options))

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """In the SDK's thread. Raises what the work raises, and `CancelledError` once the call is given up."""
        if self._given_up.is_set():
            work.close()
            raise CancelledError
        self._pending = pending = asyncio.run_coroutine_threadsafe(work, self._loop)
        if self._given_up.is_set():
            pending.cancel()
        return pending.result()

    @property
    def has_begun(self) -> bool:
        return self._pending is not None

    def give_up(self) -> None:
        """In the loop: whatever is under way ends, with its connection."""
        self._given_up.set()
        if self._pending is not None:
            self._pending.cancel()

    async def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Any,
        data: str | None = None,
        stream: bool = False,
        timeout: float | None = None,
    ) -> "Response":
        own = {_KEY: self._key, "x-server-timeout": server_deadline(self._timeout)}
        request = self._http.build_request(
            method, url, content=data, headers={**headers, **own}, params=params, timeout=self._timeout
        )
        answer = await self._http.send(request, stream=True)
        self._answers.append(answer)
        if self._given_up.is_set():  # it came too late for whoever closes the answers
            await answer.aclose()
            raise asyncio.CancelledError
        if not stream or answer.status_code != httpx.codes.OK:
            await answer.aread()
        return Response(self, answer)


class Response:
    """As much of a response of `requests` as the SDK uses."""

    def __init__(self, call: Call, answer: httpx.Response) -> None:
        self._call = call
        self._answer = answer
        self.status_code = answer.status_code if answer.status_code < 300 else max(answer.status_code, 400)
        """The SDK takes all below 400 for a success; `http_status` is what it was."""
        self.http_status = answer.status_code
        self.headers = answer.headers
        self.request = answer.request

    @property
    def content(self) -> bytes:
        return self._answer.content

    def json(self) -> Mapping[str, Any]:
        """For the message of the SDK's error, which nobody reads. It falls over a refusal in a list, as streams have it."""
        return {}

    def iter_content(self, **_: Any) -> Iterator[str]:
        """Pieces as they come; whole characters, because the SDK counts them."""
        pieces = self._answer.aiter_text()
        while (piece := self._call.wait_for(_next(pieces))) is not None:
            if piece:
                yield piece


async def _next(pieces: AsyncIterator[str]) -> str | None:
    return await anext(pieces, None)
