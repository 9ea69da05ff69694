"""`madang keys`: which master keys are in use, and the rotation to a new one."""

from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import on_deployment
from madang.entrypoints.cli.screen import print_json, print_table

if TYPE_CHECKING:
    from madang.core.operations.key_rotation import KeyUse, RotationOutcome
    from madang.entrypoints.container import Container


@click.group()
def keys() -> None:
    """List master keys, and seal personal data anew under the current one."""


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(as_json: bool) -> None:
    """Each key by its id, which is safe to show, and how many values it seals. Exits 1 when a key in use is not set."""
    uses = on_deployment(lambda container: container.key_rotation.uses())
    if as_json:
        print_json([_as_json(use) for use in uses])
    else:
        lines = [(use.key_id, _standing(use), use.total, _by_table(use)) for use in uses]
        print_table("", ("key", "standing", "values", "where"), lines)
    if any(not use.known for use in uses):
        raise click.exceptions.Exit(1)


@keys.command("rotate")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate(as_json: bool) -> None:
    """Seal under the current key whatever older keys have sealed, while API and workers go on.

    May be ended anywhere and run again. Exits 1 while something is left under an older key.
    """
    outcome = on_deployment(_rotate_with_progress)
    if as_json:
        print_json(
            {
                "sealedAnew": outcome.sealed_anew,
                "left": outcome.left,
                "unreadable": outcome.unreadable,
                "olderKeysCanBeRemoved": outcome.complete,
            }
        )
    else:
        _say(outcome)
    if not outcome.complete:
        raise click.exceptions.Exit(1)


async def _rotate_with_progress(container: "Container") -> "RotationOutcome":
    from rich.console import Console
    from rich.progress import Progress

    from madang.core.kernel.caller import OPERATOR

    older = sum(use.total for use in await container.key_rotation.uses() if not use.current)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sealing anew", total=older)

        def progress(table: str, rows: int) -> None:
            bar.update(task, advance=rows, description=f"sealing anew: {table}")

        return await container.key_rotation.rotate(OPERATOR, progress)


def _say(outcome: "RotationOutcome") -> None:
    for table, rows in outcome.sealed_anew.items():
        click.echo(f"{table}: {rows} rows sealed anew")
    for table, rows in outcome.unreadable.items():
        click.echo(f"{table}: {rows} rows cannot be opened: is their key among older_secret_keys?", err=True)
    if outcome.complete:
        click.echo("Nothing is sealed under an older key. Remove older_secret_keys a day after the key was changed:")
        click.echo("until then tokens and links that were signed with an older key still count.")
    else:
        click.echo(f"{sum(outcome.left.values())} values are still under an older key: run it again.", err=True)


def _standing(use: "KeyUse") -> str:
    return "current" if use.current else "older" if use.known else "[red]not set[/red]"


def _by_table(use: "KeyUse") -> str:
    return ", ".join(f"{table} {values}" for table, values in sorted(use.values.items()))


def _as_json(use: "KeyUse") -> dict[str, object]:
    return {"id": use.key_id, "current": use.current, "known": use.known, "values": use.total, "byTable": use.values}
