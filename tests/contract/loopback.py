"""A provider on this machine: real HTTP on 127.0.0.1, with what providers do on their bad days."""

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Arrived:
    """A request as it came; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What is answered. A body that is no bytes or text is sent as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)


ACT_AND_HANG_UP = Reply(0)
"""It is done, and the connection ends without an answer."""
ACT_AND_BE_SILENT = Reply(-1)
"""It is done, and the answer never comes."""


class Loopback(ThreadingHTTPServer):
    """Answers by `answer`, unless replies are lined up in `next`: those come first, whatever was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrived: list[Arrived] = []
        self.next: deque[Reply] = deque()
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request: Arrived) -> Reply:
        raise NotImplementedError

    def handle_error(self, *_: Any) -> None:
        """A client that went away is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    server: Loopback
    protocol_version = "HTTP/1.1"

    def serve(self) -> None:
        split = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        request = Arrived(self.command, split.path, query, headers, body)
        self.server.arrived.append(request)
        reply = self.server.next.popleft() if self.server.next else self.server.answer(request)
        if reply.status <= 0:
            self.server.answer(request)
            self.close_connection = True
            if reply.status < 0:
                self.server.ended.wait(30)
            return
        self.send(reply)

    def send(self, reply: Reply) -> None:
        body = reply.body
        kind = "text/plain"
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body, kind = json.dumps(body).encode(), "application/json"
        self.send_response(reply.status)
        for name, value in {"content-type": kind, "content-length": str(len(body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name: str) -> Any:
        """Every method of HTTP (`do_GET`, `do_POST` …) is served alike."""
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


S = TypeVar("S", bound=Loopback)


@contextmanager
def serving(server: S) -> Iterator[S]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return int(server.server_port)
