"""The audit trail as administrators read it; reading it is itself recorded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.kernel.caller import Caller
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditEvent, AuditTrail, Origin

SUBJECT: Final = "audit-events"


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """From `since` on, before `until`."""

    action: AuditAction | None = None
    actor_id: UUID | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def as_details(self) -> dict[str, Any]:
        """What was asked for, where anything was: ids and words."""
        told = {"action": self.action, "actorId": self.actor_id, "subject": self.subject}
        return {name: str(value) for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """`origin` is None where it was not kept, and where its person was erased."""

    event: AuditEvent
    origin: Origin | None = field(default=None, repr=False)


class AuditReading:
    def __init__(self, units: UnitOfWorkFactory[AuditedUnitOfWork], trail: AuditTrail) -> None:
        self._units = units
        self._trail = trail

    async def page(self, caller: Caller, request: CursorRequest, wanted: AuditFilter) -> CursorPage[ReadEvent]:
        """The newest first. Whereabouts of people are read with it, so every page that is read is an event of its own.
        Raises `ValidationFailed` at `cursor`."""
        async with self._units() as uow:
            page = await uow.audit.page(
                request,
                action=wanted.action,
                actor_id=wanted.actor_id,
                subject=wanted.subject,
                since=wanted.since,
                until=wanted.until,
            )
            read = await self._opened(uow, page.items)
            read_by, about = AuditAction.SENSITIVE_DATA_ACCESSED, wanted.as_details()
            await self._trail.record(uow, caller, read_by, SUBJECT, wanted=about, events=len(read))
        return CursorPage(read, page.limit, page.next_cursor)

    async def _opened(self, uow: AuditedUnitOfWork, events: Sequence[AuditEvent]) -> Sequence[ReadEvent]:
        keys = await uow.personal_keys.of({event.person_id for event in events if event.person_id is not None})
        return [ReadEvent(event, self._trail.origin_under(keys, event)) for event in events]
