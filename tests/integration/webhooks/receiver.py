"""A client's own server: it verifies what it gets with the library that the standard's authors publish."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Receiver:
    """Answers what `answers` says, one after the other, then 204. An answer of None never comes."""

    port: int = 0
    secret: str = ""
    answers: list[bytes | None] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=not-a-secret"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.received.append({"line": first, "headers": headers, "body": json.loads(body), "raw": body})
            answer = self.answers.pop(0) if self.answers else OK
            if answer is not None:
                writer.write(answer)
                await writer.drain()
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def verified(self, index: int = -1, secret: str | None = None) -> Any:
        """Raises when no signature is by this secret."""
        told = self.received[index]
        return Webhook(secret or self.secret).verify(told["raw"].decode(), told["headers"])


@asynccontextmanager
async def receiving(make: Callable[[], Receiver] = Receiver) -> AsyncIterator[Receiver]:
    receiver = make()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()
