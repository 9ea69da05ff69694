"""`madang knowledge-base`: the care catalogue from a file."""

from pathlib import Path

import click

from madang.entrypoints.cli.deployment import CliError, on_deployment
from madang.entrypoints.cli.screen import jsonable, print_json


@click.group("knowledge-base")
def knowledge_base() -> None:
    """Import the care catalogue."""


@knowledge_base.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_file(file: Path, as_json: bool) -> None:
    """Create and replace entries from a CSV file in UTF-8. Wrong lines are told and left out; the others are written."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CliError(f"{file} is not UTF-8: save it as “CSV UTF-8”") from error
    from madang.core.kernel.caller import OPERATOR

    outcome = on_deployment(lambda container: container.knowledge_base.import_csv(OPERATOR, text))
    if as_json:
        print_json(jsonable(outcome))
    else:
        for problem in outcome.problems:
            click.echo(f"{file}: {getattr(problem, 'path', '')} {getattr(problem, 'message', problem)}".rstrip(), err=True)
        click.echo(f"{outcome.created} created, {outcome.updated} replaced, {len(outcome.problems)} problems")
    if outcome.problems:
        raise click.exceptions.Exit(1)
