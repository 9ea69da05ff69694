"""`madang redrive`: mend what is broken, through the ordinary machinery."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import on_deployment
from madang.entrypoints.cli.failures import told
from madang.entrypoints.cli.jobs import revived
from madang.entrypoints.cli.screen import print_json, print_table

if TYPE_CHECKING:
    from madang.core.kernel.invariants import Invariant, Violation
    from madang.entrypoints.container import Container

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Mended:
    """`done` is empty when a person must look."""

    what: str
    subject: str
    done: str


@click.command()
@click.option("--dead", is_flag=True, help="Also make every dead message due again.")
@click.option("--dry-run", is_flag=True, help="Say what would be mended, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def redrive(dead: bool, dry_run: bool, as_json: bool) -> None:
    """Mend violations of invariants, and with --dead run dead messages again. Exits 1 when something needs a person."""

    async def mend(container: "Container") -> Sequence[Mended]:
        return [
            *await mend_invariants(container, dry_run=dry_run),
            *(await revive_dead(container, dry_run=dry_run) if dead else ()),
        ]

    mended = on_deployment(mend)
    if as_json:
        print_json([{"what": one.what, "subject": one.subject, "done": one.done or None} for one in mended])
    elif not mended:
        click.echo("Nothing to mend.")
    else:
        print_table(
            "",
            ("what", "subject", "done"),
            [(one.what, one.subject, one.done or "[red]needs a person[/red]") for one in mended],
        )
    if any(not one.done for one in mended):
        raise click.exceptions.Exit(1)


async def mend_invariants(container: "Container", *, dry_run: bool) -> Sequence[Mended]:
    """Every violation of every invariant, mended once."""
    mended = []
    for invariant in container.invariants:
        for violation in await invariant.violations(limit=_AT_ONCE):
            done = "would be mended" if dry_run else await _mend(container, invariant, violation)
            mended.append(Mended(invariant.name, violation.subject, done))
    return mended


async def _mend(container: "Container", invariant: "Invariant", violation: "Violation") -> str:
    """What was done; empty when it failed, which must not keep the others from being mended. The trail says first who had it
    mended: what a mend does is not one commit."""
    from madang.core.kernel.caller import OPERATOR
    from madang.core.operations.audit import AuditAction

    try:
        async with container.units() as uow:
            trail, mended = container.audit_trail, AuditAction.INVARIANT_MENDED
            await trail.record(uow, OPERATOR, mended, violation.subject, invariant=invariant.name)
        return await invariant.mend(violation)
    except Exception as error:  # noqa: BLE001 - whatever a provider or the database raises is told
        click.echo(f"{invariant.name}, {violation.subject}: {told(error).sentence}", err=True)
        return ""


async def revive_dead(container: "Container", *, dry_run: bool) -> Sequence[Mended]:
    """Every dead message, due again with fresh counts."""
    from madang.core.kernel.messages import MessageState

    mended = []
    for row in await container.outbox.listing(state=MessageState.DEAD, topic=None, limit=_AT_ONCE):
        again = dry_run or await revived(container, row.id)
        done = "would be due again" if dry_run else "due again" if again else ""
        mended.append(Mended(f"dead message of {row.topic}", row.subject or str(row.id), done))
    return mended
