"""`madang doctor`: what is configured, reachable, missing or broken, and what to do about it."""

import asyncio
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import load_settings
from madang.entrypoints.cli.diagnosis import Finding, Health
from madang.entrypoints.cli.screen import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKS = {Health.GREEN: "[green]●[/green]", Health.YELLOW: "[yellow]●[/yellow]", Health.RED: "[red]●[/red]"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Look at everything that a deployment needs. Exits 1 when something is red."""
    from madang.entrypoints.cli.examination import examine
    from madang.entrypoints.logs import configure_logs

    settings = load_settings()
    configure_logs(level="critical", log_format=settings.log_format, process="doctor")
    findings = asyncio.run(examine(settings))
    healthy = all(finding.health is not Health.RED for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [finding.as_json() for finding in findings]})
    else:
        _print(findings)
    if not healthy:
        raise click.exceptions.Exit(1)


def _print(findings: "Sequence[Finding]") -> None:
    print_table("", ("", "what", "how it is"), [(_MARKS[finding.health], finding.what, finding.detail) for finding in findings])
    advice = [
        f"{finding.what}: {finding.advice}" for finding in findings if finding.advice and finding.health is not Health.GREEN
    ]
    if advice:
        click.echo("\nWhat to do:")
    for line in advice:
        click.echo(f"  {line}")
