"""`madang serve`, `madang worker`, `madang relay`: the processes of a deployment, each as many times as needed."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from madang.entrypoints.cli.deployment import connected_settings

if TYPE_CHECKING:
    from madang.entrypoints.container import Container
    from madang.entrypoints.settings import Settings


@click.command()
def serve() -> None:
    """Run one API process. SIGTERM lets requests end and then stops."""
    _run("api", _serve)


@click.command()
def worker() -> None:
    """Run one worker process. SIGTERM gives back what was not begun and finishes what was."""
    _run("worker", _work)


@click.command()
def relay() -> None:
    """Run one relay process: it tells the workers that there is work. Several may run."""
    _run("relay", _relay)


def _run(name: str, main: "Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]]") -> None:
    import uvloop

    from madang.entrypoints.logs import configure_logs

    settings = connected_settings()
    configure_logs(level=settings.log_level, log_format=settings.log_format, process=name)

    async def until_asked() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await main(settings, stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_asked())


async def _serve(settings: "Settings", stop: asyncio.Event) -> None:
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server.embed import Server

    from madang.entrypoints.container import open_container
    from madang.entrypoints.http.app import create_app
    from madang.entrypoints.logs import standard_logging_untouched

    async with open_container(settings) as container:
        server = Server(
            create_app(container),
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGI,
            backlog=1024,
            websockets=False,
            log_level=LogLevels.error,
            log_dictconfig=standard_logging_untouched(),
        )
        serving = asyncio.create_task(server.serve())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        server.stop()  # type: ignore[no-untyped-call]
        await serving


async def _work(settings: "Settings", stop: asyncio.Event) -> None:
    await _with_container(settings, stop, _worker_main)


async def _relay(settings: "Settings", stop: asyncio.Event) -> None:
    await _with_container(settings, stop, _relay_main)


async def _with_container(
    settings: "Settings", stop: asyncio.Event, main: "Callable[[Container, asyncio.Event], Awaitable[None]]"
) -> None:
    from madang.entrypoints.container import open_container

    async with open_container(settings) as container:
        await main(container, stop)


async def _worker_main(container: "Container", stop: asyncio.Event) -> None:
    from madang.entrypoints.worker import run_worker

    await run_worker(container, stop)


async def _relay_main(container: "Container", stop: asyncio.Event) -> None:
    from madang.entrypoints.worker import run_relay

    await run_relay(container, stop)
