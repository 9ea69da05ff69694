"""The root of the command line: light, complete, and clear when something is wrong."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from madang.entrypoints.cli.failures import told
from madang.entrypoints.cli.lazy import LazyCommand, LazyGroup
from madang.entrypoints.cli.main import COMMANDS, cli
from madang.ports.errors import Misconfigured
from operator_shell import run_command

_HEAVY = {
    "alembic",
    "arq",
    "asyncio",
    "asyncpg",
    "cryptography",
    "granian",
    "httpx",
    "jinja2",
    "litestar",
    "madang.core.portraits",
    "madang.entrypoints.container",
    "madang.entrypoints.settings",
    "msgspec",
    "PIL",
    "pluggy",
    "pydantic",
    "redis",
    "rich",
    "sqlalchemy",
    "structlog",
}


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from madang.entrypoints.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stderr.split()) & _HEAVY == set()


def test_help_names_every_command_but_the_hidden_one(tmp_path: Path) -> None:
    shown = run_command("--help", folder=tmp_path).stdout
    assert all(f"\n  {name} " in shown for name, command in COMMANDS.items() if not command.hidden)
    assert "prepare" not in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_named_command_is_there_and_says_what_it_does(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    done = run_command("upp", folder=tmp_path)
    assert done.returncode == 2
    assert "No such command 'upp'" in done.stderr


def test_a_failure_is_one_sentence_and_a_traceback_only_on_demand(tmp_path: Path) -> None:
    done = run_command("db", "current", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("madang: no database: `madang up` does not run in")
    assert "Traceback" not in done.stderr
    assert "Traceback" in run_command("db", "current", folder=tmp_path, MADANG_DEBUG="1").stderr


def test_a_wrong_setting_is_told_by_its_key_and_variable(tmp_path: Path) -> None:
    done = run_command("db", "current", folder=tmp_path, MADANG_PORT="many")
    assert done.returncode == 2
    assert "port (MADANG_PORT)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_configuration_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "madang.toml").write_text("port = = 1\n")
    done = run_command("db", "current", folder=tmp_path)
    assert done.returncode == 2
    assert "madang.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    done = run_command(
        "db", "current", folder=tmp_path, MADANG_DATABASE_URL="postgresql://someone:fake-secret@127.0.0.1:1/none"
    )
    assert done.returncode != 0
    assert "fake-secret" not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (Misconfigured("no key", provider="acme", operation="send"), "acme.send: no key — look into madang.toml", 2),
        (ConnectionRefusedError(111, "Connection refused"), "is it running and reachable?", 1),
        (
            ZeroDivisionError("division by zero"),
            "unexpected ZeroDivisionError: division by zero (MADANG_DEBUG=1 shows where)",
            1,
        ),
    ],
)
def test_errors_become_sentences(error: Exception, words: str, code: int) -> None:
    failure = told(error)
    assert words in failure.sentence
    assert failure.exit_code == code


def test_commands_of_plugins_are_listed_after_ours_and_called_like_ours() -> None:
    found = {"hello": LazyCommand("madang.entrypoints.cli.openapi:openapi", "Say hello.")}
    group = LazyGroup("madang", lazy={"up": COMMANDS["up"]}, found=lambda: found)
    context = click.Context(group)
    assert group.list_commands(context) == ["up", "hello"]
    assert "Commands of plugins:\n  hello  Say hello." in group.get_help(context)
    assert group.get_command(context, "hello") is found["hello"].resolve()
    assert group.get_command(context, "nobody") is None
