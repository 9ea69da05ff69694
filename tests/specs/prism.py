"""Prism, a mock server that judges requests by an OpenAPI description, and a recorder in front of it.

A mock answers at random by the description's schemas, so an adapter may well refuse the answer: what counts is what Prism said
about the request. It says so in the header `sl-violations`, also beside a good answer, or it answers a problem of its own.
"""

import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from madang.plugins.conformance.remote import Arrived, RemoteService, Reply

START_SECONDS: Final = 240.0
ANSWER_SECONDS: Final = 60.0
READY: Final = "Prism is listening"
HOP_BY_HOP: Final = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})
WATCHED: Final = 'exec 3<&0; "$@" 3<&- & prism=$!; (cat <&3; kill $prism) & wait $prism'
"""Prism, which ends when the standard input does: when it is closed here, or when this process is gone, however it ended."""
PROBLEMS: Final = "https://stoplight.io/prism/errors#"


class Recorder(RemoteService):
    """Hands every request to Prism without the `prefix` that the description's server has, and keeps what Prism found wrong."""

    def __init__(self, port: int, prefix: str = "") -> None:
        super().__init__()
        self.violations: list[str] = []
        self.prefix = prefix
        self._port = port

    @property
    def base_url(self) -> str:
        return self.url + self.prefix

    def answer(self, request: Arrived) -> Reply:
        target = request.target.removeprefix(self.prefix)
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request(request.method, target, request.body or None, headers)
            answered = connection.getresponse()
            body = answered.read()
        finally:
            connection.close()
        told = {name.lower(): value for name, value in answered.getheaders() if name.lower() not in HOP_BY_HOP}
        found = [*_violations(told), *_problems(body)]
        self.violations += [f"{request.method} {request.path}: {each}" for each in found]
        return Reply(answered.status, body, told)

    def take(self) -> tuple[list[Arrived], list[str]]:
        """The requests and the violations since the last time."""
        taken = self.arrived[:], self.violations[:]
        self.arrived.clear()
        self.violations.clear()
        return taken


@contextmanager
def mocking(prism: str, description: Path) -> Iterator[int]:
    """Prism on a port of this machine while the block runs, and never longer than this process."""
    port = _free_port()
    command = [prism, "mock", "-h", "127.0.0.1", "-p", str(port), str(description)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["sh", "-c", WATCHED, "sh", *command], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
        )
        assert process.stdin is not None
        try:
            _await(process, log)
            yield port
        finally:
            process.stdin.close()
            process.wait()


def _await(process: subprocess.Popen[bytes], log: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while READY not in (said := os.pread(log.fileno(), 1_000_000, 0).decode(errors="replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Prism did not start:\n{said[-2000:]}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _violations(headers: dict[str, str]) -> Iterator[str]:
    for each in json.loads(headers.get("sl-violations", "[]")):
        if each["location"][0] == "request" and each["severity"] == "Error":
            yield f"{'.'.join(map(str, each['location']))}: {each['message']}"


def _problems(body: bytes) -> Iterator[str]:
    """What Prism answers itself: no such path or method, no key, or a request so wrong that no described answer fits."""
    try:
        document = json.loads(body)
    except ValueError:
        return
    if not isinstance(document, dict) or not str(document.get("type", "")).startswith(PROBLEMS):
        return
    yield f"{document['type'].removeprefix(PROBLEMS)}: {document.get('detail')}"
    for each in document.get("validation", []):
        yield f"{'.'.join(map(str, each.get('location', [])))}: {each.get('message')}"
