"""A click group that knows its commands by name and imports one only when it is called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """`target` is `"module:attribute"` of a click command; `help` is the line in the list of commands."""

    target: str
    help: str
    hidden: bool = False

    def resolve(self) -> click.Command:
        command = resolve_name(self.target)
        if not isinstance(command, click.Command):
            raise click.ClickException(f"{self.target} is not a click command")
        return command


class LazyGroup(click.Group):
    """`commands` are ours; `found` answers those of plugins, and is asked only where ours do not suffice."""

    def __init__(
        self,
        *arguments: Any,
        lazy: Mapping[str, LazyCommand],
        found: Callable[[], Mapping[str, LazyCommand]] = dict,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._lazy = lazy
        self._found = found

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._lazy, *self._found()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = self._lazy.get(cmd_name) or self._found().get(cmd_name)
        return command.resolve() if command is not None else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in self._lazy.items() if not command.hidden])
        if plugins := self._found():
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, command.help) for name, command in plugins.items()])
