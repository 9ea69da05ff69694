"""The body of an object, read as it comes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import httpx

from madang.ports.errors import Unavailable

SLOWEST: Final = 64 * 1024
"""Bytes a second: a body that comes slower than this is waited for no longer. What the reader does meanwhile does not count."""


class Chunks:
    """Iterate once. A reader that goes away in the middle, or never begins, keeps no connection."""

    def __init__(self, response: httpx.Response, name: str, seconds: float, size: int) -> None:
        self._response = response
        self._pieces: AsyncIterator[bytes] = response.aiter_raw()
        self._name = name
        self._seconds = seconds
        self._left = seconds + size / SLOWEST
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> "Chunks":
        return self

    async def __anext__(self) -> bytes:
        began = self._loop.time()
        failure = ""
        try:
            async with asyncio.timeout(min(self._seconds, self._left)):
                return await anext(self._pieces)
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
            failure = type(error).__name__
        except BaseException:
            await self.aclose()
            raise
        finally:
            self._left -= self._loop.time() - began
        await self.aclose()
        raise Unavailable(f"the body ended before its end: {failure}", provider=self._name, operation="get")

    async def aclose(self) -> None:
        await self._response.aclose()

    def __del__(self) -> None:
        if not self._response.is_closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_close, self._loop, self._response)


_closing: Final[set[asyncio.Task[None]]] = set()


def _close(loop: asyncio.AbstractEventLoop, response: httpx.Response) -> None:
    task = loop.create_task(response.aclose())
    _closing.add(task)
    task.add_done_callback(_closing.discard)
