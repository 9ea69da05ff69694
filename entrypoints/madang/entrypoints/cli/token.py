"""`madang token`: access for operators, where no identity product is running."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import on_deployment
from madang.entrypoints.cli.screen import print_json

if TYPE_CHECKING:
    from madang.entrypoints.container import Container

_ROLES = {"admin": ("knowledge-base:read", "knowledge-base:write"), "developer": (), "pm": (), "client": ()}


@click.group()
def token() -> None:
    """Issue access tokens for operators."""


@token.command("issue")
@click.option("--role", type=click.Choice(tuple(_ROLES)), default="admin", show_default=True)
@click.option("--permission", "permissions", multiple=True, help="A permission such as knowledge-base:write; may be repeated.")
@click.option("--user", default="operator", show_default=True, help="Whose actions these will be.")
@click.option("--hours", default=1.0, show_default=True, type=click.FloatRange(0.01, 24 * 31))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def issue(role: str, permissions: tuple[str, ...], user: str, hours: float, as_json: bool) -> None:
    """Print a bearer token for the API, signed with this deployment's key. The audit trail says that it was issued."""
    expires_at = datetime.now(UTC) + timedelta(hours=hours)
    granted = list(permissions or _ROLES[role])
    claims = {"userId": user, "role": role, "permissions": granted}

    async def recorded(container: "Container") -> str:
        """No token leaves that the trail does not know of."""
        from madang.core.kernel.caller import OPERATOR
        from madang.core.operations.audit import AuditAction

        trail, issued = container.audit_trail, AuditAction.ACCESS_TOKEN_ISSUED
        async with container.units() as uow:
            await trail.record(uow, OPERATOR, issued, "token", role=role, permissions=granted, hours=hours)
        return container.tokens.issue("api", user, expires_at=expires_at, extra=claims)

    written = on_deployment(recorded)
    if as_json:
        print_json({"token": written, "expiresAt": expires_at.isoformat(), **claims})
    else:
        click.echo(written)
