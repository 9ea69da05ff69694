"""The outbox's messages for administrators."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.kernel.messages import Failure, MessageState
from madang.core.kernel.outbox import MessageRow
from madang.core.kernel.paging import CursorRequest
from madang.core.operations.jobs import JobFilter
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import Pagination, Shape, zone
from madang.entrypoints.http.operation import Call, Operation, route
from madang.entrypoints.http.portraits.shapes import Input
from madang.entrypoints.logs import without_credentials

TAG: Final = "Administration"
_READER: Final = Access(Audience.API, "operations:read")
_MENDER: Final = Access(Audience.API, "operations:write")
_ONE: Final = "/admin/jobs/{job_id:uuid}"


class JobState(StrEnum):
    """`running`: a worker has it."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


_STATE_OF: Final = {
    MessageState.WAITING: JobState.WAITING,
    MessageState.LEASED: JobState.RUNNING,
    MessageState.DONE: JobState.DONE,
    MessageState.DEAD: JobState.DEAD,
}
_MESSAGE_STATE: Final = {job: message for message, job in _STATE_OF.items()}


class JobsQuery(Input, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$")] | None = None
    state: JobState | None = None
    topic: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\u0000]*$")] | None = None


class JobFailureShape(Shape, frozen=True):
    """`kind` is of the error taxonomy, or `unexpected` with the name of the exception's type."""

    kind: str
    message: str
    provider: str | None
    operation: str | None
    code: str | None


class JobShape(Shape, frozen=True):
    """What a job works with is not shown. `attempts` counts how often it was begun, `failures` how often it failed;
    `subject` is what it is about, `requestId` the request that caused it."""

    id: UUID
    topic: str
    state: JobState
    subject: str | None
    attempts: int
    failures: int
    due_at: datetime
    created_at: datetime
    lease_until: datetime | None
    last_failure: JobFailureShape | None
    request_id: str


_EXAMPLE: Final = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "topic": "notifications.send_sms",
    "state": "dead",
    "subject": "portrait:01997f2e-6c00-7a10-9c3e-0242ac120003",
    "attempts": 4,
    "failures": 4,
    "dueAt": "2026-01-05T12:07:30+09:00",
    "createdAt": "2026-01-05T12:05:02+09:00",
    "leaseUntil": None,
    "lastFailure": {
        "kind": "unavailable",
        "message": "the provider does not answer",
        "provider": "sandbox",
        "operation": "send",
        "code": None,
    },
    "requestId": "01997f30-9a10-7c01-b7a2-0242ac120002",
}


@route(
    Operation(
        "GET", "/admin/jobs", "listJobs", TAG, "List jobs",
        "The newest first. Done ones are forgotten after 7 days (60 where they must not be done twice), dead ones stay.",
        list[JobShape], [_EXAMPLE],
        access=_READER, query=JobsQuery, by_cursor=True, errors=("VALIDATION_ERROR",),
    )
)  # fmt: skip
async def list_jobs(call: Call) -> ASGIApp:
    query: JobsQuery = call.query
    wanted = JobFilter(None if query.state is None else _MESSAGE_STATE[query.state], query.topic)
    page = await call.container.jobs.page(CursorRequest(query.cursor, query.limit), wanted)
    return call.succeed([_job(call, row) for row in page.items], pagination=Pagination.by_cursor(page))


@route(
    Operation(
        "GET", _ONE, "getJob", TAG, "Read a job", "One job by its id.",
        JobShape, _EXAMPLE, access=_READER, errors=("JOB_NOT_FOUND", "NOT_FOUND"),
    )
)  # fmt: skip
async def get_job(call: Call) -> ASGIApp:
    return call.succeed(_job(call, await call.container.jobs.get(call.request.path_params["job_id"])))


@route(
    Operation(
        "POST", f"{_ONE}/retry", "retryJob", TAG, "Try a job again",
        "A dead or waiting job becomes due now, its failures forgotten. What it did already it does not do again.",
        JobShape, {**_EXAMPLE, "state": "waiting", "attempts": 0, "failures": 0},
        access=_MENDER, errors=("JOB_NOT_FOUND", "NOT_FOUND", "WRONG_STATE"),
    )
)  # fmt: skip
async def retry_job(call: Call) -> ASGIApp:
    return call.succeed(_job(call, await call.container.jobs.retry(call.caller, call.request.path_params["job_id"])))


def _job(call: Call, row: MessageRow) -> JobShape:
    here = zone(call.container.settings.timezone)
    return JobShape(
        row.id,
        row.topic,
        _STATE_OF[row.state],
        row.subject,
        row.attempts,
        row.failures,
        row.due_at.astimezone(here),
        row.created_at.astimezone(here),
        None if row.lease_until is None else row.lease_until.astimezone(here),
        None if row.last_failure is None else _failure(row.last_failure),
        row.request_id,
    )


def _failure(failure: Failure) -> JobFailureShape:
    """An error's text is a provider's own: what could be a secret in it is cut out, as in the logs."""
    return JobFailureShape(
        failure.kind, without_credentials(failure.message), failure.provider or None, failure.operation or None, failure.code
    )


ROUTES: Final = (list_jobs, get_job, retry_job)
