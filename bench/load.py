"""A load generator: some connections that each ask for the next thing as soon as the last answer is there (HTTP/1.1, loopback).

Runs as a process of its own. It reads `{"port", "connections", "seconds", "warm_up", "requests": [raw request, …]}` as JSON
on its standard input and prints `{"rate", "p50", "p99", "answers"}`: answers a second, and milliseconds.
"""

import asyncio
import json
import sys
import time
from itertools import cycle
from typing import Any

import uvloop

END_OF_HEADERS = b"\r\n\r\n"
LENGTH = b"content-length:"


class Connection(asyncio.Protocol):
    """Sends the next request when an answer is complete; anything but 200 ends the measurement."""

    def __init__(self, requests: "cycle[bytes]", done: asyncio.Event, tally: list[float], start: float) -> None:
        self.requests, self.done, self.tally, self.start = requests, done, tally, start
        self.buffer = b""
        self.sent = 0.0
        self.refused: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer + data if self.buffer else data
        end = buffer.find(END_OF_HEADERS)
        if end < 0 or len(buffer) < end + 4 + content_length(buffer[:end]):
            self.buffer = buffer
            return
        self.buffer = b""
        if not buffer.startswith(b"HTTP/1.1 200"):
            self.refused = buffer
            self.done.set()
            return
        now = time.perf_counter()
        if now >= self.start:
            self.tally.append(now - self.sent)
        if not self.done.is_set():
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.is_set():
            self.refused = self.refused or b"connection closed by the server"
            self.done.set()

    def _ask(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(next(self.requests))  # type: ignore[attr-defined]


def content_length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.index(LENGTH) + len(LENGTH)
    end = lowered.find(b"\r\n", start)
    return int(lowered[start:] if end < 0 else lowered[start:end])


async def run(order: dict[str, Any]) -> dict[str, float]:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    requests = cycle([text.encode() for text in order["requests"]])
    tally: list[float] = []
    start = time.perf_counter() + order["warm_up"]
    connections = [
        (await loop.create_connection(lambda: Connection(requests, done, tally, start), "127.0.0.1", order["port"]))[1]
        for _ in range(order["connections"])
    ]
    try:
        async with asyncio.timeout(order["warm_up"] + order["seconds"]):
            await done.wait()
    except TimeoutError:
        done.set()
    took = time.perf_counter() - start
    refused = next((connection.refused for connection in connections if connection.refused), None)
    if refused:
        raise SystemExit(f"the server did not answer 200: {refused[:600].decode(errors='replace')}")
    for connection in connections:
        connection.transport.close()
    tally.sort()
    answers = len(tally)
    return {
        "rate": answers / took,
        "p50": tally[answers // 2] * 1000,
        "p99": tally[answers * 99 // 100] * 1000,
        "answers": answers,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(json.load(sys.stdin)))))
