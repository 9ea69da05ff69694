"""`madang providers`: what they can do, whether those of the routes work, and what they cost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import CliError, load_registry, load_settings, on_deployment
from madang.entrypoints.cli.screen import print_json, print_table

if TYPE_CHECKING:
    from madang.core.operations.metering import Grouping, Spending
    from madang.entrypoints.container import Container
    from madang.plugins.registry import PluginRegistry


@click.group()
def providers() -> None:
    """Check the providers of the routes, sum up what they cost, and print what each can do."""


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


@providers.command("costs")
@click.option(
    "--days", default=30, show_default=True, type=click.IntRange(1, 3660), help="How many days (UTC), today's included."
)
@click.option("--by", "by", default="kind,provider,model", show_default=True, help="Of day, kind, provider, model, product.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def costs(days: int, by: str, as_json: bool) -> None:
    """Sum up what paid calls of providers cost. Unpriced calls are in no sum: set their price under [[prices]]."""
    from madang.core.operations.metering import Grouping

    try:
        groupings = [Grouping(word.strip()) for word in by.split(",") if word.strip()]
    except ValueError:
        raise CliError(f"--by {by}: name some of {', '.join(Grouping)}, with commas between") from None
    found = on_deployment(lambda container: _spending(container, days, groupings))
    if as_json:
        print_json([_spending_as_json(each) for each in found])
        return
    columns = [*(grouping.value for grouping in groupings), "calls", "failed", "tokens in", "tokens out", "unpriced", "cost"]
    print_table("", columns, [_spending_as_row(each, groupings) for each in found])


async def _spending(container: "Container", days: int, by: "Sequence[Grouping]") -> "Sequence[Spending]":
    today = container.clock.now().date()
    return await container.metering_log.spending(today - timedelta(days=days - 1), today, by)


def _spending_as_json(spent: "Spending") -> dict[str, object]:
    return {
        **{grouping.value: str(value) if isinstance(value, date) else value for grouping, value in spent.group.items()},
        "calls": spent.calls,
        "failed": spent.failed,
        "inputTokens": spent.input_tokens,
        "outputTokens": spent.output_tokens,
        "unpricedCalls": spent.unpriced,
        "costs": [{"amount": cost.written, "currency": cost.currency} for cost in spent.costs],
    }


def _spending_as_row(spent: "Spending", by: "Sequence[Grouping]") -> Sequence[object]:
    groups = [spent.group[grouping] or "–" for grouping in by]
    cost = ", ".join(f"{cost.written} {cost.currency}" for cost in spent.costs) or "–"
    unpriced = f"[yellow]{spent.unpriced}[/yellow]" if spent.unpriced else 0
    return [*groups, spent.calls, spent.failed, spent.input_tokens, spent.output_tokens, unpriced, cost]


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
    from madang.entrypoints.providers.checks import problem_of
    from madang.ports.provider import ProviderKind

    return _Result(kind, place, name, await problem_of(lambda: registry.build(ProviderKind(kind), name)))
