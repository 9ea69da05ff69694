"""`madang plugins`: what is there, whether it works, and a new one."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import CliError, load_registry
from madang.entrypoints.cli.screen import print_json, print_table

if TYPE_CHECKING:
    from madang.plugins.registry import PluginRegistry, PluginReport


@click.group()
def plugins() -> None:
    """List, check and begin plugins."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with capabilities.")
def list_plugins(as_json: bool) -> None:
    """Every provider: its kind, what it can do, whether it is configured and why not."""
    reports = load_registry().report()
    if as_json:
        print_json([_as_json(report) for report in reports])
        return
    rows = [
        (
            report.kind.value if report.kind else "–",
            report.name,
            _configured(report),
            report.summary,
            ", ".join(_abilities(report)),
        )
        for report in reports
    ]
    print_table("", ("kind", "name", "configured", "what it is", "capabilities"), rows)


@plugins.command("check")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_plugin(name: str, as_json: bool) -> None:
    """Build every provider of plugin NAME and ask each whether its keys and address work."""
    results = asyncio.run(_check(name))
    if as_json:
        print_json([{"kind": kind, "ok": not problem, "problem": problem or None} for kind, problem in results])
    else:
        for kind, problem in results:
            click.echo(f"{kind}: {problem or 'works'}")
    if any(problem for _, problem in results):
        raise click.exceptions.Exit(1)


@plugins.command("new")
@click.argument("name")
@click.option(
    "--in", "parent", type=click.Path(file_okay=False, path_type=Path), default=".", help="The folder to write it in."
)
def new_plugin(name: str, parent: Path) -> None:
    """Write a plugin project for an SMS provider NAME: it works, and its tests pass. Then make it yours."""
    from madang.plugins.template import write_project

    try:
        folder = write_project(name, parent)
    except (ValueError, FileExistsError) as error:
        raise CliError(str(error)) from None
    click.echo(f'{folder}: cd there, pip install -e ".[test]", and run pytest')


async def _check(name: str) -> Sequence[tuple[str, str]]:
    registry = load_registry()
    reports = [report for report in registry.report() if report.name == name]
    if not reports:
        raise CliError(f"there is no plugin {name}: `madang plugins list` shows which there are")
    try:
        return [(report.kind.value if report.kind else "plugin", await _problem_of(registry, report)) for report in reports]
    finally:
        await registry.close()


async def _problem_of(registry: "PluginRegistry", report: "PluginReport") -> str:
    kind = report.kind
    if kind is None or not report.configured:
        return report.why or "not configured"
    from madang.entrypoints.providers.checks import problem_of

    return await problem_of(lambda: registry.build(kind, report.name))


def _configured(report: "PluginReport") -> str:
    return "[green]yes[/green]" if report.configured else f"[yellow]no[/yellow]: {report.why}"


def _abilities(report: "PluginReport") -> Sequence[str]:
    """The capabilities that are switched on, by name."""
    if not is_dataclass(report.capabilities) or isinstance(report.capabilities, type):
        return ()
    return [name.replace("_", " ") for name, value in asdict(report.capabilities).items() if value is True]


def _as_json(report: "PluginReport") -> dict[str, object]:
    return {
        "name": report.name,
        "kind": report.kind,
        "state": report.state,
        "configured": report.configured,
        "why": report.why or None,
        "summary": report.summary,
        "plugin": report.plugin,
        "origin": report.origin,
        "capabilities": report.capabilities,
    }
