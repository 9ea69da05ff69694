"""`madang providers`: what they can do, and whether those of the routes work."""

import click


@click.group()
def providers() -> None:
    """Check the providers of the routes, and print what each can do."""


@providers.command("matrix")
def matrix() -> None:
    """Print which of Madang's own providers can do what, as Markdown."""
    from madang.plugins.matrix import document, first_party

    click.echo(document(first_party()), nl=False)
