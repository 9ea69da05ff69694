"""`madang db`: migrations."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import load_settings, require_database

if TYPE_CHECKING:
    from madang.adapters.postgres.migrations import MigrationStep

_PATIENCE = 3.0
"""Seconds to wait for a server that is just starting; `upgrade`, which deployments run first of all, waits longer."""


@click.group()
def db() -> None:
    """Migrate the database."""


@db.command()
def upgrade() -> None:
    """To the newest migration."""
    from madang.adapters.postgres import migrations

    url = require_database(load_settings())
    applied = with_progress("upgrading", lambda progress: migrations.upgrade(url, progress=progress))
    _say(applied, url)


@db.command()
def current() -> None:
    """Print the migration that the database is at."""
    from madang.adapters.postgres import migrations

    click.echo(migrations.current(require_database(load_settings()), patience=_PATIENCE) or "none")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask: tables and what is in them are dropped.")
def downgrade(revision: str, yes: bool) -> None:
    """Back to REVISION; "base" for an empty database. This drops data."""
    from madang.adapters.postgres import migrations

    if not yes:
        click.confirm(f"Going back to {revision} drops tables and what is in them. Go on?", abort=True)
    url = require_database(load_settings())
    applied = with_progress(
        "downgrading", lambda progress: migrations.downgrade(url, revision, progress=progress, patience=_PATIENCE)
    )
    _say(applied, url)


def with_progress(
    what: str, migrate: "Callable[[Callable[[MigrationStep], None]], Sequence[MigrationStep]]"
) -> "Sequence[MigrationStep]":
    """Migrate under a progress bar that names each step."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def progress(step: "MigrationStep") -> None:
            bar.update(task, total=step.total, completed=step.number, description=f"{what}: {step.summary}")

        return migrate(progress)


def _say(applied: "Sequence[MigrationStep]", url: str) -> None:
    from madang.adapters.postgres import migrations

    for step in applied:
        click.echo(f"{step.revision}  {step.summary}")
    click.echo(f"at {migrations.current(url) or 'nothing'}" + ("" if applied else " already"))
