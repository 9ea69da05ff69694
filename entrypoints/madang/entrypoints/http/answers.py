"""Answers as small ASGI applications, with the bytes made once and sent as they are."""

from collections.abc import AsyncIterator
from typing import Any, Final

from litestar.types import Receive, Scope, Send

from madang.entrypoints.http.exchange import RawHeaders

JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"


class Answer:
    """A whole answer: `body` is sent as it is."""

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(self, status: int, body: bytes, media_type: str = JSON, headers: RawHeaders | None = None) -> None:
        self.status = status
        self.body = body
        self.media_type = media_type
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: RawHeaders = [
            (b"content-type", self.media_type.encode("latin-1")),
            (b"content-length", b"%d" % len(self.body)),
        ]
        if self.headers:
            headers += self.headers
        start: Any = {"type": "http.response.start", "status": self.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class StreamedAnswer:
    """An answer whose body comes piece by piece. A failure in the middle cuts the connection: nobody takes it for whole."""

    __slots__ = ("chunks", "headers", "media_type", "status")

    def __init__(self, chunks: AsyncIterator[bytes], media_type: str, headers: RawHeaders) -> None:
        self.status = 200
        self.chunks = chunks
        self.media_type = media_type
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = await anext(self.chunks, b"")
        headers = [(b"content-type", self.media_type.encode("latin-1")), *self.headers]
        start: Any = {"type": "http.response.start", "status": self.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": first, "more_body": True})
        async for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def redirect(location: str, *headers: tuple[bytes, bytes]) -> Answer:
    """`303 See Other`: the browser goes on with GET."""
    return Answer(303, b"", HTML, [(b"location", location.encode("latin-1")), *headers])
