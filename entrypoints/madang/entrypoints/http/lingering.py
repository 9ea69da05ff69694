"""How long a body may take, and what becomes of one that nobody wants.

A client that dribbles holds a connection, and the server has so many of them: a body must keep a pace. And a refusal that comes
while the client is still sending is not seen unless we read on: the connection would be reset.
"""

import asyncio
from typing import Any, Final

from litestar.types import HTTPScope, Receive

from madang.entrypoints.http.errors import BodyTooSlow

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_SECONDS: Final = 10.0
PATIENCE = 15.0
"""Seconds that we wait for a body, whatever its size."""
LEAST_PACE: Final = 16 * 1024
"""Bytes that must come in each second beyond these: a slow telephone sends several times as many."""
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Body:
    """The request's messages, and whether the last one has come. `is_coming`: the client sends it without being asked.
    `waited`: seconds that it let us wait."""

    def __init__(self, receive: Receive, *, is_coming: bool) -> None:
        self._receive = receive
        self._is_coming = is_coming
        self._is_over = False
        self._received = 0
        self.waited = 0.0

    async def receive(self) -> Any:
        """Raises `BodyTooSlow`. After the body, whatever comes may take its time."""
        if self._is_over:
            return await self._receive()
        message = await self._in_time()
        self._received += len(message.get("body", b""))
        self._is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Read on and keep nothing, for some megabytes and some seconds at most."""
        left = MAX_BYTES
        try:
            async with asyncio.timeout(MAX_SECONDS):
                while self._is_coming and not self._is_over and left > 0:
                    left -= len((await self.receive()).get("body", b""))
        except (TimeoutError, BodyTooSlow):
            return

    async def _in_time(self) -> Any:
        """Only what the client lets us wait is counted, and not what we do between two pieces."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(PATIENCE + self._received / LEAST_PACE - self.waited):
                return await self._receive()
        except TimeoutError:
            self._is_over = True
            raise BodyTooSlow("the body did not come in time") from None
        finally:
            self.waited += clock() - began


def awaited_body(scope: HTTPScope, receive: Receive) -> Body | None:
    """None for a request that has none. A client that waits for our word before it sends one is not asked for it in vain."""
    if scope["method"] in _WITHOUT_BODY:
        return None
    names = {name for name, _ in scope["headers"]}
    has_body = b"content-length" in names or b"transfer-encoding" in names
    return Body(receive, is_coming=has_body and b"expect" not in names)
