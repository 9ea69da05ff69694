"""A stand-in for a provider on this machine: real HTTP on 127.0.0.1, and the provider's bad days on demand."""

import gzip
import json
import select
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

_LONGEST_SILENCE: Final = 60.0
_DRIBBLE_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 0.01
_PATIENCE: Final = 30.0


class Fault(StrEnum):
    """What goes wrong with a request. The first four leave nothing done."""

    UNAVAILABLE = "unavailable"
    """Answered 503, nothing was done."""
    RATE_LIMITED = "rate_limited"
    """Answered 429 with `retry-after`, nothing was done."""
    WRONG_KEY = "wrong_key"
    """The provider does not know our key."""
    HUNG_UP_BEFORE = "hung_up_before"
    """The connection ends before anything was done. A caller cannot tell this from `ANSWER_LOST`."""
    SERVER_ERROR = "server_error"
    """It is done, and the answer is 500."""
    ANSWER_LOST = "answer_lost"
    """It is done, and the connection ends without an answer."""
    SILENT = "silent"
    """It is done, and the answer never comes."""
    SLOW = "slow"
    """It is done, and the answer comes a byte at a time, for longer than anybody waits."""
    GARBAGE = "garbage"
    """It is done, and the answer says 200 and nothing that can be read."""
    CUT_OFF = "cut_off"
    """It is done, and the connection ends in the middle of the answer."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as it came; header names are lower case. `query` has the last value of each name, `target` is unparsed."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    target: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> Mapping[str, str]:
        """A body of `application/x-www-form-urlencoded`."""
        return {name: values[-1] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. An iterator of bytes is sent piece by piece until the client has had enough; any other body that is
    neither bytes nor text is sent as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Planned:
    fault: Fault
    only: Callable[[Arrived], bool] | None


class RemoteService(ThreadingHTTPServer):
    """One provider. A subclass says in `answer` what the provider does, and in `refusal` how it words its own bad days."""

    daemon_threads = True
    request_queue_size = 64
    """Many tasks connect at once: one that found the queue full would try again a second later."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrived: list[Arrived] = []
        self.next: deque[Reply | Fault] = deque()
        """Lined up for whatever is asked next: answers, for which nothing is done, and faults."""
        self.kept: dict[str, Any] = {}
        """For a provider that keeps little: what was done, by its key."""
        self.done = 0
        """How many requests were done although they met a fault."""
        self.ended = threading.Event()
        self.abandoned = 0
        """How many clients went away while they were kept waiting."""
        self.connections = 0
        """How many are open."""
        self.refused = 0
        """How many requests were answered with a status of 400 or above."""
        self._changed = threading.Condition()
        self._planned: list[_Planned] = []
        self._planning = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request: Arrived) -> Reply:
        """What the provider does and says; it must refuse what the provider refuses."""
        raise NotImplementedError

    def refusal(self, fault: Fault) -> Reply:
        """The provider's own answer for `UNAVAILABLE`, `RATE_LIMITED`, `WRONG_KEY` and `SERVER_ERROR`."""
        statuses = {Fault.UNAVAILABLE: 503, Fault.RATE_LIMITED: 429, Fault.WRONG_KEY: 401, Fault.SERVER_ERROR: 500}
        headers = {"retry-after": "7"} if fault is Fault.RATE_LIMITED else {}
        return Reply(statuses[fault], {"error": {"message": fault.value}}, headers)

    def acts(self, request: Arrived) -> bool:
        """Whether this request asks for an effect: by its method, unless the provider does it otherwise."""
        return request.method not in ("GET", "HEAD", "OPTIONS")

    def prepares(self, request: Arrived) -> bool:
        """Whether this request only prepares others, such as one for an access token: what is lined up is not meant for it."""
        return False

    def becomes(self, identity: str, state: str) -> None:
        """From now on, what has this id is in this state, in the provider's own word."""
        raise NotImplementedError(f"{type(self).__name__} has no becomes(identity, state)")

    @property
    def acting(self) -> list[Arrived]:
        """The requests that asked for an effect."""
        return [request for request in self.arrived if self.acts(request)]

    def plan(self, fault: Fault, times: int = 1, only: Callable[[Arrived], bool] | None = None) -> None:
        """The next `times` requests (of those that fit `only`) meet this fault."""
        with self._planning:
            self._planned += [_Planned(fault, only) for _ in range(times)]

    def clear(self) -> None:
        """No more faults."""
        with self._planning:
            self._planned.clear()

    def fault_for(self, request: Arrived) -> Fault | None:
        with self._planning:
            for planned in self._planned:
                if planned.only(request) if planned.only else not self.prepares(request):
                    self._planned.remove(planned)
                    return planned.fault
        return None

    def wait_until(self, happened: Callable[[], bool], seconds: float = _PATIENCE) -> bool:
        """Waits, in a thread of the caller's, until a request made it so; False when that takes longer."""
        with self._changed:
            return self._changed.wait_for(happened, seconds)

    def note(self, request: Arrived | None) -> None:
        """A request has arrived; None: a client has gone away."""
        with self._changed:
            if request is None:
                self.abandoned += 1
            else:
                self.arrived.append(request)
            self._changed.notify_all()

    def note_done(self) -> None:
        with self._changed:
            self.done += 1
            self._changed.notify_all()

    def note_refusal(self) -> None:
        with self._changed:
            self.refused += 1

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connected(1)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._connected(-1)

    def _connected(self, more: int) -> None:
        with self._changed:
            self.connections += more
            self._changed.notify_all()

    def handle_error(self, *_: Any) -> None:
        """A client that went away is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    server: RemoteService
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self) -> None:
        request = self._read()
        self.server.note(request)
        meant = self.server.next and not self.server.prepares(request)
        lined_up = self.server.next.popleft() if meant else self.server.fault_for(request)
        if isinstance(lined_up, Fault):
            self._fail(request, lined_up)
        else:
            self._send(lined_up or self.server.answer(request))

    def _read(self) -> Arrived:
        split = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._chunks() if headers.get("transfer-encoding") == "chunked" else self._sized(headers)
        query = {name: values[-1] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        return Arrived(self.command, split.path, query, headers, body, self.path)

    def _sized(self, headers: Mapping[str, str]) -> bytes:
        return self.rfile.read(int(headers.get("content-length", "0")))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _fail(self, request: Arrived, fault: Fault) -> None:
        if fault in (Fault.UNAVAILABLE, Fault.RATE_LIMITED, Fault.WRONG_KEY):
            self._send(self.server.refusal(fault))
            return
        if fault is Fault.HUNG_UP_BEFORE:
            self.close_connection = True
            return
        done = self.server.answer(request)
        self.server.note_done()
        if fault is Fault.SERVER_ERROR:
            self._send(self.server.refusal(fault))
        elif fault is Fault.GARBAGE:
            self._send(Reply(200, "<html>\ufffd half a page"))
        elif fault is Fault.SLOW:
            self._dribble(done)
        elif fault is Fault.CUT_OFF:
            self._break_off(done)
        else:
            self.close_connection = True
            if fault is Fault.SILENT:
                self._be_silent()

    def _be_silent(self) -> None:
        """Until the end, or until the client has gone away."""
        for _ in range(int(_LONGEST_SILENCE / _LOOK_SECONDS)):
            if self.server.ended.wait(_LOOK_SECONDS):
                return
            if select.select([self.connection], [], [], 0)[0]:
                self.server.note(None)
                return

    def _break_off(self, reply: Reply) -> None:
        """All headers, half of the body."""
        body, kind = _encoded(reply.body)
        self.close_connection = True
        self._send_head(reply, kind, str(len(body) + 1))
        self.wfile.write(body[: len(body) // 2])

    def _dribble(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("content-length", "1000000")
        self.end_headers()
        self.close_connection = True
        while not self.server.ended.wait(_DRIBBLE_SECONDS):
            self.wfile.write(b" ")

    def _send(self, reply: Reply) -> None:
        if reply.status >= 400:
            self.server.note_refusal()
        if isinstance(reply.body, Iterator):
            self._pour(reply, reply.body)
            return
        body, kind = _encoded(reply.body)
        if body and self._takes_gzip(reply):
            body = gzip.compress(body, 1)
            reply = replace(reply, headers={**reply.headers, "content-encoding": "gzip"})
        self._send_head(reply, kind, str(len(body)))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _takes_gzip(self, reply: Reply) -> bool:
        """Providers compress for whoever lets them: a client that reads the bytes as they come must say that it does."""
        packed = any(name.lower() in ("content-encoding", "content-range") for name in reply.headers)
        return not packed and "gzip" in self.headers.get("accept-encoding", "")

    def _pour(self, reply: Reply, pieces: Iterator[bytes]) -> None:
        self.close_connection = True
        self._send_head(reply, "application/octet-stream", None)
        for piece in pieces:
            self.wfile.write(piece)

    def _send_head(self, reply: Reply, kind: str, length: str | None) -> None:
        self.send_response(reply.status)
        own = {"content-type": kind} if length is None else {"content-type": kind, "content-length": length}
        for name, value in {**own, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def __getattr__(self, name: str) -> Any:
        """Every method of HTTP (`do_GET`, `do_POST` …) is served alike."""
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _encoded(body: Any) -> tuple[bytes, str]:
    if isinstance(body, str):
        return body.encode(), "text/plain"
    return (body, "text/plain") if isinstance(body, bytes) else (json.dumps(body).encode(), "application/json")


class Elsewhere(RemoteService):
    """A place that is not the provider's."""

    def answer(self, request: Arrived) -> Reply:
        return Reply(200, {})


S = TypeVar("S", bound=RemoteService)


@contextmanager
def serving(service: S) -> Iterator[S]:
    """The service answers while the block runs."""
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.ended.set()
        service.shutdown()
        thread.join()
        service.server_close()


def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return int(server.server_port)
