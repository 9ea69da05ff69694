"""The root of the command line. Only click is imported here: `madang --help` must not wait for a database driver."""

import os
import sys
from collections.abc import Mapping
from typing import Final

import click

from madang.entrypoints.cli.lazy import LazyCommand, LazyGroup

_HERE: Final = "madang.entrypoints.cli"

COMMANDS: Final[Mapping[str, LazyCommand]] = {
    "up": LazyCommand(f"{_HERE}.up:up", "Start everything that is missing on this machine, and the API, relay and worker."),
    "demo": LazyCommand(f"{_HERE}.demo:demo", "Order, pay, make and receive a portrait on the sandbox, and keep the results."),
    "doctor": LazyCommand(f"{_HERE}.doctor:doctor", "Say what is configured, reachable, missing or broken, and what to do."),
    "redrive": LazyCommand(f"{_HERE}.redrive:redrive", "Mend broken invariants and run dead messages again."),
    "jobs": LazyCommand(f"{_HERE}.jobs:jobs", "List, show and retry the messages of the outbox."),
    "db": LazyCommand(f"{_HERE}.database:db", "Migrate the database."),
    "serve": LazyCommand(f"{_HERE}.processes:serve", "Run one API process."),
    "worker": LazyCommand(f"{_HERE}.processes:worker", "Run one worker process."),
    "relay": LazyCommand(f"{_HERE}.processes:relay", "Run one relay process, which wakes the workers."),
    "plugins": LazyCommand(f"{_HERE}.plugins:plugins", "List and check plugins."),
    "providers": LazyCommand(
        f"{_HERE}.providers:providers", "Check the routes' providers, sum up costs, print who can do what."
    ),
    "billing": LazyCommand(f"{_HERE}.billing:billing", "Show and print invoices, compare payments with a provider's."),
    "knowledge-base": LazyCommand(f"{_HERE}.knowledge_base:knowledge_base", "Import the care catalogue."),
    "keys": LazyCommand(f"{_HERE}.keys:keys", "List master keys, and seal personal data anew under the current one."),
    "users": LazyCommand(f"{_HERE}.users:users", "Give users their roles, the first administrator's above all."),
    "token": LazyCommand(f"{_HERE}.token:token", "Issue access tokens for operators."),
    "openapi": LazyCommand(f"{_HERE}.openapi:openapi", "Print the OpenAPI document."),
    "prepare": LazyCommand(f"{_HERE}.prepare:prepare", "Migrate, and fill an empty knowledge base.", hidden=True),
}


def _commands_of_plugins() -> Mapping[str, LazyCommand]:
    from madang.entrypoints.cli.plugin_commands import commands_of_plugins

    return commands_of_plugins(reserved=COMMANDS.keys())


@click.group(cls=LazyGroup, lazy=COMMANDS, found=_commands_of_plugins, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="madang", message="%(prog)s %(version)s")
def cli() -> None:
    """One backend for AI-powered products.

    Settings come from madang.toml in this folder and from MADANG_… variables, which win.
    """


def main() -> None:
    """The `madang` program: one sentence and an exit code for every error, a traceback only with MADANG_DEBUG=1."""
    if os.environ.get("MADANG_SUPERVISED_BY"):
        from madang.entrypoints.supervisor.lineage import end_with_parent

        end_with_parent()
    try:
        sys.exit(cli.main(prog_name="madang", standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("MADANG_DEBUG"):
            raise
        from madang.entrypoints.cli.failures import told

        failure = told(error)
        click.echo(f"madang: {failure.sentence}", err=True)
        sys.exit(failure.exit_code)
