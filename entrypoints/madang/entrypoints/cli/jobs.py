"""`madang jobs`: the outbox as an operator sees it."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from madang.entrypoints.cli.deployment import CliError, on_deployment
from madang.entrypoints.cli.screen import print_json, print_table

if TYPE_CHECKING:
    from madang.core.kernel.outbox import MessageRow
    from madang.entrypoints.container import Container

_STATES = ("waiting", "leased", "done", "dead")


@click.group()
def jobs() -> None:
    """List, show and retry the messages of the outbox."""


@jobs.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Only messages in this state.")
@click.option("--topic", help="Only messages of this topic.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_jobs(state: str | None, topic: str | None, limit: int, as_json: bool) -> None:
    """The newest messages first."""
    from madang.core.kernel.messages import MessageState

    wanted = MessageState(state) if state else None
    rows = on_deployment(lambda container: container.outbox.listing(state=wanted, topic=topic, limit=limit))
    if as_json:
        print_json([_as_json(row) for row in rows])
        return
    print_table("", ("id", "topic", "state", "due", "tries", "failures", "last failure"), [_as_line(row) for row in rows])


@jobs.command("show")
@click.argument("job_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_job(job_id: UUID, as_json: bool) -> None:
    """Everything about one message."""
    row = on_deployment(lambda container: container.outbox.get(job_id))
    if row is None:
        raise CliError(f"there is no message {job_id}")
    if as_json:
        print_json(_as_json(row))
        return
    print_table("", ("", ""), list(_as_json(row).items()))


@jobs.command("retry")
@click.argument("job_ids", type=click.UUID, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retry_jobs(job_ids: tuple[UUID, ...], as_json: bool) -> None:
    """Make dead or waiting messages due now."""

    async def retry(container: "Container") -> dict[str, bool]:
        return {str(job_id): await revived(container, job_id) for job_id in job_ids}

    outcomes = on_deployment(retry)
    if as_json:
        print_json(outcomes)
    else:
        for job_id, done in outcomes.items():
            click.echo(f"{job_id}: {'due now' if done else 'neither dead nor waiting, left as it is'}")
    if not all(outcomes.values()):
        raise click.exceptions.Exit(1)


async def revived(container: "Container", job_id: UUID) -> bool:
    """Made due now by the operator; False for a message that is not there, or is neither dead nor waiting."""
    from madang.core.kernel.caller import OPERATOR
    from madang.core.kernel.errors import NotFound, WrongState

    try:
        await container.jobs.retry(OPERATOR, job_id)
    except (NotFound, WrongState):
        return False
    return True


def _as_line(row: "MessageRow") -> tuple[object, ...]:
    failure = row.last_failure
    due = row.due_at.astimezone().strftime("%m-%d %H:%M:%S")
    return row.id, row.topic, row.state.value, due, row.attempts, row.failures, _failure_words(failure)


def _failure_words(failure: Any) -> str:
    return "" if failure is None else f"{getattr(failure, 'kind', '')} {getattr(failure, 'message', failure)}".strip()[:80]


def _as_json(row: "MessageRow") -> dict[str, object]:
    return {
        "id": str(row.id),
        "topic": row.topic,
        "lane": row.lane.value,
        "state": row.state.value,
        "subject": row.subject,
        "attempts": row.attempts,
        "failures": row.failures,
        "dueAt": row.due_at.isoformat(),
        "createdAt": row.created_at.isoformat(),
        "leaseUntil": row.lease_until.isoformat() if row.lease_until else None,
        "lastFailure": row.last_failure,
        "requestId": row.request_id,
    }
