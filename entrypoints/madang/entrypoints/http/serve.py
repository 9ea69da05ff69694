"""One API process: the application under granian, in this event loop, until it is asked to stop.

granian's embedded server runs inside a loop that is ours: no fork, so the container's connections are opened once and closed
after the last answer. On stop it takes no new connection and lets the requests that run come to their end.
"""

import asyncio
import errno
import socket
from contextlib import suppress
from typing import Final, Protocol

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from madang.entrypoints.http.app import create_app, end_streams, see_the_end_of_streams
from madang.entrypoints.http.composition import HttpContainer, HttpSettings
from madang.entrypoints.logs import standard_logging_untouched
from madang.ports.errors import Misconfigured

logger = structlog.stdlib.get_logger("madang.http")

DRAIN: Final = 30.0
"""Seconds that running requests get after the word to stop."""
HEAD_PATIENCE = 30.0
"""Seconds that a connection may take to say what it wants, also the next time: there are only so many of them. granian keeps
to it where it need not guess between HTTP/1 and HTTP/2 first; a proxy in front of us speaks the latter with browsers."""
_BACKLOG: Final = 1024


class ServedSettings(HttpSettings, Protocol):
    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class ServedContainer(HttpContainer, Protocol):
    @property
    def settings(self) -> ServedSettings: ...


async def run_http(container: ServedContainer, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then drain. Raises `Misconfigured` when the address is taken."""
    settings = container.settings
    _require_free(settings.host, settings.port)
    app = create_app(container)
    server = Server(
        app,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=int(HEAD_PATIENCE * 1000)),
        backlog=_BACKLOG,
        websockets=False,
        log_level=LogLevels.error,
        log_dictconfig=standard_logging_untouched(),
    )
    serving = asyncio.create_task(server.serve(), name="http")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    end_streams(app)
    server.stop()  # type: ignore[no-untyped-call]
    await _drained(serving)
    await see_the_end_of_streams(app)


async def _drained(serving: "asyncio.Task[None]") -> None:
    done, _ = await asyncio.wait({serving}, timeout=DRAIN)
    if not done:
        logger.warning("requests were still running and are cut off", after_seconds=DRAIN)
        serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


def _require_free(host: str, port: int) -> None:
    """granian shares a port that another process listens on, and the kernel would deal requests to both: say so instead."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE
            unusable = f"cannot be listened on ({error}): look at host and port"
            why = "is in use by another process: set another port" if is_taken else unusable
            raise Misconfigured(f"{host}:{port} {why}", operation="serve") from None
