"""The outbox as administrators see and mend it: what waits, runs, is done or was given up, and another try."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import NotFound, WrongState
from madang.core.kernel.messages import MessageState
from madang.core.kernel.outbox import MessageRow
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail


@dataclass(frozen=True, slots=True)
class JobFilter:
    state: MessageState | None = None
    topic: str | None = None


class JobRepository(Protocol):
    async def page(self, request: CursorRequest, wanted: JobFilter) -> CursorPage[MessageRow]:
        """The newest first, without payloads. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        ...

    async def get(self, job_id: UUID) -> MessageRow | None: ...

    async def revive(self, job_id: UUID) -> bool:
        """Make a dead or waiting one due now; False for any other."""
        ...


class JobsUnitOfWork(AuditedUnitOfWork, Protocol):
    @property
    def jobs(self) -> JobRepository: ...


class JobService:
    def __init__(self, units: UnitOfWorkFactory[JobsUnitOfWork], audit_trail: AuditTrail) -> None:
        self._units = units
        self._audit_trail = audit_trail

    async def page(self, request: CursorRequest, wanted: JobFilter) -> CursorPage[MessageRow]:
        async with self._units() as uow:
            return await uow.jobs.page(request, wanted)

    async def get(self, job_id: UUID) -> MessageRow:
        """Raises `NotFound`."""
        async with self._units() as uow:
            return await _existing(uow, job_id)

    async def retry(self, caller: Caller, job_id: UUID) -> MessageRow:
        """Due now, its failures forgotten. Raises `NotFound`, and `WrongState` for one that runs or is done."""
        async with self._units() as uow:
            before = await _existing(uow, job_id)
            if not await uow.jobs.revive(job_id):
                now = await _existing(uow, job_id)
                raise WrongState("only a dead or waiting job is retried", state=now.state.value, expected="dead, waiting")
            await self._audit_trail.record(
                uow, caller, AuditAction.JOB_RETRIED, f"job:{job_id}", topic=before.topic, state=before.state.value
            )
            return await _existing(uow, job_id)


async def _existing(uow: JobsUnitOfWork, job_id: UUID) -> MessageRow:
    found = await uow.jobs.get(job_id)
    if found is None:
        raise NotFound("there is no such job", code="JOB_NOT_FOUND")
    return found
