"""`madang up`: one command from an empty folder to a running deployment."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from madang.entrypoints.settings import Settings

_COLOURS = {"serve": "cyan", "relay": "magenta", "worker": "green", "prepare": "yellow"}
_STEPS = 5


@click.command()
@click.option("--quiet", is_flag=True, help="Show only warnings of the supervisor, not the lines of its children.")
def up(quiet: bool) -> None:
    """Start what is missing of PostgreSQL and Valkey, migrate, run API, relay and worker, and watch over all of them.

    Ctrl-C or SIGTERM stops everything in order; a second one does not wait for work to be drained.
    """
    from rich.console import Console

    from madang.entrypoints.logs import configure_logs
    from madang.entrypoints.supervisor.first_run import is_unconfigured, write_sandbox_configuration

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if is_unconfigured(Path.cwd(), os.environ):
        path = write_sandbox_configuration(Path.cwd())
        console.print(
            f"No configuration here: wrote [bold]{path.name}[/bold], which names the [bold]sandbox[/bold] for everything."
        )
        console.print("No money moves and no SMS is sent. Edit it before anybody else uses this deployment.")
    settings = load_settings()
    look = _Look(console, quiet=quiet, as_text=_as_text(settings, console))
    configure_logs(level=settings.log_level, log_format="console" if look.as_text else "json", process="supervisor")
    asyncio.run(_run(settings, look))


def _as_text(settings: "Settings", console: "Console") -> bool:
    return settings.log_format == "console" or (settings.log_format == "auto" and console.is_terminal)


async def _run(settings: "Settings", look: "_Look") -> None:
    from madang.entrypoints.supervisor.supervisor import Deployment, Supervisor

    base_url = reachable_at(settings)
    deployment = Deployment(
        data_dir=settings.data_dir,
        host=settings.host,
        port=settings.port,
        base_url=base_url,
        database_url=str(settings.database_url) if settings.database_url else None,
        redis_url=str(settings.redis_url) if settings.redis_url else None,
        environment={
            **os.environ,
            "MADANG_BASE_URL": base_url,
            "MADANG_LOG_FORMAT": "console" if look.as_text else "json",
        },
    )
    look.base_url = base_url
    with look:
        await Supervisor(deployment, tell=look.tell, output=look.line, ready=look.ready).run()
    look.console.print("Stopped.")


def reachable_at(settings: "Settings") -> str:
    """The configured address, or where this very process listens: providers' webhooks must come back here."""
    if "base_url" in settings.model_fields_set:
        return settings.base_url
    from madang.entrypoints.supervisor.addresses import connectable

    host = connectable(settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


class _Look:
    """What the person at the terminal sees: progress until everything is ready, then the children's lines with their names."""

    def __init__(self, console: "Console", *, quiet: bool, as_text: bool) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.console = console
        self.as_text = as_text
        self.base_url = ""
        self._quiet = quiet
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("starting", total=_STEPS)

    def __enter__(self) -> "_Look":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, what: str) -> None:
        self._progress.update(self._task, description=what, advance=1)
        if not self.console.is_terminal:
            self.console.print(f"{what} …")

    def ready(self, processes: Mapping[str, int | None]) -> None:
        self._progress.stop()
        self.console.print(f"[bold green]Ready[/bold green] at [bold]{self.base_url}[/bold]")
        self.console.print(f"  API documentation  {self.base_url}/docs")
        self.console.print(f"  Sandbox            {self.base_url}/sandbox")
        self.console.print("  Processes          " + ", ".join(f"{name} {pid}" for name, pid in processes.items()))
        self.console.print("Ctrl-C stops everything.")

    def line(self, name: str, line: str) -> None:
        """JSON lines go to standard output as they are, for a log collector; console lines get the child's name."""
        if self._quiet:
            return
        if not self.as_text:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            return
        from rich.text import Text

        self.console.print(Text.assemble((f"{name:>7} │ ", _COLOURS.get(name, "white")), Text.from_ansi(line)))
