"""`madang db`: migrations."""

import click

from madang.entrypoints.cli.deployment import load_settings, require_database


@click.group()
def db() -> None:
    """Migrate the database."""


@db.command()
def upgrade() -> None:
    """To the newest migration."""
    from madang.adapters.postgres import migrations

    url = require_database(load_settings())
    before = migrations.current(url)
    migrations.upgrade(url)
    after = migrations.current(url)
    click.echo(f"at {after} already" if before == after else f"from {before or 'nothing'} to {after}")


@db.command()
def current() -> None:
    """Print the migration that the database is at."""
    from madang.adapters.postgres import migrations

    click.echo(migrations.current(require_database(load_settings())) or "none")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask: tables and what is in them are dropped.")
def downgrade(revision: str, yes: bool) -> None:
    """Back to REVISION; "base" for an empty database. This drops data."""
    from madang.adapters.postgres import migrations

    if not yes:
        click.confirm(f"Going back to {revision} drops tables and what is in them. Go on?", abort=True)
    url = require_database(load_settings())
    migrations.downgrade(url, revision)
    click.echo(f"at {migrations.current(url) or 'nothing'}")
