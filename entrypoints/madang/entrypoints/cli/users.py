"""`madang users`: what has to be done before there is an administrator who could."""

from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import on_deployment

if TYPE_CHECKING:
    from madang.entrypoints.container import Container

_ROLES = ("client", "pm", "developer", "admin")


@click.group()
def users() -> None:
    """Give users their roles."""


@users.command("grant")
@click.argument("email")
@click.argument("role", type=click.Choice(_ROLES))
def grant(email: str, role: str) -> None:
    """Give the user with this e-mail address a role; they sign in again for it. It goes into the audit trail."""
    from madang.core.identity.roles import Role
    from madang.core.kernel.caller import OPERATOR

    async def give(container: "Container") -> str:
        account = await container.user_administration.grant(OPERATOR, email, Role(role))
        return str(account.user.id)

    click.echo(f"{on_deployment(give)} is {role}")
