"""`madang prepare`: what `madang up` does to a database before anything runs on it."""

from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import connected_settings, on_deployment

if TYPE_CHECKING:
    from madang.entrypoints.container import Container


@click.command()
def prepare() -> None:
    """Migrate, and fill an empty knowledge base with the starting catalogue."""
    from madang.adapters.postgres import migrations

    migrations.upgrade(str(connected_settings().database_url))
    if seeded := on_deployment(_seed):
        click.echo(f"knowledge base: {seeded} care entries from the starting catalogue")


async def _seed(container: "Container") -> int:
    """Only an empty knowledge base is filled: what an operator removed must not come back."""
    from madang.core.kernel.paging import PageRequest
    from madang.core.portraits.catalogue import starting_catalogue

    if (await container.knowledge_base.page(PageRequest(page=1, limit=1), None)).total:
        return 0
    entries = starting_catalogue()
    async with container.units() as unit:
        for entry in entries:
            await unit.knowledge_base.add(entry)
    return len(entries)
