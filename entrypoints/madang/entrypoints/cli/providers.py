"""`madang providers`: what they can do, whether those of the routes work, and what they cost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import load_registry, load_settings
from madang.entrypoints.cli.screen import print_json, print_table

if TYPE_CHECKING:
    from madang.plugins.registry import PluginRegistry


@click.group()
def providers() -> None:
    """Check the providers of the routes, and print what each can do."""


@dataclass(frozen=True, slots=True)
class _Result:
    """`position` in the route, from 1."""

    kind: str
    position: int
    name: str
    problem: str

    def as_json(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "position": self.position,
            "name": self.name,
            "ok": not self.problem,
            "problem": self.problem or None,
        }


@providers.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(as_json: bool) -> None:
    """Ask every provider of the routes whether its keys and address work; exits with 1 when one does not."""
    results = asyncio.run(_check_routes())
    if as_json:
        print_json([result.as_json() for result in results])
    else:
        rows = [(result.kind, result.position, result.name, result.problem or "[green]works[/green]") for result in results]
        print_table("", ("kind", "", "provider", "answer"), rows)
    if any(result.problem for result in results):
        raise click.exceptions.Exit(1)


@providers.command("matrix")
def matrix() -> None:
    """Print which of Madang's own providers can do what, as Markdown."""
    from madang.plugins.matrix import document, first_party

    click.echo(document(first_party()), nl=False)


async def _check_routes() -> Sequence[_Result]:
    """All at once: a provider that hangs holds up nobody else's answer."""
    registry = load_registry()
    places = [
        (kind, place, name) for kind, names in load_settings().routes.items() for place, name in enumerate(names, start=1)
    ]
    try:
        return await asyncio.gather(*(_checked(registry, *each) for each in places))
    finally:
        await registry.close()


async def _checked(registry: "PluginRegistry", kind: str, place: int, name: str) -> _Result:
    from madang.entrypoints.provider_checks import problem_of
    from madang.ports.provider import ProviderKind

    return _Result(kind, place, name, await problem_of(lambda: registry.build(ProviderKind(kind), name)))
