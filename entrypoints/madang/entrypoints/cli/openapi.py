"""`madang openapi`: the document of the HTTP API, without a database or a server."""

import json
from pathlib import Path

import click


@click.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file instead of standard output."
)
@click.option("--compact", is_flag=True, help="Without indentation.")
def openapi(out: Path | None, compact: bool) -> None:
    """Print the OpenAPI document as JSON."""
    from madang.entrypoints.http import openapi_document

    document = json.dumps(openapi_document(), ensure_ascii=False, indent=None if compact else 2)
    if out is None:
        click.echo(document)
    else:
        out.write_text(document + "\n", encoding="utf-8")
