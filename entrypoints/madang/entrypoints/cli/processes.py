"""`madang serve`, `madang worker`, `madang relay`: the processes of a deployment, each as many times as needed."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

import click

from madang.entrypoints.cli.deployment import connected_settings

if TYPE_CHECKING:
    from madang.entrypoints.container import Container
    from madang.entrypoints.settings import Settings

Work: TypeAlias = "Callable[[Container, asyncio.Event], Awaitable[None]]"
"""Goes on until the event is set, then drains."""


@click.command()
def serve() -> None:
    """Run one API process. SIGTERM lets requests end and then stops."""
    _run("api", _serve, "madang.entrypoints.http.serve")


@click.command()
def worker() -> None:
    """Run one worker process. SIGTERM gives back what was not begun and finishes what was."""
    _run("worker", _work, "madang.entrypoints.worker")


@click.command()
def relay() -> None:
    """Run one relay process: it tells the workers that there is work. Several may run."""
    _run("relay", _relay, "madang.entrypoints.worker")


def _run(name: str, work: Work, *modules: str) -> None:
    import uvloop

    from madang.entrypoints.logs import configure_logs
    from madang.entrypoints.supervisor.gate import pass_gate

    settings = connected_settings()
    configure_logs(level=settings.log_level, log_format=settings.log_format, process=name)
    for module in ("madang.entrypoints.container", *modules):
        import_module(module)
    pass_gate()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_asked(settings, name, work))


async def _until_asked(settings: "Settings", name: str, work: Work) -> None:
    from madang.entrypoints.container import open_container
    from madang.entrypoints.measuring import measuring
    from madang.entrypoints.telemetry import reporting

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with reporting(settings, name):
        async with open_container(settings) as container, measuring(container, name):
            _tell_of_dead_ends(container)
            await work(container, stop)


def _tell_of_dead_ends(container: "Container") -> None:
    """What such a route is for fails later, one call at a time: it is told at the start, too."""
    import structlog

    from madang.entrypoints.providers.routing import dead_ends

    for kind, name, why in dead_ends(container.registry, container.settings.routes):
        structlog.stdlib.get_logger("madang.providers").warning(
            "a route names a provider that cannot be used", route=f"routes.{kind}", provider=name, reason=why
        )


async def _serve(container: "Container", stop: asyncio.Event) -> None:
    from madang.entrypoints.http.serve import run_http

    await run_http(container, stop)


async def _work(container: "Container", stop: asyncio.Event) -> None:
    from madang.entrypoints.worker import run_worker

    await container.schedule_recurring_work()
    await run_worker(container, stop)


async def _relay(container: "Container", stop: asyncio.Event) -> None:
    from madang.entrypoints.worker import run_relay

    await run_relay(container, stop)
