"""A refusal that comes while the client is still sending: without reading on, the connection is reset and nobody sees why."""

import asyncio
from typing import Any, Final

from litestar.types import HTTPScope, Receive

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_SECONDS: Final = 10.0
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Body:
    """The request's messages, and whether the last one has come."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_over = False

    async def receive(self) -> Any:
        message = await self._receive()
        self._is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Read on and keep nothing, for some megabytes and some seconds at most."""
        left = MAX_BYTES
        try:
            async with asyncio.timeout(MAX_SECONDS):
                while not self._is_over and left > 0:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


def awaited_body(scope: HTTPScope, receive: Receive) -> Body | None:
    """None for a request without a body, and for a client that waits for our word before it sends one."""
    if scope["method"] in _WITHOUT_BODY:
        return None
    names = {name for name, _ in scope["headers"]}
    has_body = b"content-length" in names or b"transfer-encoding" in names
    return Body(receive) if has_body and b"expect" not in names else None
