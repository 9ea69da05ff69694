"""`madang openapi`: the document of the HTTP API, without a database or a server."""

import json
from pathlib import Path

import click

from madang.entrypoints.cli.deployment import load_settings


@click.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file instead of standard output."
)
@click.option("--compact", is_flag=True, help="Without indentation.")
def openapi(out: Path | None, compact: bool) -> None:
    """Print the OpenAPI document as JSON."""
    from madang.entrypoints.http.routes import openapi_document

    settings = load_settings()
    described = openapi_document(settings.products, base_url=settings.base_url)
    document = json.dumps(described, ensure_ascii=False, indent=None if compact else 2)
    if out is None:
        click.echo(document)
    else:
        out.write_text(document + "\n", encoding="utf-8")
