"""What the contract tests share: a deployment of our own, and a small portrait to work on."""

import io
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from inspect import currentframe
from pathlib import Path
from stat import S_ISDIR
from traceback import walk_stack
from typing import Any, TypeAlias

import httpx
import pytest
from PIL import Image, ImageDraw, ImageFilter

from madang.adapters.sandbox.pages import create_app
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.context import ProviderContext
from madang.ports.errors import PortError
from madang.ports.secret import Secret
from signatures_once import parse_signatures_once

parse_signatures_once()

BASE_URL = "http://127.0.0.1:8000"
OnDisk: TypeAlias = Callable[[Path], int | frozenset[str] | None]
FullDisk: TypeAlias = Callable[[], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def every_error_of_an_adapter_says_whose_it_is() -> Iterator[None]:
    """Watches whatever a test provokes: by the provider and the call an operator finds what went wrong."""
    nameless: list[str] = []
    make = PortError.__init__

    def watched(self: PortError, *given: Any, **named: Any) -> None:
        make(self, *given, **named)
        stack = walk_stack(currentframe())
        maker = next(frame for frame, _ in stack if frame.f_code.co_name not in ("watched", "__init__"))
        if maker.f_globals.get("__name__", "").startswith("madang.adapters.") and not (self.provider and self.operation):
            nameless.append(f"{maker.f_code.co_qualname}: {self!r}")

    PortError.__init__ = watched  # type: ignore[method-assign]
    yield
    PortError.__init__ = make  # type: ignore[method-assign]
    assert not nameless


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address whose queue is full: the system answers no attempt to connect, neither with yes nor with no."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def context(tmp_path: Path) -> ProviderContext:
    return ProviderContext(BASE_URL, tmp_path, Secret("test-key-not-secret"), "test")


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> OnDisk:
    """What would be left of a file or a folder after a loss of power: its length, or the names in it, as they were when it was
    last written through; None when it never was."""
    safe: dict[int, int | frozenset[str]] = {}
    write_through = os.fsync

    def watched(descriptor: int) -> None:
        write_through(descriptor)
        found = os.stat(descriptor)
        safe[found.st_ino] = frozenset(os.listdir(descriptor)) if S_ISDIR(found.st_mode) else found.st_size

    monkeypatch.setattr(os, "fsync", watched)
    return lambda path: safe.get(path.stat().st_ino)


@pytest.fixture
def full_disk() -> FullDisk:
    """Within its block no file grows beyond 64 KiB: whatever is longer is broken off, as on a disk that is full."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextmanager
    def full() -> Iterator[None]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, usual[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)

    return full


@pytest.fixture
async def sandbox(context: ProviderContext) -> AsyncIterator[Callable[..., Any]]:
    """Builds a sandbox provider: `sandbox(SandboxSmsSender, faults="sms.send:unavailable")`; all of them share one world."""
    built: list[Any] = []

    def build(provider: Callable[[SandboxSettings, ProviderContext], Any], **settings: Any) -> Any:
        built.append(provider(SandboxSettings(**settings), context))
        return built[-1]

    yield build
    for provider in built:
        await provider.close()


@pytest.fixture
async def visit(context: ProviderContext) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Opens a browser on the sandbox's pages: `visit()`, or with settings of its own; the pages are shut down afterwards."""
    opened: list[tuple[Any, httpx.AsyncClient]] = []

    def open_pages(settings: SandboxSettings | None = None) -> httpx.AsyncClient:
        app = create_app(settings or SandboxSettings(), context)
        opened.append((app, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=context.base_url)))
        return opened[-1][1]

    yield open_pages
    for app, client in opened:
        await client.aclose()
        await app({"type": "lifespan"}, _shutdown, _ignore)


async def _shutdown() -> dict[str, str]:
    return {"type": "lifespan.shutdown"}


async def _ignore(_: Any) -> None:
    """Nobody listens any more."""


@pytest.fixture(scope="session")
def portrait() -> bytes:
    """A JPEG of 384 × 512 with what a portrait has: a head of skin colour, hair, shoulders and a backdrop."""
    photo = Image.new("RGB", (384, 512), (150, 160, 175))
    draw = ImageDraw.Draw(photo)
    draw.ellipse([60, 330, 324, 700], fill=(60, 80, 140))
    draw.ellipse([120, 60, 264, 250], fill=(70, 45, 30))
    draw.ellipse([135, 95, 249, 270], fill=(222, 178, 150))
    for x in (165, 209):
        draw.ellipse([x, 160, x + 14, 170], fill=(40, 30, 30))
    out = io.BytesIO()
    photo.filter(ImageFilter.GaussianBlur(1.5)).save(out, "JPEG", quality=92)
    return out.getvalue()
