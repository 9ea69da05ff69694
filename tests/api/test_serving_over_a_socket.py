"""The application under its real server: it drains on stop, and does not share a port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.api_in_memory import InMemoryContainer, MountedPlugin, Settings
from madang.entrypoints.http.serve import run_http
from madang.ports.errors import Misconfigured


@dataclass
class SocketSettings(Settings):
    host: str = "127.0.0.1"
    port: int = 0


class SocketContainer(InMemoryContainer):
    settings: SocketSettings

    def __init__(self) -> None:
        super().__init__()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.settings = SocketSettings(port=probe.getsockname()[1])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"


@asynccontextmanager
async def serving(container: SocketContainer) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_http(container, stop))
    async with httpx.AsyncClient(timeout=60) as client:
        while not task.done():
            try:
                await client.get(f"{container.address}/health/live")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.02)
    yield stop
    stop.set()
    async with asyncio.timeout(60):
        await task


async def test_a_running_request_is_answered_before_the_server_ends() -> None:
    container = SocketContainer()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await go_on.wait()

    container.portraits.interrupt = wait
    async with serving(container) as stop, httpx.AsyncClient(timeout=60) as client:
        order = asyncio.create_task(client.post(f"{container.address}/api/v1/portraits", json={}))
        await begun.wait()
        stop.set()
        await asyncio.sleep(0.1)
        go_on.set()
        assert (await order).status_code == 201


async def test_a_port_that_is_taken_is_refused_and_not_shared() -> None:
    container = SocketContainer()
    async with serving(container):
        with pytest.raises(Misconfigured, match="in use by another process"):
            await run_http(container, asyncio.Event())


async def test_a_large_upload_over_a_socket_gets_its_clear_error() -> None:
    container = SocketContainer()
    async with serving(container), httpx.AsyncClient(timeout=60) as client:
        data = (await client.post(f"{container.address}/api/v1/portraits", json={})).json()["data"]
        answer = await client.put(
            f"{container.address}/api/v1/portraits/{data['id']}/photo",
            headers={"Authorization": f"Bearer {data['token']}"},
            files={"photo": b"\xff" * (12 * 1024 * 1024)},
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PHOTO_TOO_LARGE")


async def spoken(container: SocketContainer, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", container.settings.port)
    writer.write(raw)
    try:
        async with asyncio.timeout(60):
            return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("path", ["/api/v1/portraits", "/api/v1/webhooks/sandbox", "/result/{id}/survey", "/mounted/form"])
async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr("madang.entrypoints.http.lingering.PATIENCE", 0.1)
    container = SocketContainer()
    container.registry.mounted.append(MountedPlugin("/mounted", reads_everything))
    kind = b"x-www-form-urlencoded" if path.startswith("/result") else b"json"
    head = b"Host: x\r\nContent-Type: application/" + kind + b"\r\nContent-Length: 1000\r\n"
    asked = f"POST {path.format(id=UUID(int=7))} HTTP/1.1\r\n".encode()
    async with serving(container):
        assert (await spoken(container, asked + head + b"\r\n{")).startswith(b"HTTP/1.1 408 ")
        monkeypatch.setattr("madang.entrypoints.http.lingering.PATIENCE", 60.0)
        assert await spoken(container, asked + head + b"Expect: 100-continue\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n"


@pytest.mark.parametrize("said", [b"", b"GET /hea", b"GET /health/live HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_that_does_not_say_what_it_wants_is_closed(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr("madang.entrypoints.http.serve.HEAD_PATIENCE", 0.1)
    container = SocketContainer()
    async with serving(container):
        assert await spoken(container, said) == b""


async def reads_everything(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        while (await receive())["more_body"]:
            pass


async def test_what_is_no_http_ends_in_a_4xx_or_a_closed_connection() -> None:
    container = SocketContainer()
    async with serving(container):
        many = b"".join(b"X-Header-%d: x\r\n" % number for number in range(500))
        for raw in (
            b"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 1_000_000 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n",
            b"not http at all\r\n\r\n",
            b"POST /api/v1/portraits HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
            b"GET /health/live HTTP/1.1\r\nHost: <script>\r\n\r\n",
        ):
            status = await spoken(container, raw)
            assert status == b"" or status.startswith(b"HTTP/1.1 4"), raw[:60]
